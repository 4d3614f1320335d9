"""Commands that make weights: ``train``, ``average`` and ``pseudo-label``."""

from __future__ import annotations

import argparse
import dataclasses
import typing
from pathlib import Path

from errseg.commands.options import (
    DEFAULT_MODEL,
    add_data_option,
    add_sets_option,
    amount,
    count,
    names,
    option_kind,
    positive,
    shown,
)


def train_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``train``: one for each setting of `TrainConfig`."""
    from errseg.training.config import LITE, PUBLISHED, TrainConfig

    add_data_option(parser, several=True)
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="for checkpoint, log and weights; a run that was stopped goes on from there",
    )
    parser.add_argument("--model", default=DEFAULT_MODEL, help=f"a model's name ({DEFAULT_MODEL})")
    parser.add_argument("--workers", type=count, default=1, help="processes that read photos (1)")
    group = parser.add_argument_group(
        "settings", "in brackets what they are for errseg-lite and for the other models"
    )
    kinds = typing.get_type_hints(TrainConfig)
    for field in dataclasses.fields(TrainConfig):
        lite, published = getattr(LITE, field.name), getattr(PUBLISHED, field.name)
        group.add_argument(
            "--" + field.name.replace("_", "-"),
            default=argparse.SUPPRESS,
            help=f"({shown(lite)}; {shown(published)})",
            **option_kind(kinds[field.name], zero=not (lite and published)),
        )


def train(args: argparse.Namespace) -> str:
    """Train a model, or go on training."""
    from errseg.config import model_config
    from errseg.training.config import LITE, PUBLISHED, TrainConfig
    from errseg.training.run import WEIGHTS
    from errseg.training.run import train as run

    name = model_config(args.model).name
    settings = {field.name for field in dataclasses.fields(TrainConfig)}
    given = {key: value for key, value in vars(args).items() if key in settings}
    config = dataclasses.replace(LITE if name == DEFAULT_MODEL else PUBLISHED, **given)
    run(name, args.data, args.out, config, args.workers)
    return f"Wrote {args.out / WEIGHTS}."


def average_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``average``."""
    for name, what in (("start", "the training started from"), ("tuned", "came of it")):
        parser.add_argument(name, type=Path, help=f"the weights that {what}")
    parser.add_argument(
        "--share",
        type=amount,
        default=0.75,
        metavar="X",
        help="of the tuned weights in the average, 0 to 1 (0.75)",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="a .safetensors")


def average(args: argparse.Namespace) -> str:
    """Average fine-tuned weights with those that they were tuned from."""
    from errseg.checkpoints.weights import load_for_training, save_model
    from errseg.errors import InputError
    from errseg.training.averaging import average_weights

    if args.share > 1:
        raise InputError(f"--share is from 0 to 1, not {args.share:g}.")
    start, tuned = load_for_training(args.start), load_for_training(args.tuned)
    save_model(average_weights(start, tuned, args.share), args.out)
    return f"Wrote {args.out}."


def pseudo_label_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``pseudo-label``."""
    add_data_option(parser)
    add_sets_option(parser)
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


def pseudo_label(args: argparse.Namespace) -> str:
    """Let a model label what people left, to train further on it."""
    from errseg.checkpoints.weights import load_model
    from errseg.datasets.folders import load_sets
    from errseg.errors import InputError
    from errseg.training.config import LITE
    from errseg.training.pseudo_labels import write_pseudo_labels

    if args.sure > 1:
        raise InputError(f"--sure is a share from 0 to 1, not {args.sure:g}.")
    looked_for = load_sets(args.data, args.names_of)
    classes = [name for sample_set in looked_for for name in sample_set.class_names]
    photos = write_pseudo_labels(
        load_model(args.model),
        load_sets(args.data, args.sets),
        classes,
        args.out,
        LITE,
        args.sure,
        args.limit,
    )
    return f"Labelled {photos:,} photos in {args.out}."
