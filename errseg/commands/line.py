"""The command line itself: which command, and what becomes of its mistakes."""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from errseg.commands import COMMANDS
from errseg.device import memory_is_full, says_memory_is_full
from errseg.errors import InputError

REFUSED = 2  # exit code when something a person gave can't be used; argparse's own
INTERRUPTED = 130  # exit code after Ctrl-C, as shells have it


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and print what it returns; errors are one sentence on stderr."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    _print_anything()
    args = _parser(arguments).parse_args(arguments)
    try:
        if text := args.run(args):
            print(text)
        sys.stdout.flush()
    except InputError as error:
        return _refuse(str(error))
    except (RuntimeError, MemoryError) as error:
        if not says_memory_is_full(error):
            raise
        return _refuse(str(memory_is_full()))
    except BrokenPipeError:
        # The reader is gone; Python would complain again when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _refuse("The output was closed before all of it was written.")
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _refuse(f"{where}{error.strerror or error}.")
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return INTERRUPTED
    return 0


def _print_anything() -> None:
    """Let a console that lacks a letter, as in Windows' code pages, show its number instead."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one sentence, without the usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(REFUSED, f"{message[0].upper()}{message[1:]}; see {self.prog} --help.\n")


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m errseg",
        description="ERR-Seg: open-vocabulary semantic segmentation. Name anything in a photo "
        "and see where it is.",
    )
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, command in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=command.HELP, description=command.HELP)
        # Some commands' options need slow imports, so only those of the command that was given.
        if name in arguments[:1]:
            command.add_options(subparser)
            subparser.set_defaults(run=command.run)
    return parser


def _refuse(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return REFUSED
