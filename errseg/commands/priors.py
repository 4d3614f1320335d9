"""The command ``priors``: typical places, by which a word's own prior is known."""

import argparse
from pathlib import Path

from errseg.commands.options import (
    DEFAULT_MODEL,
    add_data_options,
    add_shared,
    asked_sets,
    check_writable,
    positive,
)
from errseg.config import EMBEDDED_PRIORS

HELP = "write the typical places that ship with the weights"
PHOTOS = 60  # of each set


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``priors``."""
    add_data_options(parser)
    parser.add_argument(
        "--photos",
        type=positive,
        default=PHOTOS,
        metavar="N",
        help=f"training photos of each set ({PHOTOS})",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=EMBEDDED_PRIORS[DEFAULT_MODEL],
        metavar="FILE",
        help="where to (beside the weights)",
    )
    add_shared(parser, "--device")


def run(args: argparse.Namespace) -> str:
    """Draw places of each name on training photos, and write what the image tower makes of them."""
    check_writable(args.out)
    sets = asked_sets(args)

    from errseg.checkpoints.weights import load_model
    from errseg.inference.places import write_places
    from errseg.inference.predictor import Predictor
    from errseg.measuring.typical_places import typical_places

    predictor = Predictor(load_model(DEFAULT_MODEL, args.device))
    places, names = typical_places(predictor, sets, args.photos)
    write_places(args.out, predictor.model, places, names)
    size = args.out.stat().st_size / 10**6
    return f"Wrote {args.out}, {len(places):,} places of {len(names)} names, {size:.2f} MB."
