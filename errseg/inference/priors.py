"""Priors: how often a word is to be expected, by what the model learnt and in this photo.

A network's logits hold what it expects before it looks. Some words come to the top wherever
anything like them is seen (`bear` on every dark animal, `furniture` on every desk), others hardly
ever. And one photo shows few of a vocabulary's words, each mostly in many places, of which
the logits at one place know little. So before they become scores, what the model expects of a word
is taken out of its logits, and what the photo shows of it is added (logit adjustment, Menon et al.
2021, to a share; the photo's as in Saerens et al. 2002):

    scaled logit - WORD_SHARE log r - BROADER [the word is broader than another] + PHOTO_SHARE log q

Beside the weights lie embeddings of typical places, some of each name that training saw masks of,
on training photos (`errseg.measuring.typical_places`). A softmax over the kept words, and "none of
these", says what each place shows; r is a word's mean there over the places that it gets most of.
Likewise q is the word's mean in this photo, after the other two are taken out. Training taught that
a swivel chair is a chair too, and so both words score alike there: beside `swivel chair`, `chair`
means other chairs (`errseg.words.broader`).

The best score of each place stays what it was, so that only which word is best changes, and not
whether a place is none of them. One word alone changes nothing.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from errseg.config import EMBEDDED_PRIORS, Calibration, shipped_with
from errseg.inference.places import read_places
from errseg.network.model import ERRSeg
from errseg.network.scores import calibrate_best, calibrate_logits
from errseg.words.broader import are_broader
from errseg.words.vocabulary import Vocabulary

WORD_SHARE, PHOTO_SHARE, BROADER = 0.7, 0.19, 0.45
"""In scaled logits. Chosen on validation photos, as the next five numbers are (errseg-lite's
TRAINING.md): more of the first cost scenes more than it gave others, more of the second cost small
things, and with more of the third every chair beside `swivel chair` became one."""
SHARPNESS = 12.0  # of cosines in the softmax over words: errseg-lite's shortcut, calibrated
NO_WORD = 0.45  # cosine that "none of these" has at a typical place
LEAST_WORD, LEAST_PHOTO = 0.1, 1e-3  # values of r and q below which a word counts as these
MOST_LIKELY = 16  # typical places that r is the mean of; so many each name has, or fewer
POOLED = 4  # the logits' cells along a side of those that q is the mean of: the stride-16 grid's


@dataclass(frozen=True)
class Priors:
    """What is to be expected of words."""

    places: Tensor  # (N, C) embeddings of typical places, L2-normalised
    calibration: Calibration  # the model's

    def of_words(self, vocabulary: Vocabulary, text: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
        """Return what `adjust` does for a vocabulary of T classes with text (T, C)."""
        broader = torch.tensor(are_broader(vocabulary.classes), device=text.device)
        return functools.partial(self.adjust, text=text, broader=broader)

    def adjust(self, logits: Tensor, kept: Tensor, text: Tensor, broader: Tensor) -> Tensor:
        """Adjust logits, in place, and calibrate them.

        Args:
            logits: (B, P, h, w), of stride 4.
            kept: (B, P), the indices of the classes that they are of.
            text: embeddings (T, C) of the vocabulary.
            broader: (T,) bool, which of its classes are broader than another.

        Returns:
            calibrated logits (B, P, h, w).
        """
        if logits.shape[1] == 1:
            return calibrate_logits(logits, self.calibration)
        scale, best = self.calibration.scale, calibrate_best(logits, self.calibration)
        words = -WORD_SHARE * self.expected(text[kept]).log() - BROADER * broader[kept].float()
        pooled = scale * F.avg_pool2d(logits, POOLED) + words[..., None, None]
        shown = pooled.softmax(dim=1).mean(dim=(2, 3)).clamp(min=LEAST_PHOTO)  # q
        logits += ((words + PHOTO_SHARE * shown.log()) / scale)[..., None, None]
        calibrated = calibrate_logits(logits, self.calibration)
        return calibrated.add_(best - calibrated.amax(dim=1, keepdim=True))

    def expected(self, text: Tensor) -> Tensor:
        """Compute r (B, P), in [LEAST_WORD, 1], of words with text embeddings (B, P, C)."""
        cosines = SHARPNESS * text @ self.places.T  # (B, P, N)
        none = cosines.new_full((len(text), 1, len(self.places)), SHARPNESS * NO_WORD)
        share = torch.cat([cosines, none], dim=1).softmax(dim=1)[:, :-1]
        most = share.topk(min(MOST_LIKELY, share.shape[2]), dim=2).values
        return most.mean(dim=2).clamp(min=LEAST_WORD)


def priors_of(model: ERRSeg) -> Priors | None:
    """Return the priors of a model whose typical places ship with it; None for all others.

    Raises:
        InputError: their file can't be read, or was changed after it was written.
    """
    path = shipped_with(model.weights_hash, EMBEDDED_PRIORS)
    places = read_places(path, model) if path else None
    return None if places is None else Priors(places, model.config.calibration)
