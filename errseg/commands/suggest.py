"""The command ``suggest``: how often the words that are suggested for a photo are right."""

import argparse

from errseg.commands.options import add_data_options, add_shared, asked_sets, positive

HELP = "measure the words that are suggested for photos (segment --suggest)"
COUNT = 20  # words a photo


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``suggest``."""
    add_data_options(parser)
    parser.add_argument(
        "--count", type=positive, default=COUNT, metavar="N", help=f"words for a photo ({COUNT})"
    )
    parser.add_argument("--limit", type=positive, metavar="N", help="photos of each set")
    add_shared(parser, "--model", "--device")


def run(args: argparse.Namespace) -> str:
    """Suggest words for the validation photos of sets, and look for their classes among them."""
    sets = asked_sets(args)

    from errseg.checkpoints.weights import load_model
    from errseg.inference.predictor import Predictor
    from errseg.measuring.suggestions import as_text, recall

    predictor = Predictor(load_model(args.model, args.device))
    return as_text([*recall(predictor, sets, args.count, args.limit)], args.count)
