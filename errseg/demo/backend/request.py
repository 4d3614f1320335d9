"""A question as the page and its endpoints ask it: checked, whatever the browser sent."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from errseg.config import BETA, KEPT_CLASSES, LARGEST_INPUT, SMALLEST_INPUT, VOTES_PER_PIXEL
from errseg.device import AUTOMATIC, check_precision
from errseg.errors import InputError
from errseg.words.vocabulary import MAX_CLASSES, Vocabulary, parse_classes

MOST_VOTES = 10
"""Bound of K here: the paper's best is 3, and each vote weighs a tenth of the one before it."""


@dataclass(frozen=True)
class Request:
    """One question, checked."""

    photo: str | Path
    vocabulary: Vocabulary
    kept_classes: int = KEPT_CLASSES
    votes_per_pixel: int = VOTES_PER_PIXEL
    threshold: float | None = None  # the model's own
    beta: float = BETA
    input_size: int | None = None  # the model's own
    model: str = ""  # a name of `Models.names`; the first one if empty
    precision: str = AUTOMATIC  # the page's own, see `Models.named`
    expand: bool = True  # whether unknown words are read with their hypernyms


def check_request(
    photo: str | Path | None,
    classes: str | None,
    kept_classes: object = KEPT_CLASSES,
    votes_per_pixel: object = VOTES_PER_PIXEL,
    threshold: object = None,
    beta: object = BETA,
    input_size: object = None,
    model: object = "",
    precision: object = AUTOMATIC,
    expand: object = True,
) -> Request:
    """Check what a visitor gave, whatever it is: a browser's word counts for nothing.

    Raises:
        InputError: something can't be used.
    """
    if not photo:
        raise InputError("There is no photo yet; drop, paste or take one, or pick an example.")
    return Request(
        photo=photo,
        vocabulary=parse_classes(classes, limit=MAX_CLASSES),
        **check_settings(kept_classes, votes_per_pixel, threshold, beta),
        input_size=_input_size(input_size),
        model=model if isinstance(model, str) else "",
        precision=check_precision(precision),
        expand=expand is not False,
    )


def check_settings(
    kept_classes: object, votes_per_pixel: object, threshold: object, beta: object
) -> dict:
    """Check the knobs that concern CRM and the decoder only, as fields of a `Request`.

    No threshold means the model's own.

    Raises:
        InputError: one of them can't be used.
    """
    return {
        "kept_classes": _whole("Classes kept (P)", kept_classes, 1, MAX_CLASSES),
        "votes_per_pixel": _whole("Votes per pixel (K)", votes_per_pixel, 1, MOST_VOTES),
        "threshold": None if threshold is None else _number("The threshold", threshold, 0, 1),
        "beta": _number("Beta", beta, 0, 1),
    }


def _input_size(value: object) -> int | None:
    """None, nothing typed and 0 mean the model's own size."""
    return _whole("The input size", value, SMALLEST_INPUT, LARGEST_INPUT) if value else None


def _whole(name: str, value: object, least: int, most: int) -> int:
    number = _number(name, value, least, most)
    if number != int(number):
        raise InputError(f"{name} must be a whole number, not {value}.")
    return int(number)


def _number(name: str, value: object, least: float, most: float) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not least <= number <= most:
        raise InputError(
            f"{name} must be a number from {least:,} to {most:,}, not {str(value)[:30]}."
        )
    return number
