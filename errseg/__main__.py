"""The command line: ``python -m errseg COMMAND``.

Any Python can parse this file, so that one that is too old gets a sentence.
"""

import sys

from errseg.python_version import check_python


def main(arguments=None):
    """Run one command and print what it returns; errors are one sentence on stderr."""
    check_python()
    from errseg.commands.line import main as run

    return run(arguments)


if __name__ == "__main__":
    sys.exit(main())
