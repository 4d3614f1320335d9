"""GUD, gradual upsampling decoder, and the image guidance that SFM and GUD see."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from errseg.config import HeadConfig
from errseg.network.escf import class_groups
from errseg.network.layers import SplitConv2d, resize

FEATURE_LIMIT = 16.0
"""Backbone features are clamped to [-16, 16] before they guide (published configuration)."""
NORM_CHANNELS = 8
"""Channels of one group in GUD's group normalisation (published configuration)."""


@dataclass(frozen=True)
class ImageGuidance:
    """What the image tells SFM and GUD, computed once per image."""

    spatial: Tensor | None  # (B, h16, w16, C) for SFM
    decoder: tuple[Tensor, ...]  # (B, 32, h16, w16), (B, 16, h8, w8), (B, 8, h4, w4) for GUD


class GuidanceProjection(nn.Module):
    """Project the backbone's features to image guidance (SFM) and decoder guidance (GUD)."""

    def __init__(self, widths: tuple[int, int, int, int], config: HeadConfig):
        super().__init__()
        stride4, stride8, stride16, stride32 = widths
        if config.sfm and config.image_guidance:
            self.spatial = nn.ModuleList(
                nn.Conv2d(channels, config.guidance_channels, 3, padding=1)
                for channels in (stride32, stride16)
            )
            self.fuse = nn.Conv2d(config.guidance_channels, config.width, 1)
        else:
            self.spatial = None
        self.decoder = nn.ModuleList(
            nn.Conv2d(channels, guidance, 3, padding=1)
            for channels, guidance in zip(
                (stride16, stride8, stride4) if config.gud else (),
                config.decoder_guidance if config.gud else (),
                strict=True,
            )
        )

    def forward(self, pyramid: tuple[Tensor, Tensor, Tensor, Tensor]) -> ImageGuidance:
        """Project features (B, C, h, w) at strides 4, 8, 16, 32."""
        stride4, stride8, stride16, stride32 = (
            features.clamp(-FEATURE_LIMIT, FEATURE_LIMIT) for features in pyramid
        )
        spatial = None
        if self.spatial is not None:
            coarse, fine = (
                F.relu6(convolution(features))
                for convolution, features in zip(self.spatial, (stride32, stride16), strict=True)
            )
            mean = (resize(coarse, fine.shape[-2:]) + fine) / 2
            spatial = self.fuse(mean).permute(0, 2, 3, 1)  # (B, C, h, w) -> (B, h, w, C)
        return ImageGuidance(
            spatial=spatial,
            decoder=tuple(
                F.relu6(convolution(features))
                # Only the stride-16 one is cut from the gradient here; in training the encoder
                # detaches strides 4 and 8 (published code).
                for convolution, features in zip(
                    self.decoder, (stride16.detach(), stride8, stride4), strict=False
                )
            ),
        )


class UpsamplingStage(nn.Module):
    """One stage of GUD: up (or a projection at the first), then two refining convolutions."""

    def __init__(self, channels: int, width: int, guidance: int, upsample: bool):
        super().__init__()
        self.up = (
            nn.ConvTranspose2d(channels, width, 2, stride=2)
            if upsample
            else nn.Conv2d(channels, width, 1)
        )
        self.refine1 = SplitConv2d(width + guidance, width, 3, padding=1, bias=False)
        self.norm1 = nn.GroupNorm(width // NORM_CHANNELS, width)
        self.refine2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm2 = nn.GroupNorm(width // NORM_CHANNELS, width)

    def forward(self, maps: Tensor, guidance: Tensor) -> Tensor:
        """Refine maps (B, P, C, h, w) under convolved guidance (B, C', h', w')."""
        batch = maps.shape[:2]
        up = resize(self.up(maps.flatten(0, 1)), guidance.shape[-2:])
        refined = self.refine1(up).unflatten(0, batch) + guidance[:, None]
        refined = F.relu(self.norm1(refined.flatten(0, 1)))
        return F.relu(self.norm2(self.refine2(refined))).unflatten(0, batch)


class GUD(nn.Module):
    """Gradual upsampling decoder: stride 16 to stride 4 in three guided stages, then the head."""

    def __init__(self, config: HeadConfig):
        super().__init__()
        widths = (config.width, *config.decoder_widths)
        self.stages = nn.ModuleList(
            UpsamplingStage(widths[i], widths[i + 1], config.decoder_guidance[i], upsample=i > 0)
            for i in range(len(config.decoder_widths) if config.gud else 0)
        )
        self.head = nn.Conv2d(widths[len(self.stages)], 1, 1)

    def forward(
        self,
        tokens: Tensor,
        guidance: tuple[Tensor, ...],
        size: tuple[int, int],
        keep_stages: bool = False,
    ) -> tuple[Tensor, list[Tensor]]:
        """Decode tokens (B, P, h, w, C) to logits (B, P, *size).

        Args:
            tokens: ESCF's last.
            guidance: decoder guidance at strides 16, 8, 4.
            size: the stride-4 grid.
            keep_stages: also return each stage's maps (B, P, C, h, w).
        """
        # The guidance half of each stage's first convolution is the same for every class.
        guidance = [
            stage.refine1.guidance(maps) for stage, maps in zip(self.stages, guidance, strict=True)
        ]
        logits, kept = [], []
        for group in class_groups(tokens):
            maps, stages = group.permute(0, 1, 4, 2, 3), []  # (B, P, C, h, w), a view
            for stage, stage_guidance in zip(self.stages, guidance, strict=True):
                maps = stage(maps, stage_guidance)
                stages.append(maps)
            head = resize(self.head(maps.flatten(0, 1)), size)
            logits.append(head[:, 0].unflatten(0, group.shape[:2]))
            kept.append(stages if keep_stages else [])
        return torch.cat(logits, dim=1), [torch.cat(maps, 1) for maps in zip(*kept, strict=True)]
