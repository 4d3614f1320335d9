"""The command line in this process, for the tests of its commands."""

from errseg.__main__ import main


def refused(capsys, *arguments) -> str:
    """Run in this process and return the one sentence on stderr."""
    try:
        code = main(list(map(str, arguments)))
    except SystemExit as exit:  # argparse's way
        code = exit.code
    out, err = capsys.readouterr()
    assert code == 2
    assert out == ""
    assert err.endswith(".\n")
    assert err.count("\n") == 1
    assert "Traceback" not in err
    return err
