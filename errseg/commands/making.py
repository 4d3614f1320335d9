"""Commands that make what ships with the code: ``train`` and ``wordnet``."""

from __future__ import annotations

import argparse
import dataclasses
import typing
from pathlib import Path

from errseg.commands.options import DEFAULT_MODEL, add_data_option, count, option_kind, shown


def train_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``train``: one for each setting of `TrainConfig`."""
    from errseg.train_config import LITE, PUBLISHED, TrainConfig

    add_data_option(parser)
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
    from errseg.train import WEIGHTS
    from errseg.train import train as run
    from errseg.train_config import LITE, PUBLISHED, TrainConfig

    name = model_config(args.model).name
    settings = {field.name for field in dataclasses.fields(TrainConfig)}
    given = {key: value for key, value in vars(args).items() if key in settings}
    config = dataclasses.replace(LITE if name == DEFAULT_MODEL else PUBLISHED, **given)
    run(name, args.data, args.out, config, args.workers)
    return f"Wrote {args.out / WEIGHTS}."


def wordnet_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``wordnet``."""
    from errseg.wordnet import EXTRACT

    parser.add_argument(
        "--source",
        type=Path,
        default=Path("/usr/share/wordnet"),
        metavar="DIR",
        help="WordNet 3.0's files, as Debian's wordnet-base installs them (/usr/share/wordnet)",
    )
    parser.add_argument(
        "--out", type=Path, default=EXTRACT, metavar="FILE", help="the shipped file by default"
    )


def wordnet(args: argparse.Namespace) -> str:
    """Make the extract of WordNet's nouns that ships with the code."""
    from errseg.wordnet_extract import write_extract

    synsets = write_extract(args.source, args.out)
    return f"Wrote {synsets:,} synsets to {args.out}, {args.out.stat().st_size:,} bytes."
