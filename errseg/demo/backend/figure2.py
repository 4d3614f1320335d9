"""The paper's Fig. 2 over all of a photo's pixels: what the page may ask, and what it is sent."""

from __future__ import annotations

import math
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from errseg.demo.backend.attended import MOST_WITHOUT_CRM
from errseg.demo.backend.request import Request
from errseg.demo.backend.service import Service
from errseg.errors import InputError

if TYPE_CHECKING:  # torch takes seconds to import; the page paints before it is there
    import numpy as np

    from errseg.demo.backend.budget import Price
    from errseg.demo.backend.price import Prices
    from errseg.inference.attended import Attended, Figure2
    from errseg.inference.predictor import Predictor


@dataclass(frozen=True)
class Measured:
    """What Fig. 2 and Proposition 1 came to with some weights, over photos with true labels."""

    weights: str  # the first digits of the file's SHA-256
    photos: str  # how many, and of which set
    classes: int  # T
    kept: int  # P
    own: tuple[float, float]
    """Share of SFM's attention on the same class in layer 2, the first that sees others; with CRM
    and without."""
    on_present: tuple[float, float]
    """Share of CFM's attention on the classes present in layer 1, likewise."""

    def __str__(self) -> str:
        return (
            f"Measured with the weights {self.weights}, on {self.photos} (T = {self.classes}, "
            f"P = {self.kept}): of SFM's attention in layer 2 {self.own[0]:.1%} is on the same "
            f"class with CRM and {self.own[1]:.1%} without, of CFM's in layer 1 "
            f"{self.on_present[0]:.1%} and {self.on_present[1]:.1%} is on the classes present."
        ).replace("%", " %")


MEASURED = {
    "errseg-lite": Measured(
        weights="d5d5ab410787",
        photos="19 photos of coco_stuff",
        classes=171,
        kept=32,
        own=(0.399, 0.390),
        on_present=(0.423, 0.266),
    )
}
"""By a model's name, what `python -m errseg attention --data DIR --sets coco_stuff` found with it;
the README says it too."""


def obstacle(request: Request) -> str | None:
    """Say in a sentence why a question has no Fig. 2, or None if it has."""
    size = len(request.vocabulary)
    if request.options.kept_classes >= size:
        kept = "the only class" if size == 1 else f"all {size:,} classes"
        return (
            f"CRM keeps {kept} here, so with CRM and without is the same: lower P, or ask for "
            "more words."
        )
    if size > MOST_WITHOUT_CRM:
        return (
            f"Without CRM all {size:,} classes would go through ESCF; that is done for up to "
            f"{MOST_WITHOUT_CRM}."
        )
    return None


def ask_figure2(service: Service, request: Request) -> Figure2:
    """Measure what all cells of a question's photo attend to, with CRM and without.

    Raises:
        InputError: as `Service.answer`, or there is an `obstacle`.
    """
    if (reason := obstacle(request)) is not None:
        raise InputError(reason)
    return service.ask(request, _price, _measure)


def offer(request: Request, said: str = "") -> dict:
    """Describe the panel before it was answered: that it can be asked, or why not.

    Args:
        request: the question.
        said: why it could not be answered when it was asked.
    """
    # No two are alike, so that the panel sees a new one, whatever it was doing.
    return {"of": secrets.token_hex(4), "obstacle": obstacle(request), "said": said}


def as_view(request: Request, model: str, found: Figure2) -> dict:
    """Describe the panel with a photo's figures.

    Args:
        request: the question.
        model: the name of the model that answered it.
        found: its figures.
    """
    return {
        **offer(request),
        "measured": str(MEASURED[model]) if model in MEASURED else "",
        "cells": found.cells,
        "present": len(found.present),
        "evenly": {name: _rounded(value) for name, value in vars(found.evenly).items()},
        "sides": [_side(side) for side in (found.with_crm, found.without_crm) if side],
    }


def _side(side: Attended) -> dict:
    return {
        "classes": side.classes,
        "sfm": [{name: _rounded(value) for name, value in vars(look).items()} for look in side.sfm],
        "onPresent": [_rounded(share) for share in side.on_present],
        "evenlyOnPresent": _rounded(side.evenly_on_present),
    }


def _rounded(share: float) -> float | None:
    return None if math.isnan(share) else round(share, 4)


def _price(prices: Prices, request: Request, photo: tuple[int, int], new: list[int]) -> Price:
    """Price the masks and both passes: the rows that are read are those of one class in all."""
    return prices.answer(request, photo, new) + prices.attention(request, photo, without_crm=True)


def _measure(predictor: Predictor, request: Request, photo: np.ndarray) -> Figure2:
    from errseg.inference.attended import figure2  # needs torch

    asked = photo, request.vocabulary, request.options
    return figure2(predictor, *asked, label=predictor(*asked).labels)  # as the masks show them
