"""A photo and typed classes in, a label for every pixel out. Calls are stateless.

All that is kept between calls are three bounded caches, keyed by content: text embeddings by
prompt (in memory, and on disk unless the weights are random), what the image tower saw by photo and
size, and the last results of the network. So changing the classes runs the text tower, CRM and the
decoder, changing P, K or beta runs CRM and the decoder, changing the threshold runs nothing of the
network, and one predictor can be shared by any number of threads and users.
"""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from errseg.config import BETA, KEPT_CLASSES, VOTES_PER_PIXEL
from errseg.errors import InputError
from errseg.inference.caches import BoundedCache
from errseg.inference.labelling import check_threshold, label_pixels
from errseg.inference.photo import load_image, network_size, resize_photo
from errseg.inference.text_embeddings import VocabularyEmbedder
from errseg.inference.token_memory import TokenMemory
from errseg.network.attention import Attention, attend_from
from errseg.network.model import ERRSeg, ImageFeatures, Segmentation
from errseg.words.vocabulary import Vocabulary, parse_classes

IMAGE_CACHE = 256 * 2**20
"""Bytes of encoded photos that are kept, with the tokens of classes that each may remember: 4 of
errseg-base, 24 of errseg-lite, and one of any model at the largest input."""
RESULT_CACHE = 32 * 2**20
"""Bytes of decoded photos that are kept: some 9 of errseg-base."""


@dataclass(frozen=True)
class Settings:
    """Everything that a result depends on, besides the photo and the classes."""

    model: str
    weights_hash: str  # SHA-256 of the weights file; empty for random weights
    kept_classes: int  # P as asked for
    votes_per_pixel: int  # K as asked for
    beta: float
    threshold: float
    network_size: tuple[int, int]  # H, W that the network saw
    expand: bool = False  # whether words that the text tower doesn't know got hypernyms
    precision: str = "float32"  # what the network computed in


@dataclass(frozen=True)
class Result:
    """One segmented photo."""

    classes: tuple[str, ...]  # the vocabulary's names, T
    labels: np.ndarray  # (H, W) int, index into classes, -1 where no class reaches the threshold
    scores: np.ndarray  # (H, W) float32 in [0, 1], the winning class's sigmoid
    kept: tuple[int, ...]  # ascending indices of the classes that CRM kept
    crm_scores: np.ndarray  # (T,) float32
    votes: np.ndarray  # (T, K) int, stride-16 pixels at which a class has rank 0..K-1
    ranking: np.ndarray  # (K, h16, w16) int, each stride-16 pixel's top K classes, best first
    class_scores: np.ndarray  # (P, h4, w4) float32 sigmoids of the kept classes at stride 4
    notices: tuple[str, ...]  # what was changed or cut, in short plain sentences
    settings: Settings
    timings: dict[str, float]  # seconds by stage


@dataclass(frozen=True)
class CostView:
    """Some classes' cost maps on a photo: what HSM says, whether CRM keeps a class or not."""

    stride16: np.ndarray  # (n, h16, w16) float32 cosines
    stride32: np.ndarray  # (n, h32, w32)


class Predictor:
    """Segment photos with a model.

    Args:
        model: from `load_model` or `build_model`.
    """

    def __init__(self, model: ERRSeg):
        self.model = model.eval()
        self._text = VocabularyEmbedder(self.model)
        self._images = BoundedCache(IMAGE_CACHE)
        self._results = BoundedCache(RESULT_CACHE)

    @torch.inference_mode()
    def __call__(
        self,
        image: Image.Image | np.ndarray | str | Path,
        classes: str | Sequence[str] | Vocabulary,
        kept_classes: int = KEPT_CLASSES,
        votes_per_pixel: int = VOTES_PER_PIXEL,
        threshold: float | None = None,
        beta: float = BETA,
        input_size: int | None = None,
        expand: bool = True,
    ) -> Result:
        """Segment one photo.

        Args:
            image: a PIL image, a path or an (H, W, 3) uint8 array.
            classes: names as a person types them, or a list; see `parse_classes`.
            kept_classes: P, classes that CRM keeps.
            votes_per_pixel: K, classes that vote at one pixel.
            threshold: in [0, 1]; pixels whose best class scores less are labelled -1. The model's
                own by default, 0 for a model without one.
            beta: CRM's score coefficient, in [0, 1].
            input_size: pixels of a side of the network's input; the model's own by default.
            expand: whether errseg-lite reads words that it doesn't know with what WordNet says
                they are, "capybara" as "capybara, rodent, animal".

        Raises:
            InputError: the photo, the classes or a setting can't be used.
        """
        clock = _Clock()
        vocabulary = parse_classes(classes)
        photo = load_image(image)
        threshold = self.model.config.calibration.threshold if threshold is None else threshold
        check_threshold(threshold)
        size = network_size(photo.shape[:2], self.model.config, input_size)
        clock.lap("read")
        text, notices = self.embed(vocabulary, expand)
        clock.lap("text")
        key, features, memory = self._encode(photo, size)
        clock.lap("encode")
        key = (key, vocabulary.classes, expand, kept_classes, votes_per_pixel, beta)
        out = self._results.get(key)
        if out is None:
            settings = (kept_classes, votes_per_pixel, beta)
            out = self.model.decode(features, text, *settings, tokens_of=memory)
            self._results.put(key, out, out.bytes)
        clock.lap("decode")
        labels, scores = label_pixels(out.kept_logits[0], out.kept[0], photo.shape[:2], threshold)
        clock.lap("label")
        return Result(
            classes=vocabulary.names,
            labels=labels,
            scores=scores,
            kept=tuple(out.kept[0].tolist()),
            # Copies: the caller may change them, and `out` is remembered.
            crm_scores=out.crm_scores[0].float().cpu().numpy().copy(),
            votes=out.votes[0].cpu().numpy().copy(),
            ranking=out.ranking[0].cpu().numpy().copy(),
            class_scores=out.kept_logits[0].float().sigmoid().cpu().numpy(),
            notices=(*vocabulary.notices, *notices),
            settings=Settings(
                model=self.model.config.name,
                weights_hash=self.model.weights_hash,
                kept_classes=kept_classes,
                votes_per_pixel=votes_per_pixel,
                beta=beta,
                threshold=threshold,
                network_size=size,
                expand=expand and self.model.config.towers.expand_unknown,
                precision=self.model.precision,
            ),
            timings=clock.laps,
        )

    def embed(self, vocabulary: Vocabulary, expand: bool = True) -> tuple[Tensor, list[str]]:
        """Embed a vocabulary (T, C), or remember it; also return notices on its words."""
        return self._text(vocabulary, expand)

    @torch.inference_mode()
    def attention(
        self,
        image: Image.Image | np.ndarray | str | Path,
        classes: str | Sequence[str] | Vocabulary,
        pixel: tuple[int, int],
        kept_classes: int = KEPT_CLASSES,
        votes_per_pixel: int = VOTES_PER_PIXEL,
        beta: float = BETA,
        input_size: int | None = None,
        expand: bool = True,
    ) -> tuple[Attention, Segmentation]:
        """Return what ESCF attends to from one pixel in the pass that makes the masks.

        Args:
            image: see `__call__`.
            classes: see `__call__`.
            pixel: (x, y) of the query in the photo.
            kept_classes: P.
            votes_per_pixel: K.
            beta: CRM's score coefficient.
            input_size: see `__call__`.
            expand: see `__call__`.

        Returns:
            the attention, and the segmentation it belongs to.

        Raises:
            InputError: as a call, or the pixel lies outside the photo.
        """
        features, text, cell, memory = self._at_pixel(image, classes, pixel, input_size, expand)
        settings = (kept_classes, votes_per_pixel, beta)
        out = self.model.decode(features, text, *settings, tokens_of=memory)
        return attend_from(self.model, features, text[out.kept], cell, memory), out

    @torch.inference_mode()
    def attention_without_crm(
        self,
        image: Image.Image | np.ndarray | str | Path,
        classes: str | Sequence[str] | Vocabulary,
        pixel: tuple[int, int],
        input_size: int | None = None,
        expand: bool = True,
    ) -> Attention:
        """Return what ESCF attends to from one pixel where CRM drops nothing (P = T).

        The same as `attention` gives with P = T, but without GUD, which takes nearly half of it.

        Args:
            image: see `__call__`.
            classes: see `__call__`.
            pixel: see `attention`.
            input_size: see `__call__`.
            expand: see `__call__`.

        Raises:
            InputError: see `attention`.
        """
        features, text, cell, _ = self._at_pixel(image, classes, pixel, input_size, expand)
        return attend_from(self.model, features, text[None], cell)

    def _at_pixel(
        self,
        image: Image.Image | np.ndarray | str | Path,
        classes: str | Sequence[str] | Vocabulary,
        pixel: tuple[int, int],
        input_size: int | None,
        expand: bool,
    ) -> tuple[ImageFeatures, Tensor, tuple[int, int], TokenMemory]:
        """Encode photo and classes, and find the cell under a pixel."""
        photo = load_image(image)
        (x, y), (height, width) = pixel, photo.shape[:2]
        if not (0 <= x < width and 0 <= y < height):
            raise InputError(
                f"The pixel ({x}, {y}) lies outside the photo of {width} x {height} pixels."
            )
        text, _ = self.embed(parse_classes(classes), expand)
        size = network_size((height, width), self.model.config, input_size)
        _, features, memory = self._encode(photo, size)
        rows, columns = features.dense16.shape[-2:]
        cell = (int(y * rows / height), int(x * columns / width))
        return features, text, cell, memory

    @torch.inference_mode()
    def cost_view(
        self,
        image: Image.Image | np.ndarray | str | Path,
        classes: str | Sequence[str] | Vocabulary,
        indices: Sequence[int] | None = None,
        input_size: int | None = None,
        expand: bool = True,
    ) -> CostView:
        """Return the cost maps of some classes of a vocabulary, which CRM may drop or keep.

        Args:
            image: see `__call__`.
            classes: see `__call__`.
            indices: of the classes, in the maps' order; all of them by default.
            input_size: see `__call__`.
            expand: see `__call__`.

        Raises:
            InputError: the photo or the classes can't be used.
        """
        photo = load_image(image)
        text, _ = self.embed(parse_classes(classes), expand)
        if indices is not None:
            text = text[list(indices)]
        features = self.encode(photo, network_size(photo.shape[:2], self.model.config, input_size))
        cost = self.model.cost_maps(features, text)
        return CostView(*(m[0].float().cpu().numpy() for m in (cost.stride16, cost.stride32)))

    def encode(self, photo: np.ndarray, size: tuple[int, int]) -> ImageFeatures:
        """Resize a photo (H, W, 3) uint8 to the network's size and encode it, or remember it."""
        _, features, _ = self._encode(photo, size)
        return features

    def _encode(
        self, photo: np.ndarray, size: tuple[int, int]
    ) -> tuple[Hashable, ImageFeatures, TokenMemory]:
        """Do what `encode` does; also return what tells the photo from others, and its memory."""
        pixels = resize_photo(photo, size, self.model.config)
        key = (hashlib.blake2b(pixels.tobytes()).digest(), size)
        known = self._images.get(key)
        if known is None:
            encoded = self.model.encode_image(torch.from_numpy(pixels).permute(2, 0, 1)[None])
            # The backbone's features have done their work in the guidance.
            features = dataclasses.replace(encoded, pyramid=())
            known = features, TokenMemory.of_photo(self.model, features)
            self._images.put(key, known, features.bytes + known[1].limit)
        return key, *known


class _Clock:
    """Seconds between laps."""

    def __init__(self):
        self.laps: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.laps[name], self._last = now - self._last, now
