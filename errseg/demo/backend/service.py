"""What the page and its endpoints ask for, without Gradio: checked inputs in, pictures out.

Nothing of one visitor is kept for another; a predictor's caches are keyed by content.
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

from errseg.demo.backend.gpu import on_gpu
from errseg.demo.backend.models import Models
from errseg.demo.backend.request import Request
from errseg.device import AUTOMATIC
from errseg.errors import InputError
from errseg.inference.photo import SMALLEST_PHOTO, load_image
from errseg.words.vocabulary import MAX_CLASSES, fill_templates, parse_classes

if TYPE_CHECKING:  # torch takes seconds to import; the page paints before it is there
    from errseg.inference.predictor import CostView, Result
    from errseg.network.attention import Attention
    from errseg.pictures.colors import Color
    from errseg.pictures.overlay import LegendEntry

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
        from errseg.pictures.captions import labelled_overlay

        return labelled_overlay(self.photo, self.result.labels, self.legend, legend_below=False)

    @functools.cached_property
    def mask(self) -> Image.Image:
        """The classes as a palette image (mode P)."""
        from errseg.pictures.overlay import palette_mask

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
    """Answers questions, for any number of visitors at a time.

    Args:
        model: a name of `list_models` or a path, see `load_model`.
        device: see `find_device`.
        opening: a question to answer as soon as the model is there; it also warms the model up.
        precision: see `Models`.
        compile: see `Models`.

    Raises:
        InputError: see `Models`.
    """

    def __init__(
        self,
        model: str | Path,
        device: str = AUTOMATIC,
        opening: Request | None = None,
        precision: str = AUTOMATIC,
        compile: bool = False,
    ):
        self.models = Models(model, device, precision, compile)
        self._question = opening
        self._opening: Future[tuple[Answer, AttentionAnswer]] = Future()
        self._started = threading.Lock()
        # Around the network only: reading, drawing and hovering need no GPU.
        self._segment, self._attend, self._costs = map(
            on_gpu, (self._segment, self._attend, self._costs)
        )

    def start(self) -> None:
        """Begin to load the first model and to answer the opening question; once."""
        self.models.start()
        if self._question is not None and self._started.acquire(blocking=False):
            threading.Thread(target=self._open, name="opening", daemon=True).start()

    def answer(self, request: Request) -> Answer:
        """Segment a photo; waits for the model if it is still being loaded.

        Raises:
            InputError: the photo or a setting can't be used, or the model could not be loaded.
        """
        from errseg.pictures.export import legend, result_colors

        photo, notices = self._photo(request)
        result = self._segment(request, photo)
        result = dataclasses.replace(result, notices=(*notices, *result.notices))
        colors = result_colors(result)
        return Answer(photo, result, colors, legend(result, colors))

    def _segment(self, request: Request, photo: np.ndarray) -> Result:
        return self.models.predictor_for(request)(
            photo,
            request.vocabulary,
            kept_classes=request.kept_classes,
            votes_per_pixel=request.votes_per_pixel,
            threshold=request.threshold,
            beta=request.beta,
            input_size=request.input_size,
            expand=request.expand,
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
        predictor, size = self.models.predictor_for(request), len(request.vocabulary)
        settings = (request.votes_per_pixel, request.beta, request.input_size, request.expand)
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
                everything = predictor.attention_without_crm(
                    photo, classes, pixel, request.input_size, request.expand
                )
        return AttentionAnswer(
            pixel=pixel,
            size=photo.shape[:2],
            classes=classes.names,
            kept=kept,
            best=kept[best],
            attention=attention,
            costs=predictor.cost_view(photo, classes, kept, request.input_size, request.expand),
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
        return self.models.predictor_for(request).cost_view(
            photo, request.vocabulary, indices, request.input_size, request.expand
        )

    @staticmethod
    def _photo(request: Request) -> tuple[np.ndarray, list[str]]:
        return shrink(load_image(request.photo))

    def opening(self) -> tuple[Answer, AttentionAnswer]:
        """Answer the opening question, which is computed once, also from a first pixel."""
        self.start()
        return self._opening.result()

    def too_long(self, text: str | None) -> tuple[str, ...]:
        """Name the classes whose prompts the text tower would cut; none while it isn't there."""
        if not self.models.loaded:
            return ()
        towers = self.models.predictor.model.towers
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
    def device(self) -> str:
        """Where the network runs, once it is loaded."""
        return self.models.predictor.model.device.type

    def _open(self) -> None:
        try:
            answer = self.answer(self._question)
            attention = self.attention(self._question, query_pixel(answer))
            self._opening.set_result((answer, attention))
        except Exception as error:  # told to whoever waits
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
