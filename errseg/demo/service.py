"""What the page and its endpoints ask for, without Gradio: checked inputs in, pictures out.

The model is loaded in the background, so that the page paints at once. Nothing of one visitor is
kept for another; the predictor's cache of text embeddings holds words only.
"""

from __future__ import annotations

import dataclasses
import functools
import threading
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from errseg.config import list_models, model_config
from errseg.demo.gpu import on_gpu
from errseg.demo.request import Request
from errseg.device import AUTOMATIC, find_device
from errseg.errors import InputError
from errseg.hub import fetch_checkpoint, list_checkpoints
from errseg.images import SMALLEST_PHOTO, load_image
from errseg.vocabulary import MAX_CLASSES, fill_templates, parse_classes

if TYPE_CHECKING:  # torch takes seconds to import; the page paints before it is there
    from errseg.attention import Attention
    from errseg.colors import Color
    from errseg.predictor import CostView, Predictor, Result
    from errseg.visualize import LegendEntry

LONGEST_SIDE = 2048
"""Pixels: larger photos are shrunk to this, which keeps an answer quick and its pictures small."""
MOST_WITHOUT_CRM = 171
"""Classes up to which ESCF's attention without CRM is shown: COCO-Stuff's. Time and memory of CFM's
maps grow with the square of the classes."""
SHORT_ENOUGH = 30
"""Characters of a name that no text tower cuts: not even if each were a token."""


@dataclass(frozen=True)
class Answer:
    """One segmented photo; the pictures of it are drawn when they are asked for."""

    photo: np.ndarray  # (H, W, 3) uint8, upright, at most LONGEST_SIDE
    result: Result
    colors: tuple[Color, ...]  # T
    legend: list[LegendEntry]

    @functools.cached_property
    def overlay(self) -> Image.Image:
        """The photo with each class in its colour and under its name, without a legend."""
        from errseg.visualize import labelled_overlay

        return labelled_overlay(self.photo, self.result.labels, self.legend, legend_below=False)

    @functools.cached_property
    def mask(self) -> Image.Image:
        """The classes as a palette image (mode P)."""
        from errseg.visualize import palette_mask

        return palette_mask(self.result.labels, self.colors)[0]


@dataclass(frozen=True)
class AttentionAnswer:
    """What ESCF attends to from one pixel, and what HSM says of the same classes."""

    pixel: tuple[int, int]  # x, y of the query
    size: tuple[int, int]  # H, W of the photo
    classes: tuple[str, ...]  # the vocabulary's names, T
    kept: tuple[int, ...]
    best: int  # the kept class with the highest score at the pixel
    attention: Attention  # of the kept classes
    costs: CostView  # of the kept classes
    present: tuple[int, ...]  # kept classes that win some pixel at stride 4
    everything: Attention | None  # the same with P = T, if asked for

    @property
    def share(self) -> float:
        """Share of class attention on the classes present (Proposition 1's left side)."""
        return _share(self.attention, self.kept, self.present)

    @property
    def share_without_crm(self) -> float | None:
        """The same share where CRM drops nothing, or None if that was not asked for."""
        if self.everything is None:
            return None
        return _share(self.everything, tuple(range(len(self.classes))), self.present)


class Service:
    """Models, for any number of visitors at a time.

    The first model is there from the start. Released ones are found on the Hub when somebody asks
    for them and fetched when somebody chooses them; one of them is kept at a time.

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
        self._device = device
        self._predictor: Future[Predictor] = Future()
        self._opening: Future[tuple[Answer, AttentionAnswer]] = Future()
        self._started = threading.Lock()
        self._load = functools.partial(self._start, model, device, opening)
        self._released: tuple[str, ...] = ()
        self._other: tuple[str, Predictor] | None = None
        self._fetching = threading.Lock()
        # Around the network only: reading, drawing and hovering need no GPU.
        self._segment, self._attend, self._costs = map(
            on_gpu, (self._segment, self._attend, self._costs)
        )

    def start(self) -> None:
        """Begin to load the first model in the background; once."""
        if self._started.acquire(blocking=False):
            threading.Thread(target=self._load, name="load model", daemon=True).start()

    @property
    def models(self) -> list[str]:
        """The models that can be chosen, the first one first."""
        return [self.model_name, *self._released]

    def find_released(self) -> list[str]:
        """Ask the Hub which released checkpoints there are, and return `models` with them.

        Raises:
            InputError: the Hub doesn't answer.
        """
        self._released = tuple(list_checkpoints())
        return self.models

    def answer(self, request: Request) -> Answer:
        """Segment a photo; waits for the model if it is still being loaded.

        Raises:
            InputError: the photo or a setting can't be used, or the model could not be loaded.
        """
        from errseg.export import legend, result_colors

        photo, notices = self._photo(request)
        result = self._segment(request, photo)
        result = dataclasses.replace(result, notices=(*notices, *result.notices))
        colors = result_colors(result)
        return Answer(photo, result, colors, legend(result, colors))

    def _segment(self, request: Request, photo: np.ndarray) -> Result:
        return self._predictor_for(request)(
            photo,
            request.vocabulary,
            kept_classes=request.kept_classes,
            votes_per_pixel=request.votes_per_pixel,
            threshold=request.threshold,
            beta=request.beta,
            input_size=request.input_size,
        )

    def attention(
        self, request: Request, pixel: tuple[int, int], without_crm: bool = False
    ) -> AttentionAnswer:
        """Ask for the attention from one pixel of the (shrunk) photo, in a pass of its own.

        Args:
            request: see `answer`.
            pixel: (x, y) of the query.
            without_crm: also run the pass with P = T.

        Raises:
            InputError: as `answer`, the pixel lies outside, or there are too many classes for a
                pass without CRM.
        """
        size = len(request.vocabulary)
        if without_crm and size > MOST_WITHOUT_CRM:
            raise InputError(
                f"Attention without CRM is possible for up to {MOST_WITHOUT_CRM} classes; "
                f"here are {size:,}."
            )
        photo, _ = self._photo(request)
        return self._attend(request, photo, pixel, without_crm)

    def _attend(
        self, request: Request, photo: np.ndarray, pixel: tuple[int, int], without_crm: bool
    ) -> AttentionAnswer:
        predictor, size = self._predictor_for(request), len(request.vocabulary)
        settings = (request.votes_per_pixel, request.beta, request.input_size)
        classes = request.vocabulary
        attention, out = predictor.attention(photo, classes, pixel, request.kept_classes, *settings)
        kept = tuple(out.kept[0].tolist())
        winners = out.kept_logits[0].argmax(dim=0)  # (h4, w4), places in `kept`
        (x, y), (height, width), grid = pixel, photo.shape[:2], winners.shape
        best = int(winners[y * grid[0] // height, x * grid[1] // width])
        found = set(winners.unique().tolist())
        everything = None
        if without_crm:
            everything = attention
            if size > len(kept):
                everything, _ = predictor.attention(photo, classes, pixel, size, *settings)
        return AttentionAnswer(
            pixel=pixel,
            size=photo.shape[:2],
            classes=classes.names,
            kept=kept,
            best=kept[best],
            attention=attention,
            costs=predictor.cost_view(photo, classes, kept, request.input_size),
            present=tuple(index for place, index in enumerate(kept) if place in found),
            everything=everything,
        )

    def cost_view(self, request: Request, index: int) -> CostView:
        """Ask for the cost maps of one class, whether CRM kept it or not.

        Raises:
            InputError: as `answer`, or there is no such class.
        """
        if not 0 <= index < len(request.vocabulary):
            raise InputError(f"There is no class number {index}.")
        photo, _ = self._photo(request)
        return self._costs(request, photo, (index,))

    def _costs(self, request: Request, photo: np.ndarray, indices: tuple[int, ...]) -> CostView:
        return self._predictor_for(request).cost_view(
            photo, request.vocabulary, indices, request.input_size
        )

    def _predictor_for(self, request: Request) -> Predictor:
        if request.model in ("", self.model_name):
            return self.predictor
        if request.model not in self._released:
            raise InputError("There is no such model here; choose another one.")
        with self._fetching:
            if self._other is None or self._other[0] != request.model:
                from errseg.predictor import Predictor
                from errseg.weights import load_model

                self._other = None  # room for the next one
                path = fetch_checkpoint(request.model)
                model = load_model(path, find_device(self._device))
                self._other = (request.model, Predictor(model))
            return self._other[1]

    @staticmethod
    def _photo(request: Request) -> tuple[np.ndarray, list[str]]:
        return shrink(load_image(request.photo))

    def opening(self) -> tuple[Answer, AttentionAnswer]:
        """Answer the opening question, which is computed once, also from a first pixel."""
        self.start()
        return self._opening.result()

    def too_long(self, text: str | None) -> tuple[str, ...]:
        """Name the classes whose prompts the text tower would cut; none while it isn't there."""
        if not self._predictor.done() or self._predictor.exception():
            return ()
        towers = self.predictor.model.towers
        try:
            classes = parse_classes(text, limit=MAX_CLASSES).classes
        except InputError:
            return ()
        limit, templates = towers.config.context_length, towers.config.templates
        return tuple(
            prompt.name
            for prompt in classes
            if any(
                length > limit
                for word in prompt.synonyms
                if len(word) > SHORT_ENOUGH
                for length in towers.prompt_lengths(fill_templates(word, templates))
            )
        )

    @property
    def predictor(self) -> Predictor:
        """The loaded model; waits for it.

        Raises:
            InputError: the model could not be loaded.
        """
        self.start()
        return self._predictor.result()

    @property
    def device(self) -> str:
        """Where the network runs, once it is loaded."""
        return self.predictor.model.device.type

    def _start(self, model: str | Path, device: str, opening: Request | None) -> None:
        try:
            from errseg.predictor import Predictor
            from errseg.weights import load_model

            self._predictor.set_result(Predictor(load_model(model, find_device(device), AUTOMATIC)))
        except Exception as error:  # told to whoever waits
            self._predictor.set_exception(error)
        if opening is not None:
            try:
                answer = self.answer(opening)
                attention = self.attention(opening, query_pixel(answer))
                self._opening.set_result((answer, attention))
            except Exception as error:
                self._opening.set_exception(error)


def query_pixel(answer: Answer) -> tuple[int, int]:
    """Choose a first query: where the largest class is surest, or the middle of the photo."""
    labels, scores = answer.result.labels, answer.result.scores
    if not answer.legend:
        return labels.shape[1] // 2, labels.shape[0] // 2
    own = np.where(labels == answer.legend[0].index, scores, -1)
    y, x = np.unravel_index(np.argmax(own), own.shape)
    return int(x), int(y)


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


def _share(attention: Attention, indices: tuple[int, ...], present: tuple[int, ...]) -> float:
    """Measure the share on some classes of an attention whose class axis is `indices`."""
    import torch

    return attention.share_on(torch.tensor([index in present for index in indices]))


def _check_model(model: str | Path) -> None:
    """Refuse at once what can be told without loading it."""
    if Path(model).suffix:
        if not Path(model).is_file():
            raise InputError(f"There is no weights file {model}.")
    else:
        model_config(str(model))
