"""GUD, gradual upsampling decoder: from ESCF's tokens at stride 16 to logits at stride 4."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from errseg.config import HeadConfig
from errseg.network.composed import can_compose, compose, enlarge
from errseg.network.layers import SplitConv2d, add, class_groups, resize

NORM_CHANNELS = 8  # channels of one group in GUD's group normalisation (published configuration)


class Guided(NamedTuple):
    """What a stage does for all classes at once."""

    kernel: Tensor | None  # of its first two convolutions as one, where they are
    shared: Tensor | None  # what the guidance adds to their output, (B, C, h', w')


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

    def guide(self, guidance: Tensor | None, size: tuple[int, int]) -> Guided:
        """Do what is the same for every class.

        Args:
            guidance: (B, G, h', w') at the stage's stride.
            size: (h, w) of the maps that it gets.
        """
        if guidance is None:
            return Guided(None, None)
        shared = self.refine1.guidance(guidance)
        if can_compose(self.up, size, shared):
            return Guided(*compose(self.up, self.refine1, shared))
        return Guided(None, shared)

    def forward(self, maps: Tensor, guided: Guided) -> Tensor:
        """Refine maps (B, P, C, h, w)."""
        batch, maps = maps.shape[:2], maps.flatten(0, 1)
        if guided.kernel is not None:
            refined = enlarge(maps, guided.kernel)
        else:
            maps = self.up(maps)
            if guided.shared is not None:
                maps = resize(maps, guided.shared.shape[-2:])
            refined = self.refine1(maps)
        if guided.shared is not None:
            refined = add(refined.unflatten(0, batch), guided.shared[:, None]).flatten(0, 1)
        # A norm's gradient doesn't need what it gave, so it may be bent where it lies.
        refined = F.relu(self.norm1(refined), inplace=True)
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
        guided, grid = [], tuple(tokens.shape[2:4])
        for stage, maps in zip(self.stages, guidance, strict=True):
            guided.append(stage.guide(maps, grid))
            grid = grid if maps is None else tuple(maps.shape[-2:])
        logits = []
        for group in class_groups(tokens, self.classes_at_once):
            maps = group.permute(0, 1, 4, 2, 3)  # (B, P, C, h, w), a view
            for stage, shared in zip(self.stages, guided, strict=True):
                maps = stage(maps, shared)
            head = resize(self.head(maps.flatten(0, 1)), size)
            logits.append(head[:, 0].unflatten(0, group.shape[:2]))
        return torch.cat(logits, dim=1)
