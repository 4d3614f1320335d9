"""Typical places: what the image tower makes of each name's pixels on training photos.

As many of each name that training saw a mask of, so that none counts more for being common: they
are what a word is tried on before it meets a photo (`errseg.inference.priors`).
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from errseg.datasets.sets import SegmentationSet, samples, with_photos
from errseg.inference.photo import network_size
from errseg.inference.predictor import Predictor
from errseg.inference.priors import PLACES_PER_NAME
from errseg.words.relations import with_synonyms

CELLS_PER_PHOTO = 40  # of the stride-16 grid, that are drawn of each photo
SEED = 0  # of the cells and the places that are drawn


@torch.inference_mode()
def typical_places(
    predictor: Predictor, sets: Sequence[SegmentationSet], photos: int
) -> tuple[Tensor, dict[str, int]]:
    """Draw places of each name on training photos at even distances in each set's list.

    The label of a place is that of its middle pixel. Names that were held out of training have
    none, nor have pixels without a label.

    Args:
        predictor: a model's.
        sets: those without training photos are left out.
        photos: of each set, at most.

    Returns:
        embeddings (N, C), L2-normalised, and how many of them each name has, at most
        `PLACES_PER_NAME`.

    Raises:
        InputError: no set has training photos, or a file isn't as its set says.
    """
    config, rng = predictor.model.config, np.random.default_rng(SEED)
    held_out = with_synonyms(config.held_out)
    found: dict[str, list[Tensor]] = {}
    for sample_set in with_photos(sets, "training"):
        stems, names = sample_set.training, sample_set.class_names
        count = min(photos, len(stems))
        chosen = [stems[len(stems) * place // count] for place in range(count)]
        bar = tqdm(chosen, sample_set.name, unit="photo", leave=False)
        for photo, label in samples(sample_set, bar):
            dense = predictor.encode(photo, network_size(photo.shape[:2], config)).dense16[0]
            rows, columns = dense.shape[1:]
            middles = label[
                (2 * np.arange(rows)[:, None] + 1) * label.shape[0] // (2 * rows),
                (2 * np.arange(columns) + 1) * label.shape[1] // (2 * columns),
            ]
            cells = rng.permutation(middles.size)[:CELLS_PER_PHOTO]
            for cell, name in zip(cells, middles.flat[cells], strict=True):
                if name >= 0 and names[name] not in held_out:
                    own = dense[:, cell // columns, cell % columns]
                    found.setdefault(names[name], []).append(own.clone())
    drawn = {
        name: [own[place] for place in rng.permutation(len(own))[:PLACES_PER_NAME]]
        for name, own in sorted(found.items())
    }
    places = torch.stack([place for own in drawn.values() for place in own])
    return places, {name: len(own) for name, own in drawn.items()}
