"""Scores that mean something: a scale and a bias for the logits, and a threshold for "none".

Both are fitted on photos that training saw, so that the validation figures stay honest. Platt
scaling: the probability that the winning class is right is taken to be
``sigmoid(scale * logit + bias)`` of its logit. Every class's logit gets the same two numbers and
the scale is positive, so that the winners stay what they were.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from errseg.config import uncalibrated
from errseg.data import SegmentationSet
from errseg.label_sets import samples
from errseg.metrics import Rejection
from errseg.model import ERRSeg
from errseg.predictor import Predictor, label_pixels, network_size
from errseg.vocabulary import parse_classes

LARGEST_LOSS = 0.08
"""Share of rightly labelled pixels that the threshold may refuse, the mean over the sets."""
PIXELS_PER_PHOTO = 400
"""Neighbouring pixels say the same; these are drawn at random."""
LEAST_SCALE = 0.05
SMALLEST_LOGIT = 1e-6  # keeps logit(score) finite


@dataclass(frozen=True)
class Observations:
    """Winning logits of one set's pixels."""

    logits: Tensor  # (N,) of the winning class under the whole vocabulary
    right: Tensor  # (N,) 1 where that class is the label, else 0
    left_out: Tensor  # (M,) of the winning class where the label's class is not in the vocabulary


@torch.inference_mode()
def observe(
    model: ERRSeg, sample_set: SegmentationSet, photos: int, rng: np.random.Generator
) -> Observations:
    """Segment training photos with the whole vocabulary, and with one class left out.

    Args:
        model: uncalibrated, or its logits come out calibrated.
        sample_set: its training photos are drawn from.
        photos: how many.
        rng: draws photos, pixels and the classes that are left out.
    """
    predictor, names = Predictor(model), sample_set.class_names
    text, _ = predictor.embed(parse_classes(list(names)))
    stems = rng.permutation(sample_set.training)[:photos].tolist()
    logits, right, left_out = [], [], []
    for photo, label in tqdm(
        samples(sample_set, stems), sample_set.name, len(stems), unit="photo", leave=False
    ):
        present = np.unique(label[label >= 0])
        if not len(present):
            continue
        size = network_size(photo.shape[:2], model.config)
        features = predictor.encode(photo, size)
        labels, scores = label_pixels(model.decode(features, text), label.shape)
        pixels = _draw(label >= 0, rng)
        logits.append(_logit(scores[pixels]))
        right.append(torch.from_numpy(labels[pixels] == label[pixels]).float())
        if len(names) > 1:
            missing = rng.choice(present)
            rest = text[torch.arange(len(names)) != missing]
            _, scores = label_pixels(model.decode(features, rest), label.shape)
            left_out.append(_logit(scores[_draw(label == missing, rng)]))
    empty = torch.zeros(0)
    return Observations(*(torch.cat(part or [empty]) for part in (logits, right, left_out)))


def fit(observations: Sequence[Observations]) -> tuple[float, float]:
    """Fit scale and bias by maximum likelihood (Platt 1999); every set counts the same.

    Returns:
        the scale, at least `LEAST_SCALE`, and the bias.
    """
    kept = [o for o in observations if len(o.logits)]
    logits = torch.cat([o.logits for o in kept]).double()
    right = torch.cat([o.right for o in kept]).double()
    weights = torch.cat([torch.full((len(o.logits),), 1 / len(o.logits)) for o in kept]).double()
    parameters = torch.tensor([1.0, 0.0], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([parameters], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        scale, bias = parameters
        loss = F.binary_cross_entropy_with_logits(
            scale * logits + bias, right, weights / len(kept), reduction="sum"
        )
        loss.backward()
        return loss

    optimizer.step(loss)
    scale, bias = parameters.tolist()
    return max(scale, LEAST_SCALE), bias


def advise_threshold(
    observations: Iterable[Observations], scale: float, bias: float, lost: float = LARGEST_LOSS
) -> float:
    """Choose the highest threshold on calibrated scores that loses few right pixels.

    Args:
        observations: of some sets, which count the same.
        scale: from `fit`.
        bias: from `fit`.
        lost: the share of rightly labelled pixels that may become "none of these".
    """
    rejections = []
    for one in observations:
        rejection = Rejection()
        rejection.add_right((scale * one.logits + bias).sigmoid()[one.right > 0].numpy())
        rejections.append(rejection)
    candidates = np.linspace(0, 1, 101)
    means = [np.nanmean([r.lost(t) for r in rejections]) for t in candidates]
    return round(float(candidates[np.flatnonzero(np.array(means) <= lost)[-1]]), 2)


def calibrate(model: ERRSeg, sets: Iterable[SegmentationSet], photos: int, seed: int = 0) -> ERRSeg:
    """Fit a model's scale, bias and threshold on training photos, and put them in its config.

    Args:
        model: from `load_model`; it is changed. An earlier calibration is forgotten.
        sets: from `load_sets`.
        photos: of each set.
        seed: of what is drawn.

    Returns:
        the model.
    """
    model.config = uncalibrated(model.config)
    rng = np.random.default_rng(seed)
    observations = [observe(model, s, photos, rng) for s in sets if s.training]
    scale, bias = fit(observations)
    model.config = dataclasses.replace(
        model.config,
        score_scale=scale,
        score_bias=bias,
        threshold=advise_threshold(observations, scale, bias),
    )
    return model


def _draw(mask: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw pixels (rows, columns) of a mask."""
    rows, columns = np.nonzero(mask)
    chosen = rng.permutation(len(rows))[:PIXELS_PER_PHOTO]
    return rows[chosen], columns[chosen]


def _logit(scores: np.ndarray) -> Tensor:
    return torch.logit(torch.from_numpy(scores).double(), eps=SMALLEST_LOGIT).float()
