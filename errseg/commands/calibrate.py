"""The command ``calibrate``: scores that are how often they are right."""

import argparse
from pathlib import Path

from errseg.commands.options import add_data_options, add_shared, asked_sets, positive

HELP = "make a model's scores mean something"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``calibrate``."""
    add_data_options(parser)
    parser.add_argument(
        "--photos",
        type=positive,
        default=40,
        metavar="N",
        help="validation photos of each set, every second one, at most (40)",
    )
    parser.add_argument(
        "--cost-weight",
        type=float,
        default=1.0,
        metavar="X",
        help="count the raw cost maps so many times as in training (errseg-lite; 1)",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="the calibrated .safetensors file"
    )
    add_shared(parser, "--model", "--device")


def run(args: argparse.Namespace) -> str:
    """Fit a model's scores to how often they are right, and advise a threshold."""
    from errseg.checkpoints.stored_config import check_weights_ending

    check_weights_ending(args.out)
    sets = asked_sets(args)

    from errseg.checkpoints.weights import load_for_training, save_model
    from errseg.measuring.calibration import calibrate, weigh_cost

    model = load_for_training(args.model, args.device)
    if args.cost_weight != 1:
        weigh_cost(model, args.cost_weight)
    calibrate(model, sets, args.photos)
    save_model(model, args.out)
    fitted = model.config.calibration
    return (
        f"Wrote {args.out}: scale {fitted.scale:.3f}, bias {fitted.bias:+.3f}, "
        f"competition {fitted.competition:.3f}, threshold {fitted.threshold}."
    )
