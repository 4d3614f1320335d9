"""The command ``evaluate``: how good a model is on photos with masks."""

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
from errseg.device import FLOAT32

HELP = "measure a model on photos with masks"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``evaluate``."""
    add_data_options(parser)
    parser.add_argument("--limit", type=positive, metavar="N", help="photos of each set")
    parser.add_argument(
        "--without-crm",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="measure without CRM too (yes)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    add_shared(parser, "--model", "--device", "--compile")
    names = ("kept_classes", "votes_per_pixel", "threshold", "input_size", "expand", "precision")
    add_question_options(parser, *names, precision=FLOAT32)


def run(args: argparse.Namespace) -> str:
    """Measure a model on the validation photos of sets."""
    if args.json is not None:
        check_writable(args.json)
    sets = asked_sets(args)

    from errseg.checkpoints.weights import load_model
    from errseg.device import find_device
    from errseg.inference.labelling import check_threshold
    from errseg.measuring.evaluation import Protocol, as_dict, as_table, evaluate

    options = asked_options(args)
    if options.threshold is not None:
        check_threshold(options.threshold)
    protocol = Protocol(**vars(options), limit=args.limit, all_classes=args.without_crm)
    model = load_model(args.model, find_device(args.device), options.precision, args.compile)
    scores = evaluate(model, sets, protocol)
    table = as_table(scores)
    if args.json is not None:
        with kept_on_failure(table):
            args.json.write_text(json.dumps(as_dict(scores), indent=1) + "\n", encoding="utf-8")
    return table
