"""The command ``evaluate``: how good a model is on photos with masks.

Started by torchrun, its processes share the photos, and the first prints and writes.
"""

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
from errseg.config import KEPT_CLASSES
from errseg.device import FLOAT32
from errseg.distributed import joined_processes

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
    parser.add_argument(
        "--kept-classes",
        type=positive,
        metavar="P",
        help="classes that CRM keeps of a photo (the set's own, which is Table XIII's for the "
        f"paper's benchmarks; {KEPT_CLASSES} for a set that has none)",
    )
    names = ("votes_per_pixel", "threshold", "input_size", "expand", "precision")
    add_question_options(parser, *names, precision=FLOAT32)


def run(args: argparse.Namespace) -> str:
    """Measure a model on the validation photos of sets."""
    if args.json is not None:
        check_writable(args.json)
    sets = asked_sets(args)

    from errseg.checkpoints.weights import load_model
    from errseg.inference.labelling import check_threshold
    from errseg.measuring.evaluation import Protocol, evaluate
    from errseg.measuring.evaluation_report import as_dict, as_text

    options = asked_options(args)
    if options.threshold is not None:
        check_threshold(options.threshold)
    protocol = Protocol(**vars(options), limit=args.limit, all_classes=args.without_crm)
    with joined_processes(args.device) as processes:
        model = load_model(args.model, processes.device, options.precision, args.compile)
        scores = evaluate(model, sets, protocol, processes)
        if not processes.first:
            return ""
    text = as_text(scores)
    if args.json is not None:
        with kept_on_failure(text):
            args.json.write_text(json.dumps(as_dict(scores), indent=1) + "\n", encoding="utf-8")
    return text
