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
    decoder: tuple[Tensor | None, ...]  # (B, 32, h16, w16), (B, 16, h8, w8), (B, 8, h4, w4) for GUD


class GuidanceProjection(nn.Module):
    """Project the backbone's features to image guidance (SFM) and decoder guidance (GUD)."""

    def __init__(self, widths: tuple[int, int, int, int], config: HeadConfig):
        super().__init__()
        stride4, stride8, stride16, stride32 = widths
        if config.sfm and config.image_guidance:
            guiding = (stride32, stride16) if config.image_guidance_stride16 else (stride32,)
            self.spatial = nn.ModuleList(
                nn.Conv2d(channels, config.guidance_channels, 3, padding=1) for channels in guiding
            )
            self.fuse = nn.Conv2d(config.guidance_channels, config.width, 1)
        else:
            self.spatial = None
        self.stages = len(config.decoder_widths) if config.gud else 0
        self.stop_gradient = config.stop_gradient
        first = 0 if config.decoder_guidance_stride16 else 1
        guiding = zip((stride16, stride8, stride4), config.decoder_guidance, strict=True)
        self.decoder = nn.ModuleList(
            nn.Conv2d(channels, guidance, 3, padding=1)
            for channels, guidance in list(guiding)[first : self.stages]
        )

    def forward(self, pyramid: tuple[Tensor, Tensor, Tensor, Tensor]) -> ImageGuidance:
        """Project features (B, C, h, w) at strides 4, 8, 16, 32."""
        stride4, stride8, stride16, stride32 = (
            features.clamp(-FEATURE_LIMIT, FEATURE_LIMIT) for features in pyramid
        )
        spatial = None
        if self.spatial is not None:
            guided = [
                resize(F.relu6(convolution(features)), stride16.shape[-2:])
                for convolution, features in zip(self.spatial, (stride32, stride16), strict=False)
            ]
            mean = sum(guided) / len(guided)
            spatial = self.fuse(mean).permute(0, 2, 3, 1)  # (B, C, h, w) -> (B, h, w, C)
        # Only the stride-16 one is cut from the gradient here; CLIP's image tower detaches strides
        # 4 and 8 while it learns (published code).
        stride16 = stride16.detach() if self.stop_gradient else stride16
        features = (stride16, stride8, stride4)[: self.stages][-len(self.decoder) :]
        decoder = [
            F.relu6(convolution(maps))
            for convolution, maps in zip(self.decoder, features, strict=False)
        ]
        unguided = [None] * (self.stages - len(decoder))
        return ImageGuidance(spatial, decoder=(*unguided, *decoder))
