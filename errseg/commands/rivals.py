"""The command ``rivals``: how much hidden rivals take from a word's score."""

import argparse
import dataclasses
import json

from errseg.commands.options import (
    DEFAULT_MODEL,
    add_beside_weights,
    asked_sets,
    check_writable,
)
from errseg.config import EMBEDDED_RIVALS

HELP = "fit what hidden rivals take from the scores of the weights that ship"
PHOTOS = 10  # of each set


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``rivals``."""
    add_beside_weights(parser, EMBEDDED_RIVALS, PHOTOS)


def run(args: argparse.Namespace) -> str:
    """Ask words one at a time of training photos, fit, and write what was found."""
    check_writable(args.out)
    sets = asked_sets(args)

    from errseg.checkpoints.weights import load_model
    from errseg.inference.predictor import Predictor
    from errseg.measuring.rival_fit import fit_rivals

    predictor = Predictor(load_model(DEFAULT_MODEL, args.device))
    weights, asked = fit_rivals(predictor, sets, args.photos)
    fitted = dataclasses.asdict(weights)
    args.out.write_text(json.dumps(fitted) + "\n", encoding="utf-8")
    said = ", ".join(f"{name} {value:+.2f}" for name, value in fitted.items())
    return f"Wrote {args.out}, of {asked} words: {said}."
