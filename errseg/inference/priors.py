"""Priors: how often a word is to be expected, by what the model learnt and in this photo.

A network's logits hold what it expects before it looks. Some words come to the top wherever
anything like them is seen (`meatball`, of which training never saw a mask, on all food), others
hardly ever. And one photo shows few of a vocabulary's words, each mostly in many places, of which
the logits at one place know little. So before they become scores, what the model expects of a word
is taken out of its logits, and what the photo shows of it is added (logit adjustment, Menon et al.
2021, to a share; the photo's as in Saerens et al. 2002):

    logit - WORD_SHARE log r + PHOTO_SHARE log q

Beside the weights lie embeddings of typical places, some of each name that training saw masks of,
on training photos (`errseg.measuring.typical_places`). A softmax over the kept words, and "none of
these", says what each place shows; r is a word's mean there over the places that it gets most of.
Likewise q is the word's mean in this photo, after r is taken out.

The best logit of each place stays what it was, so that only which word is best changes, and not
whether a place is none of them. One word alone changes nothing.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from errseg.checkpoints.sealed import read_sealed, write_sealed
from errseg.config import EMBEDDED_PRIORS, EMBEDDED_SHA256
from errseg.network.model import ERRSeg

WORD_SHARE, PHOTO_SHARE = 0.6, 0.2
"""Of the logarithms of r and q, in calibrated logits. Chosen on validation photos, as the next four
numbers are, see errseg-lite's TRAINING.md: more of the first cost scenes more than it gave
others, more of the second cost small things."""
SHARPNESS = 12.0  # of cosines in the softmax over words: errseg-lite's shortcut, calibrated
NO_WORD = 0.46  # cosine that "none of these" has at a typical place
LEAST_WORD, LEAST_PHOTO = 0.05, 1e-3  # values of r and q below which a word counts as these
PLACES_PER_NAME = 16
MOST_LIKELY = 2 * PLACES_PER_NAME  # typical places that r is the mean of: all of two like names
POOLED = 4  # the logits' cells along a side of those that q is the mean of: the stride-16 grid's
PLACES = "places"  # the tensor's name in the file: (N, C)
WEIGHTS_KEY = "weights"
REMEDY = "get it again with: git checkout -- assets, or write it anew with: python -m errseg priors"


@dataclass(frozen=True)
class Priors:
    """What is to be expected of words: call it on logits before they are calibrated."""

    places: Tensor  # (N, C) embeddings of typical places, L2-normalised
    scale: float  # of logits where they are calibrated

    def __call__(self, logits: Tensor, text: Tensor) -> Tensor:
        """Adjust the logits (B, P, h, w), stride 4, of words with text embeddings (B, P, C)."""
        if logits.shape[1] == 1:
            return logits
        before = logits.amax(dim=1, keepdim=True)
        words = -WORD_SHARE * self.of_words(text).log()
        pooled = self.scale * F.avg_pool2d(logits, POOLED) + words[..., None, None]
        shown = pooled.softmax(dim=1).mean(dim=(2, 3)).clamp(min=LEAST_PHOTO)  # q
        words = (words + PHOTO_SHARE * shown.log()) / self.scale
        adjusted = logits + words[..., None, None]
        return adjusted.add_(before - adjusted.amax(dim=1, keepdim=True))

    def of_words(self, text: Tensor) -> Tensor:
        """Compute r (B, P), in [LEAST_WORD, 1], of words with text embeddings (B, P, C)."""
        cosines = SHARPNESS * text @ self.places.T  # (B, P, N)
        none = cosines.new_full((len(text), 1, len(self.places)), SHARPNESS * NO_WORD)
        share = torch.cat([cosines, none], dim=1).softmax(dim=1)[:, :-1]
        most = share.topk(min(MOST_LIKELY, share.shape[2]), dim=2).values
        return most.mean(dim=2).clamp(min=LEAST_WORD)


def priors_of(model: ERRSeg) -> Priors | None:
    """Return the priors of a model whose typical places ship with it; None for all others.

    Raises:
        InputError: the file can't be read, or was changed after it was written.
    """
    names = [name for name, weights in EMBEDDED_SHA256.items() if weights == model.weights_hash]
    paths = [EMBEDDED_PRIORS[name] for name in names if EMBEDDED_PRIORS[name].is_file()]
    return read_priors(paths[0], model) if paths else None


def read_priors(path: Path, model: ERRSeg) -> Priors | None:
    """Read a file that `write_places` wrote; None, if it was written for other weights.

    Raises:
        InputError: it can't be read, or was changed after it was written.
    """
    tensors, metadata = read_sealed(path, REMEDY)
    if metadata.get(WEIGHTS_KEY) != model.weights_hash:
        return None
    return make_priors(model, tensors[PLACES])


def make_priors(model: ERRSeg, places: Tensor) -> Priors:
    """Take embeddings (N, C) of a model's typical places, as `write_places` has them."""
    return Priors(places.float().to(model.device), model.config.calibration.scale)


def write_places(path: Path, model: ERRSeg, places: Tensor, names: dict[str, int]) -> None:
    """Write embeddings (N, C) in 16 bits, and how many of them each name has."""
    metadata = {WEIGHTS_KEY: model.weights_hash, "names": json.dumps(names)}
    write_sealed(path, {PLACES: places.half()}, metadata)
