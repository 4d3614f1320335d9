"""The command ``alone``: what one word alone paints where it is not, and finds where it is."""

import argparse
import json
from pathlib import Path

from errseg.commands.options import (
    add_data_options,
    add_question_options,
    add_shared,
    asked_options,
    asked_sets,
    check_writable,
    kept_on_failure,
    positive,
)

HELP = "measure what one word alone paints, absent from a photo or shown by it"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``alone``."""
    add_data_options(parser)
    parser.add_argument(
        "--limit", type=positive, metavar="N", help="photos of each set whose classes are asked"
    )
    parser.add_argument(
        "--present",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="also ask for the classes that the photos show (yes)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    add_shared(parser, "--model", "--device")
    add_question_options(parser, "threshold", "input_size", "expand", "precision")


def run(args: argparse.Namespace) -> str:
    """Ask for absent words of validation photos, and for what they show, one word at a time."""
    if args.json is not None:
        check_writable(args.json)
    sets, options = asked_sets(args), asked_options(args)

    from errseg.checkpoints.weights import load_model
    from errseg.inference.labelling import check_threshold
    from errseg.inference.predictor import Predictor
    from errseg.measuring.alone import measure_absent, measure_present
    from errseg.measuring.alone_report import as_dict, as_text

    if options.threshold is not None:
        check_threshold(options.threshold)
    model = load_model(args.model, args.device, options.precision)
    predictor = Predictor(model)
    absent = measure_absent(predictor, sets, options=options)
    present = [*measure_present(predictor, sets, options, args.limit)] if args.present else []
    text = as_text(absent, present)
    if args.json is not None:
        with kept_on_failure(text):
            figures = json.dumps(as_dict(absent, present), indent=1) + "\n"
            args.json.write_text(figures, encoding="utf-8")
    return text
