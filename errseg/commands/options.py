"""Options that several commands share, and how their values are read."""

import argparse
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

from errseg.device import AUTOMATIC
from errseg.errors import InputError
from errseg.options import Options, knobs

if TYPE_CHECKING:
    from errseg.datasets.sets import SegmentationSet

DEFAULT_MODEL = "errseg-lite"


def check_writable(path: Path) -> None:
    """Refuse a place for a file with an `InputError` before the work that is to go there."""
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


def add_shared(parser: argparse.ArgumentParser, *options: str, **changes: object) -> None:
    """Add options of `SHARED`, with changes to how they are read."""
    for option in options:
        parser.add_argument(option, **SHARED[option] | changes)


def add_beside_weights(
    parser: argparse.ArgumentParser, files: Mapping[str, Path], photos: int | None = None
) -> None:
    """Add the options of what writes a file that ships with weights.

    Args:
        parser: a command's.
        files: variant -> path, where it is written to by default.
        photos: of each set, by default; without it no photos are asked for.
    """
    if photos:
        add_data_options(parser)
        parser.add_argument(
            "--photos",
            type=positive,
            default=photos,
            metavar="N",
            help=f"training photos of each set ({photos})",
        )
    parser.add_argument(
        "--out",
        type=Path,
        default=files[DEFAULT_MODEL],
        metavar="FILE",
        help="where to (beside the weights)",
    )
    add_shared(parser, "--device")


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
        own = knob.unset if default is None else shown(default)
        kind = {"type": knob.kind, "metavar": knob.symbol}
        if knob.kind is bool:
            kind = {"action": argparse.BooleanOptionalAction}
        option = "--" + name.replace("_", "-")
        parser.add_argument(option, default=default, help=f"{knob.help} ({own})", **kind)


def add_data_options(parser: argparse.ArgumentParser, several: bool = False) -> None:
    """Add the options that say which photos with masks to take, for `asked_sets`.

    Args:
        parser: a command's.
        several: whether ``--data`` takes more than one folder.
    """
    from errseg.datasets.benchmarks import DATASETS, FOLDER

    group = parser.add_argument_group(
        "photos with masks", "either folders of sets in this project's layout, or a data set"
    )
    count = {"nargs": "+"} if several else {}
    group.add_argument(
        "--data", type=Path, metavar="DIR", help="folder with one folder per set", **count
    )
    group.add_argument("--sets", type=names, metavar="A,B", help="only these sets")
    group.add_argument(
        "--dataset",
        choices=DATASETS,
        metavar="NAME",
        help=f"{', '.join(DATASETS)}; each in the layout that it is published in, and {FOLDER} "
        "in this project's",
    )
    group.add_argument("--root", type=Path, metavar="DIR", help="where --dataset lies")


def asked_sets(args: argparse.Namespace) -> list["SegmentationSet"]:
    """Return the sets of photos that a command was given; the photos stay on disk.

    Raises:
        InputError: it was given none, or two ways at once, or they aren't there as they should be.
    """
    from errseg.datasets.benchmarks import FOLDER, open_dataset
    from errseg.datasets.folders import load_sets

    if (args.data is None) == (args.dataset is None):
        raise InputError("Give either --data DIR, or --dataset NAME with --root DIR.")
    if (args.root is None) != (args.dataset is None):
        raise InputError("--dataset NAME and --root DIR go together: what it is, and where it is.")
    if args.data is not None:
        if not isinstance(args.data, list):
            return load_sets(args.data, args.sets)
        found = [s for folder in args.data for s in load_sets(folder)]
        chosen = found if args.sets is None else [s for s in found if s.name in args.sets]
        if missing := set(args.sets or ()) - {s.name for s in chosen}:
            raise InputError(f"No folder of --data has a set named {', '.join(sorted(missing))}.")
        return chosen
    if args.sets is None:
        return open_dataset(args.dataset, args.root)
    if args.dataset != FOLDER:
        raise InputError(f"--sets chooses among folders; {args.dataset} is one set.")
    return load_sets(args.root, args.sets)


def asked_options(args: argparse.Namespace) -> Options:
    """Return the `Options` that a command was given.

    Raises:
        InputError: there is no such precision, no such number of tiles, or no such place.
    """
    given = {name: value for name, value in vars(args).items() if name in knobs()}
    for name in given:
        if check := knobs()[name].check:
            given[name] = check(given[name])
    return Options(**given)


def option_kind(kind: type, zero: bool) -> dict:
    """Say to argparse how a field of this type is read; ``zero`` if some preset turns it off."""
    kinds = {
        bool: {"action": argparse.BooleanOptionalAction},
        int: {"type": count if zero else positive, "metavar": "N"},
        float: {"type": amount, "metavar": "X"},
        str: {"metavar": "FILE"},
    }
    return kinds.get(kind, {"type": names, "metavar": "A,B"})


def shown(value: object) -> str:
    """Write a setting as the command line takes it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ",".join(value) or "none"
    return str(value) or "none"


def count(text: str) -> int:
    """Read a whole number from 0."""
    return _from(0, int(text))


def positive(text: str) -> int:
    """Read a whole number from 1."""
    return _from(1, int(text))


def amount(text: str) -> float:
    """Read a number from 0."""
    return _from(0, float(text), text)


def _from(least: int, number: float, text: str = "") -> float:
    if not least <= number < inf:
        raise argparse.ArgumentTypeError(f"must be {least} or more, not {text or number}")
    return number


def names(text: str) -> tuple[str, ...]:
    """Read names parted by commas."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


SHARED: dict[str, dict] = {
    "--data": {
        "type": Path,
        "required": True,
        "metavar": "DIR",
        "help": "folder with one folder per set",
    },
    "--sets": {"type": names, "metavar": "A,B", "help": "only these sets"},
    "--model": {
        "default": DEFAULT_MODEL,
        "metavar": "NAME|PATH|hf://...",
        "help": "a model's name, a .safetensors file or a released .pth, a folder with one, or "
        f"hf://owner/name[/file][@revision] ({DEFAULT_MODEL})",
    },
    "--device": {
        "default": AUTOMATIC,
        "metavar": "NAME",
        "help": f"where to compute: cpu, cuda, cuda:1, mps, or {AUTOMATIC}, a CUDA GPU if there is "
        f"one ({AUTOMATIC})",
    },
    "--compile": {
        "action": "store_true",
        "help": "let torch compile the network, on a CUDA GPU: for many photos (no)",
    },
}
"""Options that mean the same wherever they are."""
