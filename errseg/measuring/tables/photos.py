"""Validation photos as the tables read them: each with its labels, encoded once."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from errseg.datasets.sets import SegmentationSet, samples
from errseg.inference.photo import network_size, resize_photo
from errseg.inference.predictor import Predictor
from errseg.network.model import ERRSeg, ImageFeatures
from errseg.words.vocabulary import suggested_kept_classes


@dataclass(frozen=True)
class Asked:
    """What all tables are asked alike."""

    limit: int | None = None  # validation photos of each set, the first ones; all if None
    timed: int = 5  # of these, photos that latency is measured on
    expand: bool = True  # see `Options.expand`


@dataclass(frozen=True)
class LabelledPhoto:
    """One photo and what it shows."""

    photo: np.ndarray  # (H, W, 3) uint8
    label: np.ndarray  # (H, W) int64, places in the set's vocabulary; -1 doesn't count

    @property
    def present(self) -> np.ndarray:
        """The classes really present: those that label a pixel or more, ascending."""
        return np.unique(self.label[self.label >= 0])


def read_photos(sample_set: SegmentationSet, asked: Asked, table: str) -> Iterator[LabelledPhoto]:
    """Read a set's validation photos, as many as asked for, and show how far it got."""
    stems = sample_set.validation[: asked.limit]
    bar = tqdm(stems, f"{table}, {sample_set.name}", unit="photo", leave=False)
    return (LabelledPhoto(*sample) for sample in samples(sample_set, bar))


def embed_set(predictor: Predictor, sample_set: SegmentationSet, asked: Asked) -> Tensor:
    """Embed a set's whole vocabulary, (T, C)."""
    return predictor.embed(sample_set.vocabulary(), asked.expand)[0]


def encode(model: ERRSeg, photo: np.ndarray, input_size: int | None = None) -> ImageFeatures:
    """Encode a photo (H, W, 3) uint8; nothing is remembered, so that it can be timed."""
    size = network_size(photo.shape[:2], model.config, input_size)
    pixels = resize_photo(photo, size, model.config)
    return model.encode_image(torch.from_numpy(pixels).permute(2, 0, 1)[None])


def default_kept_classes(sample_set: SegmentationSet) -> int:
    """Return the paper's P for a benchmark or a vocabulary of the set's size (Table XIII)."""
    classes = len(sample_set.classes)
    return min(sample_set.kept_classes or suggested_kept_classes(classes), classes)
