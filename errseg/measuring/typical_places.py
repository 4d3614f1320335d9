"""Typical places: what the image tower makes of each name's pixels on training photos.

As many of each name that training saw a mask of, so that none counts more for being common: they
are what a word is tried on before it meets a photo (`errseg.inference.priors`).
"""

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from errseg.datasets.sets import SegmentationSet, at_even_distances, samples, with_photos
from errseg.errors import InputError
from errseg.inference.photo import network_size
from errseg.inference.predictor import Predictor
from errseg.network.lite import LiteTowers
from errseg.words.relations import with_synonyms

PLACES_PER_NAME = 16
CELLS_PER_PHOTO = 40  # of the stride-16 grid, that are drawn of each photo
DROPPED = 0.75
"""Of the residual's channels. Training knows its own photos by heart, and gives each place the name
of its label: with most channels dropped it is less sure of them. Scenes lose less by it."""
SEED = 0  # of the cells, the places and the channels that are drawn


@torch.inference_mode()
def typical_places(
    predictor: Predictor, sets: Sequence[SegmentationSet], photos: int
) -> tuple[Tensor, dict[str, int]]:
    """Draw places of each name on training photos at even distances in each set's list.

    The label of a place is that of its middle pixel. Names that were held out of training have
    none, nor have pixels without a label.

    Args:
        predictor: of a model with errseg-lite's towers.
        sets: those without training photos are left out.
        photos: of each set, at most.

    Returns:
        embeddings (N, C), L2-normalised, and how many of them each name has, at most
        `PLACES_PER_NAME`.

    Raises:
        InputError: no set has training photos, none of them a label at what was drawn, or a file
            isn't as its set says.
    """
    rng = np.random.default_rng(SEED)
    held_out = with_synonyms(predictor.model.config.held_out)
    found: dict[str, list[Tensor]] = {}
    with _unsure(predictor):
        for sample_set in with_photos(sets, "training"):
            for name, place in _places(predictor, sample_set, photos, rng):
                if name not in held_out:
                    found.setdefault(name, []).append(place)
    if not found:
        raise InputError("None of the training photos has a label at the places that were drawn.")
    drawn = {
        name: [own[place] for place in rng.permutation(len(own))[:PLACES_PER_NAME]]
        for name, own in sorted(found.items())
    }
    places = torch.stack([place for own in drawn.values() for place in own])
    return places, {name: len(own) for name, own in drawn.items()}


def _places(
    predictor: Predictor, sample_set: SegmentationSet, photos: int, rng: np.random.Generator
) -> Iterator[tuple[str, Tensor]]:
    """Draw cells of a set's photos: their names, and their embeddings (C,)."""
    names = sample_set.class_names
    chosen = at_even_distances(sample_set.training, photos)
    bar = tqdm(chosen, sample_set.name, unit="photo", leave=False)
    for photo, label in samples(sample_set, bar):
        size = network_size(photo.shape[:2], predictor.model.config)
        dense = predictor.encode(photo, size).dense16[0]  # (C, h16, w16)
        rows, columns = dense.shape[1:]
        middles = label[
            (2 * np.arange(rows)[:, None] + 1) * label.shape[0] // (2 * rows),
            (2 * np.arange(columns) + 1) * label.shape[1] // (2 * columns),
        ]
        cells = rng.permutation(middles.size)[:CELLS_PER_PHOTO]
        for cell, name in zip(cells, middles.flat[cells], strict=True):
            if name >= 0:
                yield names[name], dense[:, cell // columns, cell % columns].clone()


@contextlib.contextmanager
def _unsure(predictor: Predictor) -> Iterator[None]:
    """Let a model drop most of its residual's channels, the same ones in every run."""
    towers: LiteTowers = predictor.model.towers
    before = towers.config, towers.always_drops
    predictor.forget()  # what it remembers was seen with all channels
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        towers.config = dataclasses.replace(towers.config, residual_dropout=DROPPED)
        towers.always_drops = True
        try:
            yield
        finally:
            towers.config, towers.always_drops = before
            predictor.forget()
