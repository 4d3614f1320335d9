"""ESCF, efficient semantic context fusion: SFM over space, CFM over classes.

Tokens stay channels-last, (B, P, h, w, C), from the cost embedding to the decoder.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from errseg.config import HeadConfig
from errseg.network.fused import through
from errseg.network.layers import (
    SplitConv2d,
    SplitLinear,
    StarFeedForward,
    add,
    attend,
    class_groups,
    resize,
)


def _drop_path(share: float) -> nn.Module:
    from timm.layers import DropPath  # takes a second, when a network is built and not before

    return DropPath(share)


class SpatialAttention(nn.Module):
    """SFM's attention over one class's pixels, keys and values reduced by SSR.

    Queries and keys see [tokens, image guidance], values see the tokens only.
    """

    def __init__(self, config: HeadConfig):
        super().__init__()
        width, seen = config.width, config.width * (2 if config.image_guidance else 1)
        step = config.spatial_reduction
        self.heads = config.heads
        self.query = SplitLinear(seen, width)
        self.value, self.out = nn.Linear(width, width), nn.Linear(width, width)
        self.key = (nn.Linear if step > 1 else SplitLinear)(seen, width)
        self.reduce_key = None
        if step > 1:
            self.reduce_key, self.norm_key = SplitConv2d(seen, seen, step, step), nn.LayerNorm(seen)
            self.reduce_value = nn.Conv2d(width, width, step, step)
            self.norm_value = nn.LayerNorm(width)

    def guidance(self, guidance: Tensor | None) -> tuple[Tensor, Tensor]:
        """Do what depends on the image alone: guidance (B, h, w, C) -> its query and key halves."""
        query = self.query.guidance(guidance)
        if self.reduce_key is None:
            return query, self.key.guidance(guidance)
        if guidance is None:
            return query, self.reduce_key.bias
        key = self.reduce_key.guidance(guidance.permute(0, 3, 1, 2))
        return query, key.permute(0, 2, 3, 1)

    def project(self, tokens: Tensor, guidance: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Return queries (B, P, h, w, C) and keys (B, P, h', w', C), on SSR's grid, of tokens.

        Args:
            tokens: (B, P, h, w, C), normalised.
            guidance: from `guidance`, (B, h, w, ...) or a bias, without the class axis.
        """
        query_guidance, key_guidance = (
            part[:, None] if part.ndim > 1 else part for part in guidance
        )
        query = self.query(tokens, query_guidance)
        if self.reduce_key is None:
            return query, self.key(tokens, key_guidance)
        reduced = add(self._reduced(self.reduce_key, tokens), key_guidance)
        return query, through(self.key, self.norm_key(reduced))

    def forward(self, tokens: Tensor, guidance: tuple[Tensor, Tensor]) -> Tensor:
        """Attend within each class; arguments as for `project`, returns the tokens' shape."""
        query, key = self.project(tokens, guidance)
        source = tokens
        if self.reduce_key is not None:
            source = self.norm_value(self._reduced(self.reduce_value, tokens))
        # (B, P, h, w, C) -> (B P, h w, C)
        parts = (x.flatten(0, 1).flatten(1, 2) for x in (query, key, through(self.value, source)))
        return through(self.out, attend(*parts, self.heads)).view(tokens.shape)

    @staticmethod
    def _reduced(convolution: nn.Module, tokens: Tensor) -> Tensor:
        """Apply one of SSR's convolutions: (B, P, h, w, C) -> (B, P, h', w', C)."""
        maps = tokens.flatten(0, 1).permute(0, 3, 1, 2)  # (B P, C, h, w), a view
        return convolution(maps).permute(0, 2, 3, 1).unflatten(0, tokens.shape[:2])


class SFM(nn.Module):
    """Spatial-level fusion module: every class attends over its own pixels."""

    classes_at_once: int | None = None  # see `class_groups`

    def __init__(self, config: HeadConfig, drop_path: float):
        super().__init__()
        width, kernel = config.width, config.mix_kernel
        self.norm1 = nn.LayerNorm(width)
        self.attention = SpatialAttention(config)
        self.norm2 = nn.LayerNorm(width)
        self.feed_forward = StarFeedForward(width, config.feed_forward, config.star)
        self.mix = nn.Conv2d(width, width, kernel, padding=kernel // 2, groups=width)
        self.drop_path = _drop_path(drop_path)

    def forward(self, tokens: Tensor, guidance: Tensor | None) -> Tensor:
        """Fuse over space: tokens (B, P, h, w, C), guidance (B, h, w, C) -> tokens."""
        shared = self.attention.guidance(guidance)
        if torch.is_grad_enabled():
            return self._block(tokens, shared)
        fused = torch.empty_like(tokens)  # by every group itself: no copy of them all
        groups = (class_groups(each, self.classes_at_once) for each in (tokens, fused))
        for group, into in zip(*groups, strict=True):
            self._block(group, shared, into)
        return fused

    def _block(
        self, tokens: Tensor, guidance: tuple[Tensor, Tensor], into: Tensor | None = None
    ) -> Tensor:
        tokens = add(self._drop(self.attention(self.norm1(tokens), guidance)), tokens)
        hidden = self.feed_forward(self.norm2(tokens))
        maps = hidden.flatten(0, 1).permute(0, 3, 1, 2)  # (B P, C, h, w), a view
        mixed = self.mix(maps).permute(0, 2, 3, 1).view(tokens.shape)
        return add(self._drop(mixed), tokens, into)

    def _drop(self, branch: Tensor) -> Tensor:
        """Drop the branch per class, as the published code's (B P, ...) layout does."""
        return self.drop_path(branch.flatten(0, 1)).view(branch.shape)


class ClassAttention(nn.Module):
    """CFM's attention over one pixel's kept classes.

    Queries and keys see [tokens, text guidance], values see the tokens only.
    """

    def __init__(self, config: HeadConfig):
        super().__init__()
        width, seen = config.width, config.width * (2 if config.text_guidance else 1)
        self.heads = config.heads
        self.query, self.key = SplitLinear(seen, width), SplitLinear(seen, width)
        self.value, self.out = nn.Linear(width, width), nn.Linear(width, width)

    def project(self, tokens: Tensor, guidance: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return queries and keys (B, N, P, C) of tokens (B, N, P, C), guidance (B, P, C)."""
        query_guidance, key_guidance = (
            part[:, None] if part.ndim > 1 else part
            for part in (self.query.guidance(guidance), self.key.guidance(guidance))
        )
        return self.query(tokens, query_guidance), self.key(tokens, key_guidance)

    def forward(self, tokens: Tensor, guidance: Tensor | None) -> Tensor:
        """Attend over classes; arguments as for `project`, returns the tokens' shape."""
        query, key = self.project(tokens, guidance)
        query, key, value = (x.flatten(0, 1) for x in (query, key, through(self.value, tokens)))
        return through(self.out, attend(query, key, value, self.heads)).view(tokens.shape)


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

    def forward(self, tokens: Tensor, guidance: Tensor | None) -> Tensor:
        """Fuse over classes: tokens (B, P, h, w, C), guidance (B, P, C) -> tokens."""
        pixels, reduced_grid = self.pool(tokens)
        grid = tokens.shape[2:4]
        pixels = add(self._drop(self.attention(self.norm1(pixels), guidance)), pixels)
        pixels = add(self._drop(F.relu6(self.feed_forward(self.norm2(pixels)))), pixels)
        # (B, h' w', P, C) -> (B, P, h' w', C) -> (B P, C, h', w'), channels last in memory
        fused = pixels.transpose(1, 2).flatten(0, 1).contiguous()
        fused = fused.unflatten(1, reduced_grid).permute(0, 3, 1, 2)
        fused = resize(fused, tuple(grid), align_corners=True)
        return fused.permute(0, 2, 3, 1).view(tokens.shape).add_(tokens)

    def pool(self, tokens: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """Pool tokens (B, P, h, w, C) by CSR: (B, h' w', P, C), and the grid h', w'."""
        maps = tokens.flatten(0, 1).permute(0, 3, 1, 2)  # (B P, C, h, w), a view
        pooled = F.avg_pool2d(maps, self.reduction)
        # (B P, C, h', w') -> (B, h' w', P, C)
        pixels = pooled.unflatten(0, tokens.shape[:2]).flatten(3).permute(0, 3, 1, 2)
        return pixels, tuple(pooled.shape[-2:])

    def _drop(self, branch: Tensor) -> Tensor:
        """Drop the branch per pixel, as the published code's (B h w, ...) layout does."""
        return self.drop_path(branch.flatten(0, 1)).view(branch.shape)


class Skipped(nn.Module):
    """Stands where the configuration leaves SFM or CFM out."""

    def forward(self, tokens: Tensor, guidance: Tensor | None) -> Tensor:
        """Return the tokens."""
        return tokens


class ESCFLayer(nn.Module):
    """One layer of ESCF: SFM, then CFM."""

    def __init__(self, config: HeadConfig, drop_path: float):
        super().__init__()
        self.sfm = SFM(config, drop_path) if config.sfm else Skipped()
        self.cfm = CFM(config, drop_path) if config.cfm else Skipped()


class ESCF(nn.ModuleList):
    """All layers; drop path grows linearly from 0 to its last value.

    In the first SFM no class knows of another yet, so it is called by itself (`alone`), and what a
    class comes to there can be remembered. From the first CFM on the classes meet.
    """

    def __init__(self, config: HeadConfig):
        last = max(config.layers - 1, 1)
        super().__init__(
            ESCFLayer(config, config.drop_path * layer / last) for layer in range(config.layers)
        )

    def alone(self, tokens: Tensor, image_guidance: Tensor | None) -> Tensor:
        """Apply the first SFM: embedded cost maps (B, P, h, w, C) -> tokens."""
        return self[0].sfm(tokens, image_guidance)

    def forward(
        self, tokens: Tensor, image_guidance: Tensor | None, text_guidance: Tensor | None
    ) -> Tensor:
        """Apply all that follows the first SFM, from `alone` to the decoder: (B, P, h, w, C).

        Image guidance is (B, h, w, C), text guidance (B, P, C).
        """
        first, *others = self
        tokens = first.cfm(tokens, text_guidance)
        for layer in others:
            tokens = layer.cfm(layer.sfm(tokens, image_guidance), text_guidance)
        return tokens
