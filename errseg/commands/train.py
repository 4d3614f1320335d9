"""``train``: train a model on photos with masks."""

import argparse
import dataclasses
import typing
from pathlib import Path

from errseg.commands.options import DEFAULT_MODEL, add_shared, count, option_kind, shown

HELP = "train a model on photos with masks"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options: one for each setting of `TrainConfig`."""
    from errseg.training.config import LITE, PUBLISHED, TrainConfig

    add_shared(parser, "--data", nargs="+")
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


def run(args: argparse.Namespace) -> str:
    """Train a model, or go on training."""
    from errseg.config import model_config
    from errseg.training.config import LITE, PUBLISHED, TrainConfig
    from errseg.training.run import WEIGHTS, train

    name = model_config(args.model).name
    settings = {field.name for field in dataclasses.fields(TrainConfig)}
    given = {key: value for key, value in vars(args).items() if key in settings}
    config = dataclasses.replace(LITE if name == DEFAULT_MODEL else PUBLISHED, **given)
    train(name, args.data, args.out, config, args.workers)
    return f"Wrote {args.out / WEIGHTS}."
