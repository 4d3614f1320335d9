"""GUD, gradual upsampling decoder: from ESCF's tokens at stride 16 to logits at stride 4."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from errseg.config import HeadConfig
from errseg.network.layers import SplitConv2d, add, class_groups, resize

NORM_CHANNELS = 8  # channels of one group in GUD's group normalisation (published configuration)


class UpsamplingStage(nn.Module):
    """One stage of GUD: up (or a projection at the first), then two refining convolutions.

    A stage has no guidance where its channels are 0.
    """

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

    def forward(self, maps: Tensor, guidance: Tensor | None) -> Tensor:
        """Refine maps (B, P, C, h, w) under convolved guidance (B, C', h', w')."""
        batch, up = maps.shape[:2], self.up(maps.flatten(0, 1))
        if guidance is not None:
            up = resize(up, guidance.shape[-2:])
        refined = self.refine1(up).unflatten(0, batch)
        if guidance is not None:
            refined = add(refined, guidance[:, None])
        # A norm's gradient doesn't need what it gave, so it may be bent where it lies.
        refined = F.relu(self.norm1(refined.flatten(0, 1)), inplace=True)
        return F.relu(self.norm2(self.refine2(refined)), inplace=True).unflatten(0, batch)


class GUD(nn.Module):
    """Gradual upsampling decoder: stride 16 to stride 4 in three guided stages, then the head."""

    classes_at_once: int | None = None  # see `class_groups`

    def __init__(self, config: HeadConfig):
        super().__init__()
        widths, guidance = (config.width, *config.decoder_widths), list(config.decoder_guidance)
        if not config.decoder_guidance_stride16:
            guidance[0] = 0
        self.stages = nn.ModuleList(
            UpsamplingStage(widths[i], widths[i + 1], guidance[i], upsample=i > 0)
            for i in range(len(config.decoder_widths) if config.gud else 0)
        )
        self.head = nn.Conv2d(widths[len(self.stages)], 1, 1)

    def forward(
        self, tokens: Tensor, guidance: tuple[Tensor | None, ...], size: tuple[int, int]
    ) -> Tensor:
        """Decode tokens (B, P, h, w, C) to logits (B, P, *size).

        Args:
            tokens: ESCF's last.
            guidance: decoder guidance at strides 16, 8, 4; None for a stage without.
            size: the stride-4 grid.
        """
        # The guidance half of each stage's first convolution is the same for every class.
        guidance = [
            None if maps is None else stage.refine1.guidance(maps)
            for stage, maps in zip(self.stages, guidance, strict=True)
        ]
        logits = []
        for group in class_groups(tokens, self.classes_at_once):
            maps = group.permute(0, 1, 4, 2, 3)  # (B, P, C, h, w), a view
            for stage, stage_guidance in zip(self.stages, guidance, strict=True):
                maps = stage(maps, stage_guidance)
            head = resize(self.head(maps.flatten(0, 1)), size)
            logits.append(head[:, 0].unflatten(0, group.shape[:2]))
        return torch.cat(logits, dim=1)
