"""Commands that measure a model: ``evaluate``, ``calibrate`` and ``benchmark``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from errseg.commands.options import (
    add_compile_option,
    add_data_option,
    add_expand_option,
    add_model_options,
    add_network_options,
    add_precision_option,
    add_sets_option,
    positive,
)
from errseg.config import KEPT_CLASSES
from errseg.device import FLOAT32

BENCHMARKED = "errseg-base"
"""The model of the paper's tables; the benchmark needs no weights."""

STANDARD_OUTPUT = "-"


def evaluate_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``evaluate``."""
    add_data_option(parser)
    add_sets_option(parser)
    parser.add_argument("--limit", type=positive, metavar="N", help="photos of each set")
    parser.add_argument(
        "--threshold",
        type=float,
        help="0 to 1; for the shares of pixels that become -1 (the model's own)",
    )
    parser.add_argument(
        "--without-crm",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="measure without CRM too (yes)",
    )
    add_expand_option(parser)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    add_model_options(parser)
    add_precision_option(parser, FLOAT32)
    add_compile_option(parser)
    add_network_options(parser)


def evaluate(args: argparse.Namespace) -> str:
    """Measure a model on the validation photos of sets."""
    from errseg.datasets.folders import load_sets

    sets = load_sets(args.data, args.sets)

    from errseg.checkpoints.weights import load_model
    from errseg.device import find_device
    from errseg.inference.labelling import check_threshold
    from errseg.measuring.evaluation import Protocol, as_dict, as_table
    from errseg.measuring.evaluation import evaluate as measure
    from errseg.training.config import HELD_OUT

    if args.threshold is not None:
        check_threshold(args.threshold)
    protocol = Protocol(
        kept_classes=args.kept_classes,
        votes_per_pixel=args.votes_per_pixel,
        input_size=args.input_size,
        limit=args.limit,
        threshold=args.threshold,
        all_classes=args.without_crm,
        expand=args.expand,
        held_out=HELD_OUT,
    )
    model = load_model(args.model, find_device(args.device), args.precision, args.compile)
    scores = measure(model, sets, protocol)
    if args.json:
        args.json.write_text(json.dumps(as_dict(scores), indent=1) + "\n", encoding="utf-8")
    return as_table(scores)


def calibrate_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``calibrate``."""
    add_data_option(parser)
    add_sets_option(parser)
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
    add_model_options(parser)


def calibrate(args: argparse.Namespace) -> str:
    """Fit a model's scores to how often they are right, and advise a threshold."""
    from errseg.checkpoints.stored_config import check_weights_ending
    from errseg.datasets.folders import load_sets

    check_weights_ending(args.out)
    sets = load_sets(args.data, args.sets)

    from errseg.checkpoints.weights import load_for_training, save_model
    from errseg.device import find_device
    from errseg.measuring.calibration import calibrate as fit
    from errseg.measuring.calibration import weigh_cost

    model = load_for_training(args.model, find_device(args.device))
    if args.cost_weight != 1:
        weigh_cost(model, args.cost_weight)
    fit(model, sets, args.photos)
    save_model(model, args.out)
    fitted = model.config.calibration
    return (
        f"Wrote {args.out}: scale {fitted.scale:.3f}, bias {fitted.bias:+.3f}, "
        f"competition {fitted.competition:.3f}, threshold {fitted.threshold}."
    )


def benchmark_options(parser: argparse.ArgumentParser) -> None:
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


def benchmark(args: argparse.Namespace) -> str:
    """Measure how fast a model is beside the network as drawn."""
    from errseg.measuring.benchmark import Setting
    from errseg.measuring.benchmark import benchmark as measure
    from errseg.measuring.benchmark_report import as_text, check_plot, plot

    if args.plot is not None:
        check_plot(args.plot)
    setting = Setting(args.model, args.size, args.classes, args.kept_classes, args.runs)
    report = measure(setting, tell=lambda line: sys.stderr.write(f"{line}\n"))
    if args.plot is not None:
        plot(report, args.plot)
    if args.json is None:
        return as_text(report)
    text = json.dumps(report.as_json(), indent=2)
    if args.json == STANDARD_OUTPUT:
        return text
    Path(args.json).write_text(text + "\n", encoding="utf-8")
    return as_text(report)
