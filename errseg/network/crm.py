"""CRM, channel reduction module: which P classes matter in this image. It has no weights.

Votes are counted as integers and ties are broken to the lower class index, so the choice is exact
and the same on every device and in every batch.
"""

import torch
from torch import Tensor

from errseg.errors import InputError

RANKED_AT_ONCE = 256
"""Classes whose cost maps exist at one time, which bounds memory for any vocabulary."""
LAST_CLASS = 2**31 - 1
"""Class indices are counted down from here, so that among equals the lowest is the greatest."""


@torch.no_grad()
def rank_vocabulary(dense: Tensor, text: Tensor, votes_per_pixel: int) -> Tensor:
    """Find each pixel's top K classes in a vocabulary of any size, in bounded memory.

    Stride-16 pixel embeddings (B, C, h, w) and text embeddings (T, C) give (B, min(K, T), h, w)
    int64 class indices, best first, ties to the lower one.

    Raises:
        InputError: K is smaller than 1.
    """
    if votes_per_pixel < 1:
        raise InputError(f"Votes per pixel (K) must be at least 1, not {votes_per_pixel}.")
    best, first = None, 0
    for chunk in text.split(RANKED_AT_ONCE):
        keys = _ordered_keys(torch.einsum("bchw,tc->bthw", dense, chunk), first)
        keys = keys if best is None else torch.cat([best, keys], dim=1)
        best = keys.topk(min(votes_per_pixel, keys.shape[1]), dim=1).values
        first += len(chunk)
    return LAST_CLASS - (best & LAST_CLASS)


def count_votes(ranking: Tensor, classes: int) -> Tensor:
    """Count at how many pixels each class has each rank: (B, K, h, w) -> (B, T, K) int64."""
    batch, ranks = ranking.shape[:2]
    slots = ranking.flatten(2) * ranks + torch.arange(ranks, device=ranking.device)[:, None]
    votes = torch.zeros(batch, classes * ranks, dtype=torch.int64, device=ranking.device)
    votes.scatter_add_(1, slots.flatten(1), torch.ones_like(slots).flatten(1))
    return votes.unflatten(1, (classes, ranks))


def score_votes(votes: Tensor, beta: float) -> Tensor:
    """Score every class, the sum over its votes of ``beta ** rank``: (B, T, K) -> (B, T) float32.

    Raises:
        InputError: beta lies outside [0, 1].
    """
    if not 0 <= beta <= 1:
        raise InputError(f"The score coefficient beta must lie in [0, 1], not {beta}.")
    # In float64 the sums are exact enough that equal votes give equal scores on every device. No
    # GPU waits for them: the weights are numbers of the program, not a tensor that is sent there.
    exact = votes if votes.device.type != "mps" else votes.cpu()  # Apple's GPUs have no float64
    scores = exact.new_zeros(exact.shape[:2], dtype=torch.float64)
    for rank, ranked in enumerate(exact.unbind(dim=2)):
        scores += beta**rank * ranked.double()
    return scores.float().to(votes.device)


def select_classes(scores: Tensor, kept_classes: int, always: Tensor | None = None) -> Tensor:
    """Keep the P classes with the best scores (B, T), ties to the lower index.

    Those that are ``always`` kept, (B, T) bool, come first whatever their score (in training the
    classes present in the ground truth).

    Returns:
        (B, min(P, T)) ascending class indices.

    Raises:
        InputError: P is smaller than 1.
    """
    if kept_classes < 1:
        raise InputError(f"Kept classes (P) must be at least 1, not {kept_classes}.")
    if always is not None:
        scores = scores.masked_fill(always, torch.inf)
    order = scores.sort(dim=1, descending=True, stable=True).indices
    return order[:, : min(kept_classes, scores.shape[1])].sort(dim=1).values


def _ordered_keys(cost: Tensor, first: int) -> Tensor:
    """Give every class (dim 1) a distinct integer that sorts by cost, then by lower index.

    `torch.topk` leaves the order of ties open, so the cost's bits, made order-preserving, fill the
    upper half of an int64 and the class index, counted down from `LAST_CLASS`, the lower half.
    """
    bits = (cost.float() + 0.0).view(torch.int32)  # adding 0 turns -0.0 into 0.0
    ordered = torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits).long()
    index = torch.arange(first, first + cost.shape[1], device=cost.device)
    return (ordered << 32) + (LAST_CLASS - index).view(-1, *[1] * (cost.ndim - 2))
