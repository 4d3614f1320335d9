"""Scores that mean something: how logits become scores, and a threshold for "none of these".

Training knows its own photos by heart and is surer of them than of any other, so four numbers
(`errseg.network.scores`, and the threshold) are fitted on every second validation photo. The
probability that the winning class is right is taken to be the sigmoid of its calibrated logit
(Platt 1999, with one number more). All classes get the same numbers, so the winners stay the same.
"""

import dataclasses
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from errseg.config import KEPT_CLASSES, Calibration
from errseg.datasets.sets import SegmentationSet, samples, with_photos
from errseg.errors import InputError
from errseg.inference.photo import network_size
from errseg.inference.predictor import Predictor
from errseg.measuring.metrics import ScoreCounts, leave_one_out
from errseg.network.model import ERRSeg, Segmentation
from errseg.network.scores import calibrate_logits

EVERY = 2
"""Of the validation photos every second one is fitted on, the others are left to measure with."""
FALSE_REJECTION = 0.08
"""Share of rightly labelled pixels that the threshold may reject, the mean over the sets."""
PIXELS_PER_PHOTO = 400  # neighbouring pixels say the same; these are drawn at random
LEAST_SCALE = 0.05
SEED = 0  # of the pixels and the classes that are drawn
LEFT_OUT_WEIGHT = 0.1
"""Weight of the pixels whose class is not in the vocabulary, beside those whose class is. Without
them the fit is a softmax that can't reject a vocabulary's only word; with more, scores are low."""
NO_CLASS = -1e4  # logit of a padded place while fitting: minus infinity has no gradient


@dataclass(frozen=True)
class Observations:
    """Logits of one set's pixels, uncalibrated, P kept classes each; padded with minus infinity."""

    logits: Tensor  # (N, P) under the whole vocabulary
    right: Tensor  # (N,) 1 where the greatest is the label's, else 0
    left_out: Tensor  # (M, P) where the label's class is not in the vocabulary


@torch.inference_mode()
def observe(
    model: ERRSeg, sample_set: SegmentationSet, photos: int, rng: np.random.Generator
) -> Observations:
    """Segment validation photos with the whole vocabulary, and with one class left out.

    The model is uncalibrated, or its logits come out calibrated. Every second of the set's
    validation photos is taken, ``photos`` at most; the generator draws pixels and the classes left
    out.
    """
    predictor = Predictor(model)
    text, _ = predictor.embed(sample_set.vocabulary())
    none = torch.zeros(0, KEPT_CLASSES)
    logits, right, left_out = [none], [none[:, 0]], [none]
    stems = sample_set.validation[::EVERY][:photos]
    bar = tqdm(stems, sample_set.name, unit="photo", leave=False)
    for photo, label in samples(sample_set, bar):
        if (label < 0).all():
            continue
        features = predictor.encode(photo, network_size(photo.shape[:2], model.config))
        seen, winner_right = _logits_at(model.decode(features, text), label, label >= 0, rng)
        logits.append(seen)
        right.append(winner_right)
        if left := leave_one_out(text, label, rng):
            missing, rest = left
            seen, _ = _logits_at(model.decode(features, rest), label, label == missing, rng)
            left_out.append(seen)
    return Observations(*map(torch.cat, (logits, right, left_out)))


def fit(observations: Sequence[Observations]) -> Calibration:
    """Fit the three numbers by maximum likelihood; every set counts the same.

    Where the label's class was left out the winner is wrong, and so is any one word by itself.
    """
    groups = []  # of logits, whether the winner is right, and weights
    for one in observations:
        wrong = torch.zeros(len(one.left_out))
        for logits, right, weight in (
            (one.logits, one.right, 1.0),
            (one.left_out, wrong, LEFT_OUT_WEIGHT / 2),
            (_alone(one.left_out), wrong, LEFT_OUT_WEIGHT / 2),
        ):
            if count := len(logits):
                groups.append((logits, right, torch.full_like(right, weight / count)))
    logits, right, weights = (torch.cat(parts).double() for parts in zip(*groups, strict=True))
    logits = logits.clamp(min=NO_CLASS)
    winners = logits.argmax(dim=1, keepdim=True)
    # Unbounded parameters: the scale's logarithm, the bias, the competition's logit.
    parameters = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([parameters], max_iter=200, line_search_fn="strong_wolfe")

    def numbers() -> tuple[Tensor, Tensor, Tensor]:
        return parameters[0].exp(), parameters[1], parameters[2].sigmoid()

    def loss() -> Tensor:
        optimizer.zero_grad()
        calibrated = calibrate_logits(logits, Calibration(*numbers())).gather(1, winners)[:, 0]
        loss = F.binary_cross_entropy_with_logits(
            calibrated, right, weights / len(observations), reduction="sum"
        )
        loss.backward()
        return loss

    optimizer.step(loss)
    scale, bias, competition = (number.item() for number in numbers())
    return Calibration(max(scale, LEAST_SCALE), bias, competition)


def winning_scores(logits: Tensor, calibration: Calibration) -> Tensor:
    """Score the winners of pixels (N, P), padded with minus infinity -> (N,) in [0, 1]."""
    return calibrate_logits(logits, calibration).amax(dim=1).sigmoid()


def advise_threshold(
    observations: Iterable[Observations],
    fitted: Calibration,
    false_rejection: float = FALSE_REJECTION,
) -> float:
    """Choose the highest threshold on calibrated scores that rejects few right pixels.

    Args:
        observations: of some sets, which count the same.
        fitted: from `fit`.
        false_rejection: the share of rightly labelled pixels that may become "none of these".
    """
    right = []
    for one in observations:
        right.append(ScoreCounts())
        right[-1].add(winning_scores(one.logits, fitted)[one.right > 0].numpy())
    candidates = np.linspace(0, 1, 101)
    means = np.array([np.nanmean([c.share_below(t) for c in right]) for t in candidates])
    return round(float(candidates[means <= false_rejection][-1]), 2)


def calibrate(model: ERRSeg, sets: Sequence[SegmentationSet], photos: int) -> ERRSeg:
    """Fit a model's scores and threshold on photos of each set, and put them in its config.

    The model is changed and returned; an earlier calibration is forgotten. Sets of a single class
    have nothing to say.

    Raises:
        InputError: no set has validation photos and two classes, or a file isn't as its set says.
    """
    model.config = dataclasses.replace(model.config, calibration=Calibration())
    rng = np.random.default_rng(SEED)
    several = [s for s in with_photos(sets, "validation") if len(s.class_names) > 1]
    if not several:
        raise InputError("Each of the chosen sets has one class, which has no rival to lose to.")
    observations = [observe(model, s, photos, rng) for s in several]
    fitted = fit(observations)
    fitted = dataclasses.replace(fitted, threshold=advise_threshold(observations, fitted))
    model.config = dataclasses.replace(model.config, calibration=fitted)
    return model


def weigh_cost(model: ERRSeg, weight: float) -> ERRSeg:
    """Count a model's raw cost maps more or less in the logits than training did, and return it.

    On its own photos the decoder learnt to trust itself more than it deserves on others. The weight
    multiplies the cost shortcut's trained scale, in place.

    Raises:
        InputError: the model has no cost shortcut (errseg-lite has), or the weight is not finite
            and above 0.
    """
    if not 0 < weight < math.inf:
        raise InputError(f"The cost maps' weight must be a number above 0, not {weight}.")
    if not model.config.head.cost_shortcut:
        raise InputError(
            f"{model.config.name} adds no cost maps to its logits: leave the weight 1."
        )
    with torch.no_grad():
        model.shortcut_scale *= weight
    return model


def _alone(logits: Tensor) -> Tensor:
    """Keep one class of each pixel (N, P), another from pixel to pixel; the rest is padding."""
    columns = torch.arange(len(logits)) % (logits > NO_CLASS).sum(dim=1).clamp(min=1)
    alone = torch.full_like(logits, -torch.inf)
    return alone.scatter(1, columns[:, None], logits.gather(1, columns[:, None]))


def _logits_at(
    out: Segmentation, label: np.ndarray, mask: np.ndarray, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Draw pixels of a mask (H, W): their logits (n, P), and whether the winner is the label's."""
    rows, columns = rng.permutation(np.argwhere(mask))[:PIXELS_PER_PHOTO].T
    maps = out.kept_logits[0].float().cpu()  # (P, h, w)
    height, width = maps.shape[-2:]
    seen = maps[:, rows * height // mask.shape[0], columns * width // mask.shape[1]].T
    winners = out.kept[0].cpu()[seen.argmax(dim=1)].numpy()
    right = torch.from_numpy(winners == label[rows, columns]).float()
    return F.pad(seen, (0, KEPT_CLASSES - seen.shape[1]), value=-torch.inf), right
