"""Options that several commands share, and how their values are read."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from errseg.device import AUTOMATIC, check_precision
from errseg.errors import InputError
from errseg.options import Options, knobs

DEFAULT_MODEL = "errseg-lite"


def check_writable(path: Path) -> None:
    """Refuse a place for a file before the work that is to be written there.

    Raises:
        InputError: its folder isn't there, or can't be written to, or it is a folder itself.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder; give a file.")
    if not path.parent.is_dir():
        raise InputError(f"There is no folder {path.parent} for {path.name}.")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise InputError(f"{path} can't be written.")


@contextmanager
def kept_on_failure(text: str) -> Iterator[None]:
    """Print what was found by long work if what follows, its writing to a file, fails."""
    try:
        yield
    except OSError:
        sys.stdout.write(text + "\n")
        raise


def add_data_option(parser: argparse.ArgumentParser, several: bool = False) -> None:
    """Add ``--data``: one folder of sets, or several."""
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        nargs="+" if several else None,
        metavar="DIR",
        help="folder with one folder per set",
    )


def add_sets_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--sets``."""
    parser.add_argument("--sets", type=names, metavar="A,B", help="only these sets")


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--model`` and ``--device``."""
    parser.add_argument(
        "--model",
        default=DEFAULT_MODEL,
        metavar="NAME|PATH",
        help=f"a model's name, a .safetensors file or a released .pth ({DEFAULT_MODEL})",
    )
    parser.add_argument(
        "--device", default=AUTOMATIC, help=f"{AUTOMATIC}, cpu, cuda, ... ({AUTOMATIC})"
    )


def add_compile_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--compile``."""
    parser.add_argument(
        "--compile",
        action="store_true",
        help="let torch compile the network, on a CUDA GPU: for many photos (no)",
    )


def add_question_options(parser: argparse.ArgumentParser, *names: str, **defaults: str) -> None:
    """Add the fields of `Options`.

    Args:
        parser: a command's.
        names: of the fields; all of them if none is named.
        defaults: where they aren't the fields' own.
    """
    for name in names or knobs():
        knob = knobs()[name]
        default = defaults.get(name, knob.default)
        own = "the model's own" if default is None else shown(default)
        kind = {"type": knob.kind, "metavar": knob.symbol}
        if knob.kind is bool:
            kind = {"action": argparse.BooleanOptionalAction}
        option = "--" + name.replace("_", "-")
        parser.add_argument(option, default=default, help=f"{knob.help} ({own})", **kind)


def asked_options(args: argparse.Namespace) -> Options:
    """Return the `Options` that a command was given.

    Raises:
        InputError: there is no such precision.
    """
    given = {name: value for name, value in vars(args).items() if name in knobs()}
    options = Options(**given)
    check_precision(options.precision)
    return options


def option_kind(kind: type, zero: bool) -> dict:
    """Say to argparse how an option for a dataclass field of this type is read.

    Args:
        kind: the field's type.
        zero: whether a number may be 0: some preset turns something off with it.
    """
    if kind is bool:
        return {"action": argparse.BooleanOptionalAction}
    if kind is int:
        return {"type": count if zero else positive, "metavar": "N"}
    if kind is float:
        return {"type": amount, "metavar": "X"}
    if kind is str:
        return {"metavar": "FILE"}
    return {"type": names, "metavar": "A,B"}


def shown(value: object) -> str:
    """Write a setting as the command line takes it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ",".join(value) or "none"
    return str(value)


def count(text: str) -> int:
    """Read a whole number from 0."""
    if (number := int(text)) < 0:
        raise argparse.ArgumentTypeError(f"must be 0 or more, not {number}")
    return number


def positive(text: str) -> int:
    """Read a whole number from 1."""
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, not {number}")
    return number


def amount(text: str) -> float:
    """Read a number from 0."""
    if not 0 <= (number := float(text)) < float("inf"):
        raise argparse.ArgumentTypeError(f"must be 0 or more, not {text}")
    return number


def names(text: str) -> tuple[str, ...]:
    """Read names parted by commas."""
    return tuple(name.strip() for name in text.split(",") if name.strip())
