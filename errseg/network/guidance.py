"""Image guidance: what the backbone's features tell SFM and GUD."""

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from errseg.config import HeadConfig
from errseg.network.layers import resize

FEATURE_LIMIT = 16.0
"""Backbone features are clamped to [-16, 16] before they guide (published configuration)."""


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
                # Only the stride-16 one is cut from the gradient here; CLIP's image tower detaches
                # strides 4 and 8 while it learns (published code).
                for convolution, features in zip(
                    self.decoder, (stride16.detach(), stride8, stride4), strict=False
                )
            ),
        )
