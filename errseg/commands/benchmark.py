"""The command ``benchmark``: how fast a model is."""

import argparse
import dataclasses
import json
import sys
from pathlib import Path

from errseg.commands.options import check_writable, kept_on_failure, positive
from errseg.config import KEPT_CLASSES

HELP = "measure how fast a model is beside the network as drawn"
BENCHMARKED = "errseg-base"  # the model of the paper's tables; the benchmark needs no weights
STANDARD_OUTPUT = "-"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``benchmark``."""
    parser.add_argument("--model", default=BENCHMARKED, help=f"a model's name ({BENCHMARKED})")
    parser.add_argument(
        "--size", type=positive, metavar="PIXELS", help="side of the photo (the model's own)"
    )
    parser.add_argument(
        "--classes", type=positive, default=150, metavar="T", help="in the vocabulary (150)"
    )
    parser.add_argument(
        "--kept-classes",
        type=positive,
        default=KEPT_CLASSES,
        metavar="P",
        help=f"classes that CRM keeps ({KEPT_CLASSES})",
    )
    parser.add_argument(
        "--runs", type=positive, default=3, metavar="N", help="of which the median is told (3)"
    )
    parser.add_argument("--plot", type=Path, metavar="FILE", help="for a picture, such as b.png")
    parser.add_argument(
        "--json",
        nargs="?",
        const=STANDARD_OUTPUT,
        metavar="FILE",
        help="all figures as JSON: in this file, or printed instead of the tables",
    )


def run(args: argparse.Namespace) -> str:
    """Measure how fast a model is beside the network as drawn."""
    from errseg.measuring.benchmark import Setting, measure
    from errseg.measuring.benchmark_report import as_text, check_plot, plot

    file = None if args.json in (None, STANDARD_OUTPUT) else Path(args.json)
    for place in filter(None, (file, args.plot)):
        check_writable(place)
    if args.plot is not None:
        check_plot(args.plot)
    setting = Setting(args.model, args.size, args.classes, args.kept_classes, args.runs)
    report = measure(setting, progress=lambda line: sys.stderr.write(f"{line}\n"))
    figures = json.dumps({**dataclasses.asdict(report), "ratios": report.ratios}, indent=2)
    text = figures if args.json == STANDARD_OUTPUT else as_text(report)
    with kept_on_failure(text):
        if file is not None:
            file.write_text(figures + "\n", encoding="utf-8")
        if args.plot is not None:
            plot(report, args.plot)
    return text
