"""ESCF, efficient semantic context fusion: SFM over space, CFM over classes.

Tokens stay channels-last, (B, P, h, w, C), from the cost embedding to the decoder.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from errseg.config import HeadConfig
from errseg.network.attention import Recorder
from errseg.network.layers import SplitConv2d, SplitLinear, StarFeedForward, attend, resize

CLASSES_AT_ONCE = 4
"""Kept classes that SFM and GUD work on at once outside training, so that temporaries stay in
the processor's cache; measured with ``python -m errseg benchmark``."""


def class_groups(tokens: Tensor) -> Iterator[Tensor]:
    """Split (B, P, ...) into groups of kept classes where nothing needs a gradient."""
    group = tokens.shape[1] if torch.is_grad_enabled() else CLASSES_AT_ONCE
    return iter(tokens.split(group, dim=1))


def _drop_path(share: float) -> nn.Module:
    from timm.layers import DropPath  # takes a second, when a network is built and not before

    return DropPath(share)


class SpatialAttention(nn.Module):
    """SFM's attention over one class's pixels, keys and values reduced by SSR.

    Queries and keys see [tokens, image guidance], values see the tokens only.
    """

    def __init__(self, config: HeadConfig):
        super().__init__()
        width, guidance = config.width, config.width if config.image_guidance else 0
        step = config.spatial_reduction
        self.heads = config.heads
        self.query = SplitLinear(width + guidance, width)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)
        if step > 1:
            self.key = nn.Linear(width + guidance, width)
            self.reduce_key = SplitConv2d(width + guidance, width + guidance, step, step)
            self.norm_key = nn.LayerNorm(width + guidance)
            self.reduce_value = nn.Conv2d(width, width, step, step)
            self.norm_value = nn.LayerNorm(width)
        else:
            self.key = SplitLinear(width + guidance, width)
            self.reduce_key = None

    def guidance(self, guidance: Tensor | None) -> tuple[Tensor, Tensor]:
        """Do what depends on the image alone: guidance (B, h, w, C) -> its query and key halves."""
        query = self.query.guidance(guidance)
        if self.reduce_key is None:
            return query, self.key.guidance(guidance)
        if guidance is None:
            return query, self.reduce_key.bias
        key = self.reduce_key.guidance(guidance.permute(0, 3, 1, 2))
        return query, key.permute(0, 2, 3, 1)

    def forward(
        self,
        tokens: Tensor,
        guidance: tuple[Tensor, Tensor],
        recorder: Recorder | None = None,
    ) -> Tensor:
        """Attend within each class: tokens (B, P, h, w, C) -> the same shape.

        ``guidance`` is what `guidance` returned, (B, h, w, ...) or a bias, without the class axis.
        """
        query_guidance, key_guidance = (
            part[:, None] if part.ndim > 1 else part for part in guidance
        )
        query = self.query(tokens, query_guidance)
        if self.reduce_key is None:
            key, value = self.key(tokens, key_guidance), self.value(tokens)
        else:
            maps = tokens.flatten(0, 1).permute(0, 3, 1, 2)  # (B P, C, h, w), a view
            batch = tokens.shape[:2]
            key = self.reduce_key(maps).permute(0, 2, 3, 1).unflatten(0, batch) + key_guidance
            key = self.key(self.norm_key(key))
            value = self.reduce_value(maps).permute(0, 2, 3, 1)
            value = self.value(self.norm_value(value))
        count = tokens.shape[:2].numel()
        source_grid = key.shape[-3:-1]
        # (B, P, h, w, C) -> (B P, h w, C)
        query, key, value = (x.reshape(count, -1, x.shape[-1]) for x in (query, key, value))
        if recorder is not None:
            first = slice(0, tokens.shape[1])  # the first photo's classes
            grid = tokens.shape[2:4]
            recorder.record_spatial(
                query[first].unflatten(1, grid), key[first], self.heads, source_grid
            )
        out = attend(query, key, value, self.heads)
        return self.out(out).view(tokens.shape)


class SFM(nn.Module):
    """Spatial-level fusion module: every class attends over its own pixels."""

    def __init__(self, config: HeadConfig, drop_path: float):
        super().__init__()
        width, kernel = config.width, config.mix_kernel
        self.norm1 = nn.LayerNorm(width)
        self.attention = SpatialAttention(config)
        self.norm2 = nn.LayerNorm(width)
        self.feed_forward = StarFeedForward(width, config.feed_forward, config.star)
        self.mix = nn.Conv2d(width, width, kernel, padding=kernel // 2, groups=width)
        self.drop_path = _drop_path(drop_path)

    def forward(
        self, tokens: Tensor, guidance: Tensor | None, recorder: Recorder | None = None
    ) -> Tensor:
        """Fuse over space: tokens (B, P, h, w, C), guidance (B, h, w, C) -> tokens."""
        shared = self.attention.guidance(guidance)
        groups = [self._block(group, shared, recorder) for group in class_groups(tokens)]
        return torch.cat(groups, dim=1)

    def _block(
        self, tokens: Tensor, guidance: tuple[Tensor, Tensor], recorder: Recorder | None
    ) -> Tensor:
        # A recorder is not for what may be compiled: each of its pixels would be compiled anew.
        attention = self.attention if recorder is None else self.attention.forward
        tokens = tokens + self._drop(attention(self.norm1(tokens), guidance, recorder))
        hidden = self.feed_forward(self.norm2(tokens))
        maps = hidden.flatten(0, 1).permute(0, 3, 1, 2)  # (B P, C, h, w), a view
        mixed = self.mix(maps).permute(0, 2, 3, 1).view(tokens.shape)
        return tokens + self._drop(mixed)

    def _drop(self, branch: Tensor) -> Tensor:
        """Drop the branch per class, as the published code's (B P, ...) layout does."""
        return self.drop_path(branch.flatten(0, 1)).view(branch.shape)


class ClassAttention(nn.Module):
    """CFM's attention over one pixel's kept classes.

    Queries and keys see [tokens, text guidance], values see the tokens only.
    """

    def __init__(self, config: HeadConfig):
        super().__init__()
        width, guidance = config.width, config.width if config.text_guidance else 0
        self.heads = config.heads
        self.query = SplitLinear(width + guidance, width)
        self.key = SplitLinear(width + guidance, width)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def project(self, tokens: Tensor, guidance: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return queries and keys (B, N, P, C) of tokens (B, N, P, C), guidance (B, P, C)."""
        query_guidance, key_guidance = (
            part[:, None] if part.ndim > 1 else part
            for part in (self.query.guidance(guidance), self.key.guidance(guidance))
        )
        return self.query(tokens, query_guidance), self.key(tokens, key_guidance)

    def forward(self, tokens: Tensor, query: Tensor, key: Tensor) -> Tensor:
        """Attend over classes: tokens (B, N, P, C) with what `project` returned -> tokens."""
        query, key, value = (x.flatten(0, 1) for x in (query, key, self.value(tokens)))
        return self.out(attend(query, key, value, self.heads)).view(tokens.shape)


class CFM(nn.Module):
    """Class-level fusion module: every pixel attends over the kept classes, reduced by CSR."""

    def __init__(self, config: HeadConfig, drop_path: float):
        super().__init__()
        self.reduction = config.class_reduction
        self.norm1 = nn.LayerNorm(config.width)
        self.attention = ClassAttention(config)
        self.norm2 = nn.LayerNorm(config.width)
        self.feed_forward = StarFeedForward(config.width, config.feed_forward, config.star)
        self.drop_path = _drop_path(drop_path)

    def forward(
        self, tokens: Tensor, guidance: Tensor | None, recorder: Recorder | None = None
    ) -> Tensor:
        """Fuse over classes: tokens (B, P, h, w, C), guidance (B, P, C) -> tokens."""
        batch, classes, *grid, _ = tokens.shape
        maps = tokens.flatten(0, 1).permute(0, 3, 1, 2)  # (B P, C, h, w), a view
        pooled = F.avg_pool2d(maps, self.reduction)
        reduced_grid = pooled.shape[-2:]
        # (B P, C, h', w') -> (B, h' w', P, C)
        pixels = pooled.unflatten(0, (batch, classes)).flatten(3).permute(0, 3, 1, 2)
        normed = self.norm1(pixels)
        query, key = self.attention.project(normed, guidance)
        if recorder is not None:
            recorder.record_classes(
                query[0], key[0], self.attention.heads, reduced_grid, self.reduction
            )
        pixels = pixels + self._drop(self.attention(normed, query, key))
        pixels = pixels + self._drop(F.relu6(self.feed_forward(self.norm2(pixels))))
        # (B, h' w', P, C) -> (B, P, h' w', C) -> (B P, C, h', w'), channels last in memory
        fused = pixels.transpose(1, 2).flatten(0, 1).contiguous()
        fused = fused.unflatten(1, reduced_grid).permute(0, 3, 1, 2)
        fused = resize(fused, tuple(grid), align_corners=True)
        return fused.permute(0, 2, 3, 1).view(tokens.shape).add_(tokens)

    def _drop(self, branch: Tensor) -> Tensor:
        """Drop the branch per pixel, as the published code's (B h w, ...) layout does."""
        return self.drop_path(branch.flatten(0, 1)).view(branch.shape)


class ESCFLayer(nn.Module):
    """One layer of ESCF: SFM, then CFM."""

    def __init__(self, config: HeadConfig, drop_path: float):
        super().__init__()
        self.sfm = SFM(config, drop_path) if config.sfm else None
        self.cfm = CFM(config, drop_path) if config.cfm else None

    def over_space(
        self, tokens: Tensor, guidance: Tensor | None, recorder: Recorder | None = None
    ) -> Tensor:
        """Fuse tokens (B, P, h, w, C) with image guidance (B, h, w, C), every class by itself."""
        if recorder is not None:
            recorder.start_layer()
        return tokens if self.sfm is None else self.sfm(tokens, guidance, recorder)

    def over_classes(
        self, tokens: Tensor, guidance: Tensor | None, recorder: Recorder | None = None
    ) -> Tensor:
        """Fuse tokens (B, P, h, w, C) with text guidance (B, P, C), every pixel by itself."""
        return tokens if self.cfm is None else self.cfm(tokens, guidance, recorder)


class ESCF(nn.ModuleList):
    """All layers; drop path grows linearly from 0 to its last value.

    It can run in two parts: in `begin` no class knows of another yet, in `go_on` they meet.
    """

    def __init__(self, config: HeadConfig):
        last = max(config.layers - 1, 1)
        super().__init__(
            ESCFLayer(config, config.drop_path * layer / last) for layer in range(config.layers)
        )

    def forward(
        self,
        tokens: Tensor,
        image_guidance: Tensor | None,
        text_guidance: Tensor | None,
        recorder: Recorder | None = None,
    ) -> list[Tensor]:
        """Fuse tokens with guidance.

        Args:
            tokens: the embedded cost maps, (B, P, h, w, C).
            image_guidance: (B, h, w, C).
            text_guidance: (B, P, C).
            recorder: collects the attention, see `errseg.network.attention`.

        Returns:
            the tokens after each layer, the last ones for the decoder.
        """
        begun = self.begin(tokens, image_guidance, recorder)
        return self.go_on(begun, image_guidance, text_guidance, recorder)

    def begin(
        self, tokens: Tensor, image_guidance: Tensor | None, recorder: Recorder | None = None
    ) -> Tensor:
        """Apply the first layer's SFM: arguments and result as those of a call."""
        return self[0].over_space(tokens, image_guidance, recorder)

    def go_on(
        self,
        tokens: Tensor,
        image_guidance: Tensor | None,
        text_guidance: Tensor | None,
        recorder: Recorder | None = None,
    ) -> list[Tensor]:
        """Apply all that follows `begin`, to what it returned."""
        stages = []
        for layer in self:
            if stages:
                tokens = layer.over_space(tokens, image_guidance, recorder)
            tokens = layer.over_classes(tokens, text_guidance, recorder)
            stages.append(tokens)
        return stages
