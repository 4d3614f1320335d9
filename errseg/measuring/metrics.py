"""Measures of a segmentation: intersection over union, accuracy, reliability, rejection.

What is summed are integers, so sums merged over several processes are those of one process.
"""

import math
from typing import Self

import numpy as np
import torch
from torch import Tensor

SCORE_BINS = 10_000  # scores are compared with a threshold to this precision
RELIABILITY_BINS = 15
"""Equal-width bins, as in Guo et al., "On Calibration of Modern Neural Networks" (2017)."""
SCORE_STEPS = 2**28
"""Steps of a score that are added up: as fine as float32 is from 1/16 to 1, and the scores of 34
billion pixels fit in 64 bits."""


class ConfusionMatrix:
    """Counts of pixels by true and predicted class, added up over photos.

    The means are those of the published evaluation, detectron2's ``SemSegEvaluator`` (the version
    that the published code installs: ``iou_valid = acc_valid & (union > 0)``): they are over the
    classes that some pixel is labelled with. A class that is predicted but labelled nowhere has no
    IoU of its own, and takes away from those whose pixels it got. Older versions of detectron2
    counted such a class as 0 in mIoU, so their figures are lower where a set's validation photos
    lack some of its classes.
    """

    def __init__(self, num_classes: int) -> None:
        # (T, T + 1): true class, predicted class; the last column is of pixels given to no class
        self.counts = np.zeros((num_classes, num_classes + 1), dtype=np.int64)

    def update(self, predicted: np.ndarray, label: np.ndarray) -> None:
        """Add one photo's predicted and true classes, (H, W) int.

        A prediction of -1 is none, and counts as a miss; pixels whose label is -1 don't count.

        Raises:
            ValueError: The shapes differ or a class is outside -1 ... T - 1.
        """
        if predicted.shape != label.shape:
            raise ValueError(f"predicted is {predicted.shape} but label is {label.shape}")
        total, columns = self.counts.shape
        for name, array in (("predicted", predicted), ("label", label)):
            if array.size and (array.min() < -1 or array.max() >= total):
                raise ValueError(
                    f"{name} holds {array.min()} to {array.max()}, allowed is -1 to {total - 1}"
                )
        counted = label >= 0
        pairs = label[counted] * columns + predicted[counted] % columns  # -1 is the last column
        self.counts += np.bincount(pairs, minlength=self.counts.size).reshape(self.counts.shape)

    def iou(self) -> np.ndarray:
        """Return each class's intersection over union, (T,) float64; NaN where it isn't labelled.

        Pixels wrongly given to a class count against it wherever they were labelled.
        """
        hits = np.diagonal(self.counts).astype(np.float64)
        labelled = self.counts.sum(axis=1)
        union = labelled + self.counts[:, :-1].sum(axis=0) - hits
        return np.divide(hits, union, out=np.full_like(hits, np.nan), where=labelled > 0)

    def miou(self, among: np.ndarray | slice = np.s_[:]) -> float:
        """Return the mean IoU over the classes among (T,) bool that are labelled; NaN if none."""
        values = self.iou()[among]
        occurring = values[~np.isnan(values)]
        return float(occurring.mean()) if occurring.size else math.nan

    def frequency_weighted_iou(self) -> float:
        """Return the mean IoU weighted by each class's labelled pixels; NaN if there are none."""
        labelled = self.counts.sum(axis=1)
        return share(np.nansum(labelled * self.iou()), labelled.sum())

    def pixel_accuracy(self) -> float:
        """Return the share of labelled pixels that got their class; NaN if there are none."""
        return share(np.trace(self.counts), self.counts.sum())

    def mean_class_accuracy(self) -> float:
        """Return the mean over the labelled classes of `pixel_accuracy` of each; NaN if none."""
        labelled = self.counts.sum(axis=1)
        occurring = labelled > 0
        accuracies = np.diagonal(self.counts)[occurring] / labelled[occurring]
        return float(accuracies.mean()) if occurring.any() else math.nan

    def merge(self, other: Self) -> None:
        """Add another's counts, of as many classes."""
        self.counts += other.counts


class CalibrationError:
    """Winning scores against correctness, added up over photos in bins of equal width."""

    def __init__(self) -> None:
        # Scores less the right pixels, in steps of a score.
        self._gaps = np.zeros(RELIABILITY_BINS, dtype=np.int64)
        self._pixels = 0

    def update(self, scores: np.ndarray, predicted: np.ndarray, label: np.ndarray) -> None:
        """Add one photo's winning scores in 0 ... 1 with its classes, see `ConfusionMatrix.update`.

        Pixels without a label or without a prediction are left out.

        Raises:
            ValueError: A score is outside 0 ... 1.
        """
        counted = (label >= 0) & (predicted >= 0)
        score = scores[counted].astype(np.float64)
        if not np.all((score >= 0) & (score <= 1)):
            raise ValueError("scores must lie between 0 and 1")
        right = predicted[counted] == label[counted]
        gaps = np.rint(score * SCORE_STEPS).astype(np.int64) - SCORE_STEPS * right
        bins = np.minimum((score * RELIABILITY_BINS).astype(np.int64), RELIABILITY_BINS - 1)
        np.add.at(self._gaps, bins, gaps)
        self._pixels += score.size

    def expected_calibration_error(self) -> float:
        """Return the mean gap between score and accuracy, weighted by pixels; NaN if none."""
        return share(np.abs(self._gaps).sum() / SCORE_STEPS, self._pixels)

    def merge(self, other: Self) -> None:
        """Add another's sums."""
        self._gaps += other._gaps
        self._pixels += other._pixels


class ScoreCounts:
    """How many winning scores lie below a threshold, added up over photos."""

    def __init__(self) -> None:
        # The last bin is of scores of exactly 1, which no threshold rejects.
        self._counts = np.zeros(SCORE_BINS + 1, dtype=np.int64)

    def add(self, scores: np.ndarray) -> None:
        """Add scores in 0 ... 1."""
        bins = (scores.astype(np.float64) * SCORE_BINS).astype(np.int64)
        self._counts += np.bincount(bins.ravel(), minlength=SCORE_BINS + 1)

    def share_below(self, threshold: float) -> float:
        """Return the share of the scores that a threshold rejects; NaN if there are none."""
        return share(self._counts[: round(threshold * SCORE_BINS)].sum(), self._counts.sum())

    def merge(self, other: Self) -> None:
        """Add another's counts."""
        self._counts += other._counts


def share(part: float, whole: float) -> float:
    """Divide; NaN where there is nothing to have a share of."""
    return float(part / whole) if whole else math.nan


def leave_one_out(
    text: Tensor, label: np.ndarray, rng: np.random.Generator
) -> tuple[int, Tensor] | None:
    """Draw a class that a photo's label (H, W) shows, and take it out of the vocabulary (T, C).

    Returns:
        The class and the embeddings of the others (T - 1, C), in their order; None if the photo
        shows none or there are no others.
    """
    present = np.unique(label[label >= 0])
    if not present.size or len(text) < 2:
        return None
    left_out = int(rng.choice(present))
    return left_out, torch.cat((text[:left_out], text[left_out + 1 :]))
