"""From logits to a label for every pixel of the photo."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from errseg.errors import InputError


def label_pixels(
    logits: Tensor, kept: Tensor, size: tuple[int, int], threshold: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Label every pixel of a photo with its best class, if its score reaches a threshold.

    Args:
        logits: see `best_labels`.
        kept: likewise.
        size: likewise.
        threshold: in [0, 1]; pixels whose best score is below it are labelled -1.

    Returns:
        labels (H, W) int64 and scores (H, W) float32.
    """
    labels, scores = best_labels(logits, kept, size)
    return over_threshold(labels, scores, threshold), scores


def over_threshold(labels: np.ndarray, scores: np.ndarray, threshold: float) -> np.ndarray:
    """Label pixels -1 whose score (H, W) float32 is below a threshold in [0, 1]; a copy, int64."""
    # In the scores' own precision, so that a pixel at the threshold reaches it.
    return np.where(scores < np.float32(threshold), -1, labels).astype(np.int64, copy=False)


def best_labels(
    logits: Tensor, kept: Tensor, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Label every pixel of a photo with its best class, however low its score.

    The scores are resized (bilinear) to the photo, then compared, as the published evaluation does.
    Classes that can't win anywhere are left out first, which changes nothing: a resized score lies
    between the least and the greatest of the grid's cells around it.

    Args:
        logits: of the kept classes, (P, h, w).
        kept: (P,) their indices, ascending.
        size: the photo's H, W.

    Returns:
        labels (H, W) int32 and scores (H, W) float32.
    """
    scores = logits.float().sigmoid()  # (P, h, w)
    least = -F.max_pool2d(-scores[None], 3, stride=1, padding=1)[0]
    greatest = F.max_pool2d(scores[None], 3, stride=1, padding=1)[0]
    can_win = (greatest >= least.amax(dim=0)).flatten(1).any(dim=1)
    best = torch.full(size, -1.0, device=scores.device)
    labels = torch.full(size, -1, dtype=torch.int32, device=scores.device)
    classes = kept.tolist()  # once: to read one of a GPU's numbers is to wait for it
    for place in can_win.nonzero()[:, 0].tolist():
        resized = F.interpolate(scores[place][None, None], size=size, mode="bilinear")[0, 0]
        better = resized > best  # strict: ties stay with the lower index
        torch.maximum(best, resized, out=best)
        labels.masked_fill_(better, classes[place])
    return labels.cpu().numpy(), best.cpu().numpy()


def check_threshold(threshold: float) -> None:
    """Refuse a threshold outside [0, 1] with an `InputError`."""
    if not 0 <= threshold <= 1:
        raise InputError(f"The threshold must lie between 0 and 1, not {threshold}.")
