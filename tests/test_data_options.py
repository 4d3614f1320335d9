"""The options that say which photos with masks a command takes."""

import argparse

import pytest
from photo_sets import write_set, write_sets

from errseg.__main__ import main
from errseg.commands.options import add_data_options, asked_sets
from errseg.errors import InputError


def asked(*arguments, several=False):
    parser = argparse.ArgumentParser()
    add_data_options(parser, several)
    return [s.name for s in asked_sets(parser.parse_args([str(a) for a in arguments]))]


@pytest.fixture
def root(tmp_path):
    return write_sets(tmp_path / "sets")


def test_folders_of_sets(root, tmp_path):
    every = ["parts", "scenes", "things", "walls"]
    assert asked("--data", root) == asked("--dataset", "folder", "--root", root) == every
    assert asked("--data", root, "--sets", "walls,parts") == ["walls", "parts"]
    assert asked("--dataset", "folder", "--root", root / "walls") == ["walls"]
    chosen = asked("--dataset", "folder", "--root", root, "--sets", "things")
    assert chosen == ["things"]
    write_set(tmp_path / "more", "fifth", {"1": "cat"})
    both = ("--data", root, tmp_path / "more")
    assert asked(*both, several=True) == [*every, "fifth"]
    assert asked(*both, "--sets", "fifth,things", several=True) == ["things", "fifth"]
    with pytest.raises(InputError, match="No folder of --data has a set named sixth"):
        asked(*both, "--sets", "fifth,sixth", several=True)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "Give either --data DIR, or --dataset NAME with --root DIR"),
        (("--data", "a", "--dataset", "voc20", "--root", "b"), "Give either --data"),
        (("--dataset", "voc20"), "go together"),
        (("--data", "a", "--root", "b"), "go together"),
        (("--dataset", "voc20", "--root", ".", "--sets", "a"), "voc20 is one set"),
    ],
)
def test_what_does_not_go_together_gets_a_sentence(arguments, sentence):
    with pytest.raises(InputError, match=sentence):
        asked(*arguments)


@pytest.mark.parametrize("command", ["evaluate", "calibrate", "pseudo-label"])
def test_the_commands_take_a_data_set_and_say_what_it_lacks(command, tmp_path, capsys):
    out = [] if command == "evaluate" else ["--out", str(tmp_path / "x.safetensors")]
    model = ["--model", "errseg-lite"]
    wanted = [command, "--dataset", "camvid", "--root", str(tmp_path), *out, *model]
    assert main(wanted) == 2
    assert "CamVid: there is no trainannot" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([command, "--help"])
    assert "context459" in capsys.readouterr().out
