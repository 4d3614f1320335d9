"""What a question is answered with: a segmented photo, and what is attended to from a pixel."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from errseg.demo.backend.request import Request
from errseg.inference.caches import KeysOfArrays
from errseg.inference.result import CostView, Result
from errseg.pictures.captions import labelled_overlay
from errseg.pictures.colors import Color
from errseg.pictures.overlay import LegendEntry, palette_mask

if TYPE_CHECKING:  # torch takes seconds to import; the page paints before it is there
    from errseg.network.attention import Attention

_PHOTO_DIGESTS = KeysOfArrays()  # each as long as its photo is there


@dataclass(frozen=True)
class Answer:
    """One segmented photo; the pictures of it are drawn when they are asked for."""

    photo: np.ndarray  # (H, W, 3) uint8, upright, at most LONGEST_SIDE
    result: Result
    colors: tuple[Color, ...]  # T
    legend: list[LegendEntry]
    request: Request  # as it was answered

    @functools.cached_property
    def overlay(self) -> Image.Image:
        """The photo with each class in its colour and under its name, without a legend."""
        return labelled_overlay(self.photo, self.result.labels, self.legend, legend_below=False)

    @functools.cached_property
    def mask(self) -> Image.Image:
        """The classes as a palette image (mode P) of the photo's own size."""
        return palette_mask(self.result.labels, self.colors, self.result.mask_size)[0]

    @property
    def is_shrunk(self) -> bool:
        """Whether the photo's own size, which masks in files have, is another than the answer's."""
        return self.result.mask_size != self.result.labels.shape

    @functools.cached_property
    def subject(self) -> str:
        """Tell photo and words from others, whatever was set."""
        return _digest((self.result.classes, _photo_digest(self.photo))).hexdigest()

    @functools.cached_property
    def key(self) -> str:
        """Tell photo, words and settings from others, whatever the threshold.

        Whole numbers only: figures would depend on the machine that stored an answer as well.
        """
        asked = {**vars(self.result.settings), "threshold": None}
        return _digest((sorted(asked.items()), self.result.kept, self.subject)).hexdigest()

    def own_pixel(self, pixel: tuple[int, int]) -> tuple[int, int]:
        """Find a pixel (x, y) of the answer in the photo as it was before it was shrunk."""
        return moved_pixel(pixel, self.result.labels.shape, self.result.mask_size)


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
    present: tuple[int, ...]  # classes that have pixels in the masks, ascending
    share: float  # of class attention on the classes present (Proposition 1's left side)
    everything: Attention | None = None  # the same with P = T, if asked for
    share_without_crm: float | None = None
    winners: np.ndarray | None = None  # (h4, w4) uint8: at stride 4 the place of the best in `kept`
    class_reduction: int = 1  # CSR: cells of the stride-16 grid to one of CFM's, each way
    key: str = ""  # tells its question from others, whatever pixel and precision
    live: tuple[dict, ...] = ()  # of the classes that were asked for everywhere: `live_class`
    notices: tuple[str, ...] = ()  # what was changed


def _digest(told: tuple) -> hashlib.blake2b:
    """Begin the digest of what tells answers apart."""
    return hashlib.blake2b(repr(told).encode(), digest_size=8)


def _photo_digest(photo: np.ndarray) -> str:
    """Tell a photo (H, W, 3) from others; one that nobody can change is read once for all."""
    key = _PHOTO_DIGESTS.get(photo, None)
    if key is None:
        digest = _digest(photo.shape)
        digest.update(np.ascontiguousarray(photo))
        key = digest.hexdigest()
        _PHOTO_DIGESTS.put(photo, None, key)
    return key


def moved_pixel(
    pixel: tuple[int, int], size: tuple[int, int], other: tuple[int, int]
) -> tuple[int, int]:
    """Bring a pixel (x, y) of a photo (H, W) to the same photo at another size (H, W)."""
    (x, y), (height, width), (rows, columns) = pixel, size, other
    return (2 * x + 1) * columns // (2 * width), (2 * y + 1) * rows // (2 * height)


def query_pixel(answer: Answer) -> tuple[int, int]:
    """Choose a first query: where the largest class is surest, or the middle of the photo."""
    labels, scores = answer.result.labels, answer.result.scores
    if not answer.legend:
        return labels.shape[1] // 2, labels.shape[0] // 2
    own = np.where(labels == answer.legend[0].index, scores, -1)
    y, x = np.unravel_index(np.argmax(own), own.shape)
    return int(x), int(y)


def kept_classes(answer: Answer) -> tuple[int, ...]:
    """Name the classes that CRM kept: those that some pixel has first, then by CRM's score."""
    first, scores = legend_classes(answer), answer.result.crm_scores
    others = (index for index in answer.result.kept if index not in first)
    return (*first, *sorted(others, key=lambda index: -scores[index]))


def legend_classes(answer: Answer) -> tuple[int, ...]:
    """Name the classes that some pixel has, largest first: their attention is asked for first."""
    return tuple(entry.index for entry in answer.legend)
