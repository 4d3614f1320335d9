"""Measures of a segmentation: intersection over union, accuracy, calibration."""

from dataclasses import dataclass

import numpy as np

__all__ = ["CalibrationError", "ConfusionMatrix", "Rejection", "Reliability"]

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

    @property
    def num_classes(self) -> int:
        """How many classes are told apart, T."""
        return self.counts.shape[0]

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
        total = self.num_classes
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
        predicted = self.counts[:, : self.num_classes].sum(axis=0)
        union = labelled + predicted - hits
        return np.divide(hits, union, out=np.full_like(hits, np.nan), where=labelled > 0)

    def miou(self) -> float:
        """Return the mean IoU over the classes that occur in the labels; NaN if none does."""
        values = self.iou()
        occurring = values[~np.isnan(values)]
        return float(occurring.mean()) if occurring.size else float("nan")

    def pixel_accuracy(self) -> float:
        """Return the share of labelled pixels that got their class; NaN if there are none."""
        total = self.counts.sum()
        return float(np.trace(self.counts) / total) if total else float("nan")


@dataclass(frozen=True)
class Reliability:
    """How often the pixels of each score bin were right; each (bins,)."""

    confidence: np.ndarray  # mean score of the bin's pixels, NaN for an empty bin
    accuracy: np.ndarray  # share of them that were right, NaN for an empty bin
    count: np.ndarray  # how many they are


class CalibrationError:
    """Winning scores against correctness, added up over photos in bins of equal width."""

    def __init__(self, bins: int = RELIABILITY_BINS) -> None:
        if bins < 1:
            raise ValueError(f"bins must be at least 1, got {bins}")
        self._count = np.zeros(bins, dtype=np.int64)
        self._right = np.zeros(bins, dtype=np.int64)
        self._score = np.zeros(bins, dtype=np.float64)

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
        bins = len(self._count)
        index = np.minimum((score * bins).astype(np.int64), bins - 1)
        self._count += np.bincount(index, minlength=bins)
        right = (predicted[counted] == label[counted]).astype(np.float64)
        self._right += np.bincount(index, weights=right, minlength=bins).astype(np.int64)
        self._score += np.bincount(index, weights=score, minlength=bins)

    def reliability(self) -> Reliability:
        """Return mean score, accuracy and pixel count per bin."""
        filled = self._count > 0
        empty = np.full(len(self._count), np.nan)
        confidence = np.divide(self._score, self._count, out=empty.copy(), where=filled)
        accuracy = np.divide(self._right, self._count, out=empty.copy(), where=filled)
        return Reliability(confidence, accuracy, self._count.copy())

    def expected_calibration_error(self) -> float:
        """Return the mean gap between score and accuracy, weighted by pixels; NaN if none."""
        total = self._count.sum()
        if not total:
            return float("nan")
        return float(np.abs(self._score - self._right).sum() / total)


class Rejection:
    """What a threshold on the winning score refuses, added up over photos.

    Wanted are pixels of a class that was left out of the vocabulary, unwanted those that have
    their right class.
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

    def refused(self, threshold: float) -> float:
        """Return the share of left-out pixels that score less; NaN if there are none."""
        return self._below(self._left_out, threshold)

    def lost(self, threshold: float) -> float:
        """Return the share of right pixels that score less; NaN if there are none."""
        return self._below(self._right, threshold)

    def threshold(self, lost: float) -> float:
        """Return the highest threshold that loses at most this share of the right pixels."""
        total = self._right.sum()
        below = np.concatenate([[0], np.cumsum(self._right)]) / max(total, 1)
        return float(np.flatnonzero(below <= lost)[-1] / len(self._right))

    def _count(self, scores: np.ndarray) -> np.ndarray:
        bins = len(self._right)
        index = np.minimum((np.asarray(scores, np.float64) * bins).astype(np.int64), bins - 1)
        return np.bincount(index.ravel(), minlength=bins)

    def _below(self, counts: np.ndarray, threshold: float) -> float:
        total = counts.sum()
        return float(counts[: round(threshold * len(counts))].sum() / total) if total else np.nan
