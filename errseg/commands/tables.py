"""The command ``tables``: the paper's tables, measured on photos with masks."""

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
    names,
    positive,
)
from errseg.device import FLOAT32
from errseg.measuring.tables.paper import TABLES, check_tables

HELP = "measure the paper's tables on photos with masks"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``tables``."""
    add_data_options(parser)
    parser.add_argument(
        "--tables",
        type=names,
        default=TABLES,
        metavar="A,B",
        help=f"of {','.join(TABLES)} (all)",
    )
    parser.add_argument("--limit", type=positive, metavar="N", help="photos of each set")
    parser.add_argument(
        "--timed",
        type=positive,
        default=5,
        metavar="N",
        help="of these, photos that P's, K's and beta's latency is measured on (5)",
    )
    parser.add_argument("--plot", type=Path, metavar="FILE", help="for a picture, such as t.png")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    add_shared(parser, "--model", "--device")
    add_question_options(parser, "expand", "precision", precision=FLOAT32)


def run(args: argparse.Namespace) -> str:
    """Measure the paper's tables on the validation photos of sets."""
    from errseg.measuring.benchmark_report import check_plot
    from errseg.measuring.tables.measure import measure
    from errseg.measuring.tables.photos import Asked

    check_tables(args.tables)
    for place in filter(None, (args.json, args.plot)):
        check_writable(place)
    if args.plot is not None:
        check_plot(args.plot)
    options = asked_options(args)
    sets = asked_sets(args)

    from errseg.checkpoints.weights import load_model
    from errseg.inference.predictor import Predictor
    from errseg.measuring.tables.plots import plot
    from errseg.measuring.tables.report import as_dict, as_markdown

    model = load_model(args.model, args.device, options.precision)
    asked = Asked(args.limit, args.timed, options.expand)
    tables = measure(Predictor(model), sets, args.tables, asked)
    text = as_markdown(tables)
    with kept_on_failure(text):
        if args.json is not None:
            figures = json.dumps(as_dict(tables), indent=1) + "\n"
            args.json.write_text(figures, encoding="utf-8")
        if args.plot is not None:
            plot(tables, args.plot)
    return text
