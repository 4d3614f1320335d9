"""``pseudo-label``: let a model label what people left, to train further on it."""

import argparse
from pathlib import Path

from errseg.commands.options import add_shared, amount, names, positive
from errseg.errors import InputError

HELP = "let a model label what people left, to train further on it"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_shared(parser, "--data", "--sets")
    parser.add_argument(
        "--model", required=True, metavar="NAME|PATH", help="the teacher: a name or weights"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="another folder for train's --data"
    )
    parser.add_argument(
        "--names-of",
        type=names,
        default=("coco_stuff", "coco_panoptic"),
        metavar="A,B",
        help="sets whose names are looked for (coco_stuff,coco_panoptic)",
    )
    parser.add_argument(
        "--sure",
        type=amount,
        default=0.5,
        metavar="X",
        help="share of the softmax from which on a label is taken (0.5)",
    )
    parser.add_argument("--limit", type=positive, metavar="N", help="photos of each set (all)")


def run(args: argparse.Namespace) -> str:
    """Label sets' photos and write them as sets of their own."""
    if args.sure > 1:
        raise InputError(f"--sure is a share from 0 to 1, not {args.sure:g}.")

    from errseg.checkpoints.weights import load_model
    from errseg.datasets.folders import load_sets
    from errseg.training.config import LITE
    from errseg.training.pseudo_labels import write_pseudo_labels

    looked_for = load_sets(args.data, args.names_of)
    classes = [name for sample_set in looked_for for name in sample_set.class_names]
    model, sets = load_model(args.model), load_sets(args.data, args.sets)
    photos = write_pseudo_labels(model, sets, classes, args.out, LITE, args.sure, args.limit)
    return f"Labelled {photos:,} photos in {args.out}."
