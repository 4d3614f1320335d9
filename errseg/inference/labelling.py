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
    A class is compared only in the box around the cells where it may win, which changes nothing: a
    resized score lies between the least and the greatest of the grid's cells around it.

    Args:
        logits: of the kept classes, (P, h, w).
        kept: (P,) their indices, ascending.
        size: the photo's H, W.

    Returns:
        labels (H, W) int32 and scores (H, W) float32.
    """
    scores = logits.float().sigmoid()  # (P, h, w)
    least, greatest = -_around(-scores), _around(scores)
    can_win = greatest >= least.amax(dim=0)
    best = torch.full(size, -1.0, device=scores.device)
    labels = torch.full(size, -1, dtype=torch.int32, device=scores.device)
    classes = kept.tolist()  # once: to read one of a GPU's numbers is to wait for it
    rows, columns = _spans(can_win.any(dim=2), size[0]), _spans(can_win.any(dim=1), size[1])
    cells = scores.shape[1]
    above, below, share = (part.to(scores.device) for part in _rows_between(cells, size[0]))
    for place, box in enumerate(zip(rows, columns, strict=True)):
        if None in box:
            continue
        inside, across = box
        # To all of the photo's columns, but to its rows in the box alone.
        own = scores[place][None, None]
        wide = F.interpolate(own, size=(cells, size[1]), mode="bilinear")[0, 0, :, across]
        far = share[inside]
        resized = torch.addcmul(wide[below[inside]].mul_(far), wide[above[inside]], 1 - far)
        before = best[box]
        better = resized > before  # strict: ties stay with the lower index
        torch.maximum(before, resized, out=before)
        labels[box].masked_fill_(better, classes[place])
    return labels.cpu().numpy(), best.cpu().numpy()


def _around(scores: Tensor) -> Tensor:
    """Find the greatest score (P, h, w) of 3 x 3 cells around each; a fifth of pooling's time."""
    rows = scores.clone()
    torch.maximum(rows[:, 1:], scores[:, :-1], out=rows[:, 1:])
    torch.maximum(rows[:, :-1], scores[:, 1:], out=rows[:, :-1])
    greatest = rows.clone()
    torch.maximum(greatest[..., 1:], rows[..., :-1], out=greatest[..., 1:])
    torch.maximum(greatest[..., :-1], rows[..., 1:], out=greatest[..., :-1])
    return greatest


def _rows_between(cells: int, pixels: int) -> tuple[Tensor, Tensor, Tensor]:
    """Say of each of a side's pixels between which two of its cells' centres it lies.

    The numbers are those of `F.interpolate`, to the last bit.

    Returns:
        the two cells (pixels,), and how far it is from the first to the second (pixels, 1).
    """
    scale = (torch.tensor(float(cells)) / pixels).item()  # of 32 bits, as the next sum's result
    places = torch.arange(pixels, dtype=torch.float64)
    places = ((places + 0.5) * scale - 0.5).float().clamp(min=0)
    first = places.long()
    return first, (first + 1).clamp(max=cells - 1), (places - first)[:, None]


def _spans(cells: Tensor, pixels: int) -> list[slice | None]:
    """Find the pixels of a side that lie in its cells from the first to the last that are set.

    Args:
        cells: (P, cells of the side) of bools.
        pixels: of the whole side.

    Returns:
        P spans, None where no cell is set.
    """
    count = cells.shape[1]
    spans = []
    for own in cells.cpu().numpy():
        (places,) = own.nonzero()
        first, end = (places[0], places[-1] + 1) if len(places) else (0, 0)
        span = slice(first * pixels // count, -(-end * pixels // count))
        spans.append(span if end else None)
    return spans


def check_threshold(threshold: float) -> None:
    """Refuse a threshold outside [0, 1] with an `InputError`."""
    if not 0 <= threshold <= 1:
        raise InputError(f"The threshold must lie between 0 and 1, not {threshold}.")
