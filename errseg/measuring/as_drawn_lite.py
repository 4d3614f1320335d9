"""errseg-lite's image tower straight down: what its speed and its numbers are compared with.

It computes with the towers' weights and none of their code: timm's own trunk normalises behind each
convolution, every level is brought to stride 16 and joined before anything is made of it.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from errseg.config import STRIDES
from errseg.network.lite import PYRAMID_BLOCKS, SURROUNDINGS, LiteTowers

View = tuple[Tensor, Tensor, Tensor]  # embeddings at stride 16, ConSE's at 32, claims on a pixel


def encode_image(towers: LiteTowers, pixels: Tensor) -> tuple[list[Tensor], Tensor, Tensor]:
    """Return the features at strides 4, 8, 16, 32 and the dense embeddings at 16 and 32."""
    config = towers.config
    mean, std = (
        torch.tensor(values, device=pixels.device).view(3, 1, 1)
        for values in (config.pixel_mean, config.pixel_std)
    )
    x = (pixels.float() - mean) / std
    pyramid = _pyramid(towers, x)
    views = [_view(towers, pyramid)]
    for scale, flipped in config.views:
        size = [max(round(side * scale / STRIDES[-1]), 1) * STRIDES[-1] for side in x.shape[-2:]]
        other = F.interpolate(x, size, mode="bilinear", antialias=True) if scale != 1 else x
        seen = _view(towers, _pyramid(towers, other.flip(-1) if flipped else other))
        views.append(tuple(maps.flip(-1) for maps in seen) if flipped else seen)
    grid16, grid32 = pyramid[2].shape[-2:], pyramid[3].shape[-2:]
    claims = [_resized(view[2][:, i : i + 1], grid16) for i, view in enumerate(views)]
    weights = torch.cat(claims, dim=1).softmax(dim=1)
    dense = sum(weights[:, i : i + 1] * _resized(v[0], grid16) for i, v in enumerate(views))
    conse = sum(_resized(view[1], grid32) for view in views) / len(views)
    dense16 = _blend(towers, F.normalize(dense, dim=1), conse)
    coarse = views[-1][1] if len(views) == 1 else _blend(towers, *views[-1][:2])
    return list(pyramid), dense16, F.normalize(_resized(coarse, grid32), dim=1)


def _pyramid(towers: LiteTowers, x: Tensor) -> tuple[Tensor, ...]:
    trunk, pyramid = towers.trunk, []
    x = trunk.bn1(trunk.conv_stem(x.contiguous(memory_format=torch.channels_last)))
    for index, stage in enumerate(trunk.blocks):
        x = stage(x)
        if index in PYRAMID_BLOCKS:
            pyramid.append(x)
    return (*pyramid, trunk.bn2(trunk.conv_head(x)))


def _view(towers: LiteTowers, pyramid: tuple[Tensor, ...]) -> View:
    *finer, stride32 = pyramid
    grid = finer[-1].shape[-2:]
    logits = towers.trunk.classifier(stride32.permute(0, 2, 3, 1))
    conse = (logits.softmax(dim=-1) @ towers.imagenet_names).permute(0, 3, 1, 2)

    levels = [F.adaptive_avg_pool2d(maps, grid) for maps in finer] + [_resized(stride32, grid)]
    own = towers.own(towers.norm(torch.cat(levels, dim=1).permute(0, 2, 3, 1)))

    around = F.avg_pool2d(stride32, SURROUNDINGS, 1, SURROUNDINGS // 2, count_include_pad=False)
    whole = stride32.mean(dim=(2, 3), keepdim=True).expand_as(around)
    both = torch.cat([around, whole], dim=1).permute(0, 2, 3, 1)
    context = towers.context(towers.context_norm(both)).permute(0, 3, 1, 2)

    hidden = F.gelu(own + _resized(context, grid).permute(0, 2, 3, 1))  # (B, h16, w16, hidden)
    residual = towers.residual(hidden).permute(0, 3, 1, 2)
    dense = F.normalize(F.normalize(_resized(conse, grid), dim=1) + residual, dim=1)
    return dense, conse, towers.view_weights(hidden).permute(0, 3, 1, 2)


def _blend(towers: LiteTowers, dense16: Tensor, conse: Tensor) -> Tensor:
    sure = conse.norm(dim=1, keepdim=True) * conse
    blended = towers.config.conse_weight * _resized(sure, dense16.shape[-2:])
    return F.normalize(dense16 + blended, dim=1)


def _resized(maps: Tensor, grid: tuple[int, int]) -> Tensor:
    return F.interpolate(maps, tuple(grid), mode="bilinear", align_corners=False)
