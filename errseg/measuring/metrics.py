"""Measures of a segmentation: intersection over union, accuracy, reliability, rejection."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

REJECTION_BINS = 10_000
"""Scores are compared with a threshold to this precision."""

RELIABILITY_BINS = 15
"""Equal-width bins, as in Guo et al., "On Calibration of Modern Neural Networks" (2017)."""


class ConfusionMatrix:
    """Counts of pixels by true and predicted class, added up over photos.

    Attributes:
        counts: (T, T + 1) int64; row = true class, column = predicted class, the last column
            counts the pixels that were given to no class.
    """

    def __init__(self, num_classes: int) -> None:
        if num_classes < 1:
            raise ValueError(f"num_classes must be at least 1, got {num_classes}")
        self.counts = np.zeros((num_classes, num_classes + 1), dtype=np.int64)

    def update(self, predicted: np.ndarray, label: np.ndarray) -> None:
        """Add one photo.

        Args:
            predicted: (H, W) int; class of each pixel, -1 for none, which counts as a miss.
            label: (H, W) int; true class of each pixel, -1 for pixels that don't count.

        Raises:
            ValueError: The shapes differ or a class is outside -1 ... T - 1.
        """
        predicted, label = np.asarray(predicted), np.asarray(label)
        if predicted.shape != label.shape:
            raise ValueError(f"predicted is {predicted.shape} but label is {label.shape}")
        total = len(self.counts)
        for name, array in (("predicted", predicted), ("label", label)):
            if array.size and (array.min() < -1 or array.max() >= total):
                raise ValueError(
                    f"{name} holds {array.min()} to {array.max()}, allowed is -1 to {total - 1}"
                )
        counted = label >= 0
        truth = label[counted].astype(np.int64)
        guess = predicted[counted].astype(np.int64)
        guess[guess < 0] = total
        pairs = np.bincount(truth * (total + 1) + guess, minlength=self.counts.size)
        self.counts += pairs.reshape(self.counts.shape)

    def iou(self) -> np.ndarray:
        """Return each class's intersection over union, (T,) float64; NaN where it isn't labelled.

        Pixels wrongly given to a class count against it wherever they were labelled.
        """
        hits = np.diagonal(self.counts).astype(np.float64)
        labelled = self.counts.sum(axis=1)
        predicted = self.counts[:, :-1].sum(axis=0)
        union = labelled + predicted - hits
        return np.divide(hits, union, out=np.full_like(hits, np.nan), where=labelled > 0)

    def miou(self, among: np.ndarray | None = None) -> float:
        """Return the mean IoU over the classes that occur in the labels; NaN if none does.

        Args:
            among: (T,) bool, the classes that count; all if None.
        """
        values = self.iou() if among is None else self.iou()[among]
        occurring = values[~np.isnan(values)]
        return float(occurring.mean()) if occurring.size else float("nan")

    def pixel_accuracy(self) -> float:
        """Return the share of labelled pixels that got their class; NaN if there are none."""
        total = self.counts.sum()
        return float(np.trace(self.counts) / total) if total else float("nan")


class CalibrationError:
    """Winning scores against correctness, added up over photos in bins of equal width."""

    def __init__(self, bins: int = RELIABILITY_BINS) -> None:
        if bins < 1:
            raise ValueError(f"bins must be at least 1, got {bins}")
        self._gaps = np.zeros(bins)  # scores less the right pixels
        self._pixels = 0

    def update(self, scores: np.ndarray, predicted: np.ndarray, label: np.ndarray) -> None:
        """Add one photo; pixels without a label or without a prediction are left out.

        Args:
            scores: (H, W) float in 0 ... 1; the winning class's score.
            predicted: (H, W) int; the winning class, -1 for none.
            label: (H, W) int; the true class, -1 for pixels that don't count.

        Raises:
            ValueError: The shapes differ or a score is outside 0 ... 1.
        """
        scores, predicted, label = np.asarray(scores), np.asarray(predicted), np.asarray(label)
        if not scores.shape == predicted.shape == label.shape:
            raise ValueError(
                f"shapes differ: scores {scores.shape}, predicted {predicted.shape}, "
                f"label {label.shape}"
            )
        counted = (label >= 0) & (predicted >= 0)
        score = scores[counted].astype(np.float64)
        if not np.all((score >= 0) & (score <= 1)):
            raise ValueError("scores must lie between 0 and 1")
        bins = len(self._gaps)
        index = np.minimum((score * bins).astype(np.int64), bins - 1)
        gaps = score - (predicted[counted] == label[counted])
        self._gaps += np.bincount(index, weights=gaps, minlength=bins)
        self._pixels += score.size

    def expected_calibration_error(self) -> float:
        """Return the mean gap between score and accuracy, weighted by pixels; NaN if none."""
        return float(np.abs(self._gaps).sum() / self._pixels) if self._pixels else float("nan")


class Rejection:
    """What a threshold on the winning score rejects, added up over photos.

    Rightly it rejects pixels of a class that was left out of the vocabulary, falsely those that
    have their right class.
    """

    def __init__(self, bins: int = REJECTION_BINS) -> None:
        self._left_out = np.zeros(bins, dtype=np.int64)
        self._right = np.zeros(bins, dtype=np.int64)

    def add_left_out(self, scores: np.ndarray) -> None:
        """Add the winning scores, in 0 ... 1, of pixels whose class isn't in the vocabulary."""
        self._left_out += self._count(scores)

    def add_right(self, scores: np.ndarray) -> None:
        """Add the winning scores, in 0 ... 1, of pixels that were given their class."""
        self._right += self._count(scores)

    def true_rate(self, threshold: float) -> float:
        """Return the share of left-out pixels that score less; NaN if there are none."""
        return self._below(self._left_out, threshold)

    def false_rate(self, threshold: float) -> float:
        """Return the share of right pixels that score less; NaN if there are none."""
        return self._below(self._right, threshold)

    def _count(self, scores: np.ndarray) -> np.ndarray:
        bins = len(self._right)
        index = np.minimum((np.asarray(scores, np.float64) * bins).astype(np.int64), bins - 1)
        return np.bincount(index.ravel(), minlength=bins)

    def _below(self, counts: np.ndarray, threshold: float) -> float:
        total = counts.sum()
        return float(counts[: round(threshold * len(counts))].sum() / total) if total else np.nan


def leave_one_out(
    text: Tensor, label: np.ndarray, rng: np.random.Generator
) -> tuple[int, Tensor] | None:
    """Draw a class that a photo shows, and take it out of the vocabulary.

    Args:
        text: Embeddings of the vocabulary, (T, C).
        label: (H, W) int; class of each pixel, -1 for pixels that don't count.
        rng: Draws the class.

    Returns:
        The class and the embeddings of the others (T - 1, C), in their order; None if the photo
        shows none or there are no others.
    """
    present = np.unique(label[label >= 0])
    if not present.size or len(text) < 2:
        return None
    left_out = int(rng.choice(present))
    return left_out, torch.cat((text[:left_out], text[left_out + 1 :]))
