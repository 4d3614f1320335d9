"""The command ``priors``: typical places, by which a word's own prior is known."""

import argparse

from errseg.commands.options import (
    DEFAULT_MODEL,
    add_beside_weights,
    asked_sets,
    check_writable,
)
from errseg.config import EMBEDDED_PRIORS

HELP = "write the typical places that ship with the weights"
PHOTOS = 60  # of each set


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``priors``."""
    add_beside_weights(parser, EMBEDDED_PRIORS, PHOTOS)


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
