"""errseg-lite's losses over the pixels whose label decides a class.

Each is a mean over what counts. Where several processes share a batch, ``mean`` averages a number
over them, so that the mean of their losses is that of the whole batch.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

CONFIDENT = 0.85
"""Cosine of ConSE's embedding to the nearest ImageNet name from which on the classifier is taken to
be confident."""


def pixel_weights(label: Tensor, power: float) -> Tensor:
    """Weigh a crop's pixels so that small classes count: (h, w), 1 on average.

    The power is of a value's inverse frequency: 0 weighs every pixel alike, 1 gives every value of
    the label, `BACKGROUND` and `IGNORE` included, the same sum.
    """
    _, places, counts = label.unique(return_inverse=True, return_counts=True)
    weights = counts.float().pow(-power)[places]
    return weights / weights.mean()


def alone(number: Tensor) -> Tensor:
    """Average a number over one process."""
    return number


def binary_loss(
    logits: Tensor,
    target: Tensor,
    valid: Tensor,
    weights: Tensor,
    positive_weight: float,
    mean: Callable[[Tensor], Tensor] = alone,
) -> Tensor:
    """Binary cross-entropy of every class a pixel's label decides.

    Logits, targets (1 where the class is right; several can be: synonyms, wholes) and what is valid
    (bool; undecided classes take no part) are (B, P, h, w), the pixels' weights (B, h, w); right
    classes have a weight of their own. The weighted mean over what is valid; 0 if nothing is.
    """
    positive = torch.tensor(positive_weight, device=logits.device)
    loss = F.binary_cross_entropy_with_logits(logits, target, reduction="none", pos_weight=positive)
    counted = valid * weights[:, None]
    return (loss * counted).sum() / mean(counted.sum()).clamp(min=1)


def ranking_loss(
    logits: Tensor,
    target: Tensor,
    valid: Tensor,
    weights: Tensor,
    mean: Callable[[Tensor], Tensor] = alone,
) -> Tensor:
    """Cross-entropy of each right class of a pixel against all its wrong ones.

    Right classes don't compete: were it enough that any of them wins, a dog that is called an
    animal would never have to be told from a cat.

    The arguments are those of `binary_loss`.

    Returns:
        The weighted mean over the pixels that have both a right and a wrong class, of the mean
        over their right classes; 0 if none has.
    """
    right, wrong = valid & (target > 0), valid & (target == 0)
    counted = right.any(dim=1) & wrong.any(dim=1)  # (B, h, w)
    pixels = counted.nonzero(as_tuple=True)
    total = mean(weights[pixels].sum())
    if not pixels[0].numel():
        return logits.sum() * 0.0
    logits, right, wrong = (x.movedim(1, -1)[pixels] for x in (logits, right, wrong))  # (pixels, P)
    against = logits.masked_fill(~wrong, -torch.inf).logsumexp(dim=-1, keepdim=True)
    loss = (F.softplus(against - logits) * right).sum(dim=-1) / right.sum(dim=-1)
    return (loss * weights[pixels]).sum() / total


def anchor_loss(
    dense16: Tensor,
    dense32: Tensor,
    names: Tensor,
    unknown: Tensor,
    mean: Callable[[Tensor], Tensor] = alone,
) -> Tensor:
    """Hold lite's pixel embeddings at ConSE's where no label speaks and ImageNet is confident.

    Else the residual, which only ever sees labelled things, calls a zebra what it has seen most.
    The embeddings of pixels (B, C, h, w), ConSE's own (B, C, h / 2, w / 2) and ImageNet's names
    (1000, C) are L2-normalised; ``unknown`` (B, h, w) are the pixels without a label.

    Returns:
        The mean of 1 - cosine over those pixels; 0 if there are none.
    """
    taught = dense32.detach()
    confident = torch.einsum("bchw,nc->bnhw", taught, names).amax(dim=1) > CONFIDENT
    size = dense16.shape[-2:]
    counted = unknown & (F.interpolate(confident[:, None].float(), size)[:, 0] > 0)
    taught = F.interpolate(taught, size)  # nearest
    away = 1 - (dense16 * taught).sum(dim=1)
    return (away * counted).sum() / mean(counted.sum()).clamp(min=1)
