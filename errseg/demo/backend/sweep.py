"""One knob over several values: what P or K changes on a photo (the paper's Table XIII, live)."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from errseg.demo.backend.answers import Answer
from errseg.demo.backend.request import Request
from errseg.demo.backend.service import Service
from errseg.demo.backend.side_by_side import colored_alike
from errseg.errors import InputError
from errseg.options import knobs

P, K = "P", "K"
KNOBS = {P: "kept_classes", K: "votes_per_pixel"}
"""What a sweep goes over, as the paper calls it -> the field of `Options`."""
MOST_VALUES = 12
DEFAULT_VALUES = {P: "1, 2, 4, 8, 16, 32, 64", K: "1, 2, 3, 5, 10"}


@dataclass(frozen=True)
class Step:
    """The result at one value."""

    value: int
    answer: Answer
    seconds: float
    changed: float  # share of the pixels whose class differs from the value before, 0 at the first


def run_sweep(service: Service, request: Request, knob: str, values: list[int]) -> Iterator[Step]:
    """Segment a photo with each value in turn; the image tower runs once.

    Raises:
        InputError: as `Service.answer`, or all together cost too much.
    """
    before: np.ndarray | None = None
    requests = [request.changed(**{KNOBS[knob]: value}) for value in values]
    requests = service.settle_all(requests, same_photo=True, what="values")
    for value, asked in zip(values, requests, strict=True):
        started = time.perf_counter()
        answer = service.answer(asked)
        seconds = time.perf_counter() - started
        labels = answer.result.labels
        changed = 0.0 if before is None else float((labels != before).mean())
        yield Step(value, answer, seconds, changed)
        before = labels


def overlays(steps: Sequence[Step]) -> list[Image.Image]:
    """Draw all steps; a name has the same colour in all of them."""
    return [answer.overlay for answer in colored_alike([step.answer for step in steps])]


def check_values(knob: object, text: object, classes: int) -> tuple[str, list[int]]:
    """Read the values of a sweep: whole numbers, ascending; P stops at the vocabulary's size.

    Raises:
        InputError: there is no such knob, no value, too many, or one that can't be used.
    """
    if not isinstance(knob, str) or knob not in KNOBS:
        raise InputError(f"A sweep goes over P or K, not over {str(knob)[:20]!r}.")
    largest = knobs()[KNOBS[knob]].most
    words = [str(item) for item in text] if isinstance(text, list) else str(text or "").split(",")
    try:
        values = sorted({int(word) for word in words if word.strip()})
    except ValueError:
        raise InputError(f"Values of {knob} are whole numbers such as 1, 2, 4, 8.") from None
    if not values or len(values) > MOST_VALUES:
        raise InputError(f"Give 1 to {MOST_VALUES} values of {knob}, such as 1, 2, 4, 8.")
    if values[0] < 1 or values[-1] > largest:
        raise InputError(f"{knob} lies between 1 and {largest:,}.")
    if knob == P:  # keeping more than all changes nothing
        values = sorted({min(value, classes) for value in values})
    return knob, values


def as_dict(step: Step) -> dict:
    """Describe a step in types that JSON has."""
    return {
        "value": step.value,
        "kept": len(step.answer.result.kept),
        "changed": round(step.changed, 6),
        "seconds": round(step.seconds, 4),
        "notices": list(step.answer.result.notices),
        "areas": {entry.name: round(entry.area, 6) for entry in step.answer.legend},
    }
