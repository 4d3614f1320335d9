"""Measuring those of the paper's tables that are asked for."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch

from errseg.datasets.sets import SegmentationSet
from errseg.inference.predictor import Predictor
from errseg.measuring.tables.input_size import SizeCurve, measure_input_sizes
from errseg.measuring.tables.knobs import Knob, KnobCurve, measure_knobs
from errseg.measuring.tables.paper import TABLES, check_tables
from errseg.measuring.tables.photos import Asked
from errseg.measuring.tables.proposition import Proposition, measure_proposition
from errseg.measuring.tables.redundancy import Redundancy, measure_redundancy
from errseg.measuring.tables.similarity import Similarity, measure_similarity

KNOBS: dict[str, Knob] = {"VII": "K", "XIII": "P", "beta": "beta"}  # table -> what it turns


@dataclass(frozen=True)
class Tables:
    """All that was measured; a table that wasn't asked for is empty."""

    names: tuple[str, ...]  # of `TABLES`, those that were asked for
    model: str
    weights_hash: str  # SHA-256 of the weights file; empty for random weights
    machine: dict[str, str | int]  # device, precision, threads, version of torch
    asked: Asked
    redundancy: tuple[Redundancy, ...] = ()
    similarity: tuple[Similarity, ...] = ()
    knobs: tuple[KnobCurve, ...] = ()
    sizes: tuple[SizeCurve, ...] = ()
    propositions: tuple[Proposition, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)  # that each part took


def measure(
    predictor: Predictor,
    sets: Sequence[SegmentationSet],
    names: Sequence[str] = TABLES,
    asked: Asked | None = None,
) -> Tables:
    """Measure tables over the validation photos of sets.

    Args:
        predictor: of the model.
        sets: those without validation photos are left out of all that looks at photos.
        names: of `TABLES`.
        asked: how many photos; all if None.

    Raises:
        InputError: no set has validation photos, there is no such table, the model lacks what one
            of them measures, or a file isn't as its set says.
    """
    check_tables(names)
    asked, model = asked or Asked(), predictor.model
    knobs = [knob for table, knob in KNOBS.items() if table in names]
    parts = {
        "redundancy": ("I" in names, lambda: measure_redundancy(sets, asked)),
        "similarity": ("IV" in names, lambda: measure_similarity(predictor, sets, asked)),
        "knobs": (bool(knobs), lambda: measure_knobs(predictor, sets, knobs, asked)),
        "sizes": ("XIV" in names, lambda: measure_input_sizes(predictor, sets, asked)),
        "propositions": (
            "proposition" in names,
            lambda: measure_proposition(predictor, sets, asked),
        ),
    }
    machine = {
        "device": str(model.device),
        "precision": model.precision,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }
    known = (tuple(names), model.config.name, model.weights_hash, machine, asked)
    tables, seconds = Tables(*known), {}
    for part, (wanted, measured) in parts.items():
        if wanted:
            started = time.perf_counter()
            tables = replace(tables, **{part: measured()})
            seconds[part] = time.perf_counter() - started
    return replace(tables, seconds=seconds)
