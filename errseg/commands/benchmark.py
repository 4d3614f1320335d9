"""The command ``benchmark``: how fast a model is.

On a CPU it is our network beside the one as drawn, with what they multiply and hold. On a GPU, or
with ``--everything``, it is the paper's Table III for the device and what bounds it.
"""

import argparse
import dataclasses
import json
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from errseg.commands.options import (
    add_shared,
    check_writable,
    kept_on_failure,
    positive,
)
from errseg.config import KEPT_CLASSES, ClipConfig, model_config
from errseg.errors import InputError

if TYPE_CHECKING:
    import torch

    from errseg.measuring.latency.plan import Plan
    from errseg.measuring.latency.sections import Section

HELP = "measure how fast a model is beside the network as drawn"
BENCHMARKED = "errseg-base"  # the model of the paper's tables; the benchmark needs no weights
STANDARD_OUTPUT = "-"
RUNS, CLASSES = 3, 150  # on a CPU


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``benchmark``."""
    parser.add_argument("--model", default=BENCHMARKED, help=f"a model's name ({BENCHMARKED})")
    parser.add_argument(
        "--size", type=positive, metavar="PIXELS", help="side of the photo (the model's own)"
    )
    parser.add_argument(
        "--classes",
        type=positive,
        metavar="T",
        help=f"in the vocabulary ({CLASSES}; on a GPU Table III's 847 and 150)",
    )
    parser.add_argument(
        "--kept-classes",
        type=positive,
        metavar="P",
        help=f"classes that CRM keeps ({KEPT_CLASSES}; on a GPU Table III's 48 and 32)",
    )
    parser.add_argument(
        "--runs",
        type=positive,
        metavar="N",
        help="of which the median is told (3, on a GPU 20)",
    )
    add_shared(parser, "--device")
    parser.add_argument(
        "--everything",
        action="store_true",
        help="the paper's Table III for this device, as on a GPU, with other models, a profile, "
        "a training step and more: in 8 minutes on a GPU",
    )
    parser.add_argument(
        "--small",
        action="store_true",
        help="with --everything: tiny sizes and few runs, to see that it runs",
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
    from errseg.device import find_device
    from errseg.measuring.benchmark import Setting, measure
    from errseg.measuring.benchmark_report import as_text, check_plot, plot

    file = None if args.json in (None, STANDARD_OUTPUT) else Path(args.json)
    for place in filter(None, (file, args.plot)):
        check_writable(place)
    if args.plot is not None:
        check_plot(args.plot)
    device = find_device(args.device)
    if args.everything or device.type != "cpu":
        return _of_device(args, device, file)
    setting = Setting(
        args.model,
        args.size,
        args.classes or CLASSES,
        args.kept_classes or KEPT_CLASSES,
        args.runs or RUNS,
    )
    report = measure(setting, progress=lambda line: sys.stderr.write(f"{line}\n"))
    figures = json.dumps({**dataclasses.asdict(report), "ratios": report.ratios}, indent=2)
    text = figures if args.json == STANDARD_OUTPUT else as_text(report)
    with kept_on_failure(text):
        if file is not None:
            file.write_text(figures + "\n", encoding="utf-8")
        if args.plot is not None:
            plot(report, args.plot)
    return text


def _of_device(args: argparse.Namespace, device: "torch.device", file: Path | None) -> str:
    """Measure the paper's Table III for a device."""
    from errseg.measuring.latency.everything import measure_everything
    from errseg.measuring.latency.report import as_dict, as_markdown

    if args.plot is not None:
        raise InputError("--plot draws what is measured on a CPU without --everything.")
    plan = _plan(args)
    more = [_training(plan, device)] if plan.training else []
    measured = measure_everything(plan, device, more, lambda line: sys.stderr.write(f"{line}\n"))
    figures = json.dumps(as_dict(measured), indent=2)
    text = figures if args.json == STANDARD_OUTPUT else as_markdown(measured)
    with kept_on_failure(text):
        if file is not None:
            file.write_text(figures + "\n", encoding="utf-8")
    return text


def _plan(args: argparse.Namespace) -> "Plan":
    """Say what is measured on a device.

    Raises:
        InputError: there is no such model, or a size is out of range.
    """
    from errseg.measuring.benchmark import check_side
    from errseg.measuring.latency.plan import SMALL, Plan

    plan = replace(SMALL if args.small else Plan(), model=args.model)
    plan = replace(plan, side=args.size or plan.side, runs=args.runs or plan.runs)
    check_side(plan.side or model_config(plan.model).input_size)
    if args.classes or args.kept_classes:
        plan = replace(plan, cases=((args.classes or CLASSES, args.kept_classes or KEPT_CLASSES),))
    plan = replace(plan, others=tuple(name for name in plan.others if name != plan.model))
    if not args.everything:
        plan = replace(plan, others=(), bounds=False)
    if not args.everything or not isinstance(model_config(plan.model).towers, ClipConfig):
        plan = replace(plan, training=None)  # the published recipe is for CLIP's towers
    return plan


def _training(plan: "Plan", device: "torch.device") -> "Section":
    """Measure a training step too; what it needs lies in another room than the rest."""
    from errseg.measuring.latency.clock import peak_bytes
    from errseg.measuring.latency.sections import Section
    from errseg.training.one_step import seconds_of_a_step

    side = plan.side or model_config(plan.model).input_size
    photos, classes, kept = plan.training
    what = f"{plan.model}, a training step of {photos} photos, T = {classes}, P = {kept}"

    def measure() -> list[str]:
        taken = []
        step = partial(seconds_of_a_step, plan.model, device, side, *plan.training, plan.runs)
        peak = peak_bytes(lambda: taken.append(step()), device)
        memory = "" if peak is None else f", {peak / 10**9:.1f} GB with the weights"
        return [f"{what}, {side} x {side}: {taken[0]:.3f} s{memory}"]

    return Section(what, measure, learns=True)
