"""``average``: average fine-tuned weights with those they were tuned from."""

import argparse
from pathlib import Path

from errseg.checkpoints.stored_config import check_weights_ending
from errseg.commands.options import amount
from errseg.errors import InputError

HELP = "average fine-tuned weights with those they were tuned from"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
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


def run(args: argparse.Namespace) -> str:
    """Average two weights files and write the result."""
    check_weights_ending(args.out)
    if args.share > 1:
        raise InputError(f"--share is from 0 to 1, not {args.share:g}.")

    from errseg.checkpoints.weights import load_for_training, save_model
    from errseg.training.averaging import average_weights

    start, tuned = load_for_training(args.start), load_for_training(args.tuned)
    save_model(average_weights(start, tuned, args.share), args.out)
    return f"Wrote {args.out}."
