"""What the page and its endpoints ask for, without Gradio: checked inputs in, pictures out.

The model is loaded in the background, so that the page paints at once. Nothing of one visitor is
kept for another; the predictor's cache of text embeddings holds words only.
"""

from __future__ import annotations

import dataclasses
import math
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from errseg.config import KEPT_CLASSES, VOTES_PER_PIXEL, list_models, model_config
from errseg.device import AUTOMATIC, find_device
from errseg.errors import InputError
from errseg.images import SMALLEST_PHOTO, load_image
from errseg.vocabulary import MAX_CLASSES, Vocabulary, parse_classes

if TYPE_CHECKING:  # torch takes seconds to import; the page paints before it is there
    from errseg.colors import Color
    from errseg.predictor import Predictor, Result
    from errseg.visualize import LegendEntry

LONGEST_SIDE = 2048
"""Pixels: larger photos are shrunk to this, which keeps an answer quick and its pictures small."""
MOST_VOTES = 10
"""Bound of K here: the paper's best is 3, and each vote weighs a tenth of the one before it."""


@dataclass(frozen=True)
class Request:
    """One question, checked."""

    photo: str | Path
    vocabulary: Vocabulary
    kept_classes: int = KEPT_CLASSES
    votes_per_pixel: int = VOTES_PER_PIXEL
    threshold: float = 0.0


@dataclass(frozen=True)
class Answer:
    """One segmented photo and what was drawn of it."""

    result: Result
    colors: tuple[Color, ...]  # T
    legend: list[LegendEntry]
    overlay: Image.Image  # names on the segments, no legend
    mask: Image.Image  # mode P


class Service:
    """One model, for any number of visitors at a time.

    Args:
        model: a name of `list_models` or a path, see `load_model`.
        device: see `find_device`.
        opening: a question to answer as soon as the model is there; it also warms the model up.

    Raises:
        InputError: there is no such model or file.
    """

    def __init__(self, model: str | Path, device: str = AUTOMATIC, opening: Request | None = None):
        _check_model(model)
        self.model_name = str(model) if str(model) in list_models() else Path(model).name
        self._predictor: Future[Predictor] = Future()
        self._opening: Future[Answer] = Future()
        threading.Thread(
            target=self._start, args=(model, device, opening), name="load model", daemon=True
        ).start()

    def answer(self, request: Request) -> Answer:
        """Segment a photo; waits for the model if it is still being loaded.

        Raises:
            InputError: the photo or a setting can't be used, or the model could not be loaded.
        """
        from errseg.export import legend, result_colors
        from errseg.visualize import labelled_overlay, palette_mask

        predictor = self._predictor.result()
        photo, notices = shrink(load_image(request.photo))
        result = predictor(
            photo,
            request.vocabulary,
            kept_classes=request.kept_classes,
            votes_per_pixel=request.votes_per_pixel,
            threshold=request.threshold,
        )
        started = time.perf_counter()
        colors = result_colors(result)
        entries = legend(result, colors)
        overlay = labelled_overlay(photo, result.labels, entries, legend_below=False)
        mask, _ = palette_mask(result.labels, colors)
        timings = {**result.timings, "draw": time.perf_counter() - started}
        result = dataclasses.replace(result, notices=(*notices, *result.notices), timings=timings)
        return Answer(result, colors, entries, overlay, mask)

    def opening(self) -> Answer:
        """Answer the opening question, which is computed once."""
        return self._opening.result()

    @property
    def device(self) -> str:
        """Where the network runs, once it is loaded."""
        return self._predictor.result().model.device.type

    def _start(self, model: str | Path, device: str, opening: Request | None) -> None:
        try:
            from errseg.predictor import Predictor
            from errseg.weights import load_model

            self._predictor.set_result(Predictor(load_model(model, find_device(device), AUTOMATIC)))
        except Exception as error:  # told to whoever waits
            self._predictor.set_exception(error)
        if opening is not None:
            try:
                self._opening.set_result(self.answer(opening))
            except Exception as error:
                self._opening.set_exception(error)


def check_request(
    photo: str | Path | None,
    classes: str | None,
    kept_classes: object = KEPT_CLASSES,
    votes_per_pixel: object = VOTES_PER_PIXEL,
    threshold: object = 0.0,
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
        kept_classes=_whole("Classes kept (P)", kept_classes, 1, MAX_CLASSES),
        votes_per_pixel=_whole("Votes per pixel (K)", votes_per_pixel, 1, MOST_VOTES),
        threshold=_number("The threshold", threshold, 0, 1),
    )


def shrink(photo: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Bound a photo's longest side by `LONGEST_SIDE`, with a notice if that changed it."""
    height, width = photo.shape[:2]
    scale = LONGEST_SIDE / max(height, width)
    if scale >= 1:
        return photo, []
    size = tuple(max(SMALLEST_PHOTO, round(side * scale)) for side in (width, height))
    small = Image.fromarray(photo).resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)
    notice = f"The photo was shrunk from {width} x {height} to {size[0]} x {size[1]} pixels."
    return np.array(small), [notice]


def _check_model(model: str | Path) -> None:
    """Refuse at once what can be told without loading it."""
    if Path(model).suffix:
        if not Path(model).is_file():
            raise InputError(f"There is no weights file {model}.")
    else:
        model_config(str(model))


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
