"""``pseudo-label``: let a model label what people left, to train further on it."""

import argparse
from pathlib import Path

from errseg.commands.options import (
    add_data_options,
    add_shared,
    amount,
    asked_sets,
    names,
    positive,
)
from errseg.errors import InputError

NAMES_OF = ("coco_stuff", "coco_panoptic")  # the sets that errseg-lite's names were of
NAMES_FOR_DATASET = "coco171"
HELP = "let a model label what people left, to train further on it"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_data_options(parser)
    parser.add_argument(
        "--model", required=True, metavar="NAME|PATH", help="the teacher: a name or weights"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="another folder for train's --data"
    )
    parser.add_argument(
        "--names-of",
        type=names,
        metavar="A,B",
        help="sets of --data, or vocabularies, whose names are looked for "
        f"({','.join(NAMES_OF)}; for --dataset {NAMES_FOR_DATASET})",
    )
    parser.add_argument(
        "--sure",
        type=amount,
        default=0.5,
        metavar="X",
        help="share of the softmax from which on a label is taken (0.5)",
    )
    parser.add_argument("--limit", type=positive, metavar="N", help="photos of each set (all)")
    add_shared(parser, "--device")


def run(args: argparse.Namespace) -> str:
    """Label sets' photos and write them as sets of their own."""
    if args.sure > 1:
        raise InputError(f"--sure is a share from 0 to 1, not {args.sure:g}.")

    from errseg.checkpoints.weights import load_model
    from errseg.training.config import LITE
    from errseg.training.pseudo_labels import write_pseudo_labels

    sets = asked_sets(args)
    classes = _names(args.names_of, args.data)
    model = load_model(args.model, args.device)
    photos = write_pseudo_labels(model, sets, classes, args.out, LITE, args.sure, args.limit)
    return f"Labelled {photos:,} photos in {args.out}."


def _names(sources: tuple[str, ...] | None, data: Path | None) -> list[str]:
    """Gather the names of vocabularies, and of sets of a folder."""
    from errseg.datasets.folders import load_sets
    from errseg.words.vocabulary import load_vocabulary, named_vocabularies

    found = []
    for source in sources or (NAMES_OF if data else (NAMES_FOR_DATASET,)):
        if source in named_vocabularies():
            found += load_vocabulary(source).names
        elif data is None:
            raise InputError(
                f"--names-of: there is no vocabulary {source}; there are "
                f"{', '.join(named_vocabularies())}."
            )
        else:
            found += load_sets(data, [source])[0].class_names
    return found
