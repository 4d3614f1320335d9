"""The pieces that SFM, CFM and GUD share: attention, star feed-forward, split projections."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from errseg.network.fused import through

WEIGHTS_AT_ONCE = 2_500_000
"""Attention weights that are held at once in bfloat16 on a CPU, 5 MB; measured with
``python -m errseg benchmark``."""

CLASSES_AT_ONCE = 4
"""Kept classes that SFM and GUD work on at once on a CPU outside training, so that temporaries stay
in the processor's cache; measured with ``python -m errseg benchmark``."""
BYTES_AT_ONCE = 64 * 2**20
"""Bytes of tokens that they work on at once elsewhere: those of all P classes that CRM keeps, but
not of a whole vocabulary (P = T). Temporaries take some twelve times as much."""


def class_groups(tokens: Tensor, at_once: int | None = None) -> Iterator[Tensor]:
    """Split (B, P, ...) into groups of kept classes where nothing needs a gradient.

    Args:
        tokens: to split.
        at_once: classes of a group; None for as many as suit the device.
    """
    if torch.is_grad_enabled():
        at_once = tokens.shape[1]
    elif at_once is None:
        on_cpu = tokens.device.type == "cpu"
        at_once = CLASSES_AT_ONCE if on_cpu else max(1, BYTES_AT_ONCE // tokens[:, :1].nbytes)
    return iter(tokens.split(at_once, dim=1))


def add(branch: Tensor, tokens: Tensor, into: Tensor | None = None) -> Tensor:
    """Add tokens to what was just computed of them, where nothing learns in memory that is there.

    Args:
        branch: what was computed; it is changed unless there is ``into``.
        tokens: what is added.
        into: takes the sum, where nothing learns.
    """
    if torch.is_grad_enabled():
        return branch + tokens
    if into is None:
        return branch.add_(tokens)
    if into.is_contiguous():
        return torch.add(branch, tokens, out=into)
    return into.copy_(branch.add_(tokens))  # of a batch; torch's compiler takes no other


def resize(maps: Tensor, size: tuple[int, int], align_corners: bool = False) -> Tensor:
    """Resize maps (N, C, h, w) bilinearly to ``size`` (h, w); a no-op where they have it."""
    if maps.shape[-2:] == size:
        return maps
    return F.interpolate(maps, size=size, mode="bilinear", align_corners=align_corners)


class SplitLinear(nn.Linear):
    """A linear layer over [tokens, guidance] that never concatenates them.

    ``W [x, g] + b = W_x x + (W_g g + b)``: the guidance half is the same for every class (image
    guidance) or every pixel (text guidance), so it is computed once and broadcast.
    """

    def guidance(self, guidance: Tensor | None) -> Tensor | None:
        """Project guidance (..., G): the part of the output that does not depend on the tokens."""
        if guidance is None:
            return self.bias
        return F.linear(guidance, self.weight[:, -guidance.shape[-1] :], self.bias)

    def forward(self, tokens: Tensor, guidance: Tensor | None) -> Tensor:
        """Project tokens (..., C) and add what `guidance` returned, broadcast over them."""
        return add(F.linear(tokens, self.weight[:, : tokens.shape[-1]]), guidance)


class SplitConv2d(nn.Conv2d):
    """A convolution over [maps, guidance] that never concatenates them; see `SplitLinear`."""

    def guidance(self, guidance: Tensor) -> Tensor:
        """Convolve guidance (B, G, h, w): the part of the output without the maps."""
        return self._conv_forward(guidance, self.weight[:, -guidance.shape[1] :], self.bias)

    def forward(self, maps: Tensor) -> Tensor:
        """Convolve maps (N, C, h, w) without bias; the guidance part is to be added."""
        return self._conv_forward(maps, self.weight[:, : maps.shape[1]], None)


def attend(query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
    """Attend in heads that part C: (N, tokens, C) over (N, sources, C) -> (N, tokens, C)."""
    # (N, tokens, C) -> (N, heads, tokens, C / heads)
    query, key, value = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (query, key, value))
    on_cpu = query.device.type == "cpu" and query.dtype == torch.bfloat16
    fused = F.scaled_dot_product_attention
    out = (_attend_in_parts if on_cpu and not torch.is_grad_enabled() else fused)(query, key, value)
    return out.transpose(1, 2).flatten(2)


def _attend_in_parts(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attend as two matrix products, a few rows at a time and in the same memory.

    torch's fused attention doesn't use a CPU's bfloat16 instructions: this takes two thirds of
    its time. Shapes are those of `F.scaled_dot_product_attention`.
    """
    query = query * query.shape[-1] ** -0.5
    grid = (*query.shape[1:-1], key.shape[-2])  # heads, tokens, sources
    rows = max(1, WEIGHTS_AT_ONCE // math.prod(grid))
    scores, out = query.new_empty(rows, *grid), torch.empty_like(query)
    weights = torch.empty_like(scores)
    for q, k, v, into in zip(*(x.split(rows) for x in (query, key, value, out)), strict=True):
        part = slice(0, len(q))
        torch.matmul(q, k.transpose(-2, -1), out=scores[part])
        torch.softmax(scores[part], dim=-1, out=weights[part])
        into.copy_(weights[part] @ v)
    return out


class StarFeedForward(nn.Module):
    """The paper's star operation: ``W3 (ReLU6(W1 x) * (W2 x))``.

    Args:
        width: channels in and out.
        hidden: channels of the product.
        star: without it ``W3 ReLU6(W1 x)`` (ablation).
    """

    def __init__(self, width: int, hidden: int, star: bool = True):
        super().__init__()
        self.gate = nn.Linear(width, hidden)
        self.content = nn.Linear(width, hidden) if star else None
        self.out = nn.Linear(hidden, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens (..., C) to (..., C)."""
        gated = through(self.gate, tokens, relu6=True)
        if self.content is not None:
            gated = through(self.content, tokens, times=gated)
        return through(self.out, gated)
