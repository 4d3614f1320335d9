"""A predictor whose answers are made up, so that every figure of an evaluation can be worked out.

Twenty labelled pixels of two photos: ten sky, six grass, four rhino, and two without a label. The
rhino may be held out; no photo shows a cat.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from photo_sets import write_photo_set

from errseg.config import model_config
from errseg.datasets.folders import load_sets
from errseg.datasets.sets import SegmentationSet

SKY, GRASS, RHINO, CAT = range(4)
NAMES = ("sky", "grass", "rhinoceros", "cat")
IGNORED = 255
BRIGHTER = 16  # grey levels from one photo to the next
# One pixel each: its label, the class that wins and its score, the runner-up and its score. The
# others score 0.1. Whichever class is left out, half of its pixels score less than 0.5 then.
PHOTOS = (
    [(SKY, SKY, 0.9, GRASS, 0.55)] * 2
    + [(SKY, SKY, 0.9, GRASS, 0.1)] * 3
    + [(SKY, CAT, 0.6, SKY, 0.58)]
    + [(RHINO, RHINO, 0.6, SKY, 0.1)] * 2
    + [(RHINO, GRASS, 0.6, SKY, 0.1)] * 2,
    [(GRASS, GRASS, 0.9, SKY, 0.55)] * 2
    + [(GRASS, GRASS, 0.9, SKY, 0.1)] * 3
    + [(GRASS, SKY, 0.6, CAT, 0.1)]
    + [(SKY, SKY, 0.9, GRASS, 0.55)] * 2
    + [(SKY, SKY, 0.3, GRASS, 0.1)] * 2
    + [(IGNORED, CAT, 0.9, SKY, 0.1)] * 2,
)


class MadeUp:
    """Answers as `PHOTOS` says, as predictor and as model; it tells photos by their brightness."""

    def __init__(self, held_out=(), name="errseg-lite", photos=PHOTOS):
        self.model, self.device, self.photos = self, torch.device("cpu"), photos
        self.config = dataclasses.replace(model_config(name), held_out=held_out)
        self.asked = set()  # what is passed through
        self.rivals = self.priors = None

    def embed(self, vocabulary, expand=True):
        self.vocabulary = vocabulary
        self.asked |= {("expand", expand)}
        return torch.eye(len(vocabulary)), ()

    def encode(self, photo, size):
        self.asked |= {("size", size)}
        scores = torch.full((len(self.vocabulary), *photo.shape[:2]), 0.1).flatten(1)
        answers = self.photos[photo[0, 0, 0] // BRIGHTER]
        for place, (_, winner, score, second, second_score) in enumerate(answers):
            scores[second, place] = second_score
            scores[winner, place] = score
        return scores.logit().unflatten(1, photo.shape[:2])

    def decode(self, features, text, kept_classes=32, votes_per_pixel=3, beta=0.1, calibrate=None):
        """Keep the first P classes of those asked about."""
        self.asked |= {("P", kept_classes), ("K", votes_per_pixel), ("beta", beta)}
        kept = torch.arange(len(text))[None, :kept_classes]
        logits = torch.einsum("tc,chw->thw", text, features)
        return SimpleNamespace(kept_logits=logits[None, :kept_classes], kept=kept)

    def cost_maps(self, features, text):
        """Find the sky everywhere."""
        cost = torch.zeros(1, *features.shape)
        cost[:, SKY] = 1
        return SimpleNamespace(stride16=cost)


def write_made_up(
    folder: Path, photos: Sequence, names: Sequence[str] = NAMES
) -> list[SegmentationSet]:
    """Write photos of two rows of pixels, such as `PHOTOS`, that `MadeUp` tells apart."""
    files = []
    for place, photo in enumerate(photos):
        label = np.array([pixel[0] for pixel in photo], np.uint8).reshape(2, -1)
        files.append((np.full((*label.shape, 3), place * BRIGHTER, np.uint8), label))
    write_photo_set(folder, names, files)
    return load_sets(folder.parent)
