"""The commands of the command line: their options, and what they do.

A command returns what there is to print. What is slow to import is imported by the command that
needs it, so that help and mistakes are answered at once.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable

from errseg.commands import making, measuring, segmenting


@dataclasses.dataclass(frozen=True)
class Command:
    """One command: its help line, its options, and the function that runs it."""

    help: str
    add_options: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], str]


COMMANDS = {
    "segment": Command(
        "segment a photo with the words you give", segmenting.segment_options, segmenting.segment
    ),
    "models": Command("list the models", segmenting.models_options, segmenting.models),
    "evaluate": Command(
        "measure a model on photos with masks", measuring.evaluate_options, measuring.evaluate
    ),
    "sheet": Command("draw photos beside their masks", segmenting.sheet_options, segmenting.sheet),
    "train": Command("train a model on photos with masks", making.train_options, making.train),
    "average": Command(
        "average fine-tuned weights with those they were tuned from",
        making.average_options,
        making.average,
    ),
    "calibrate": Command(
        "make a model's scores mean something", measuring.calibrate_options, measuring.calibrate
    ),
    "pseudo-label": Command(
        "let a model label what people left, to train further on it",
        making.pseudo_label_options,
        making.pseudo_label,
    ),
    "benchmark": Command(
        "measure how fast a model is beside the network as drawn",
        measuring.benchmark_options,
        measuring.benchmark,
    ),
}
"""Name -> command, as the help lists them."""
