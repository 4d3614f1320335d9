"""HSM, hierarchical semantic module: cost maps at two strides and their embedding."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from errseg.config import HeadConfig
from errseg.network.layers import add, resize


@dataclass(frozen=True)
class CostMaps:
    """Cosine similarity of every pixel embedding with every text embedding, in [-1, 1]."""

    stride16: Tensor  # (B, T, h16, w16)
    stride32: Tensor  # (B, T, h32, w32)


def cost_maps(dense16: Tensor, dense32: Tensor, text: Tensor) -> CostMaps:
    """Compute the hierarchical cost maps (paper, HSM).

    Args:
        dense16: L2-normalised pixel embeddings (B, C, h16, w16).
        dense32: the same at stride 32, (B, C, h32, w32).
        text: L2-normalised text embeddings (T, C), or (B, P, C) where images differ.
    """
    equation = "bchw,tc->bthw" if text.ndim == 2 else "bchw,btc->bthw"
    return CostMaps(*(torch.einsum(equation, dense, text) for dense in (dense16, dense32)))


class CostEmbedding(nn.Module):
    """Embed each class's cost maps and fuse the two strides.

    As the paper draws it: a 7x7 convolution per stride, stride 32 resized to stride 16, the mean
    of the two, a 1x1 convolution. No nonlinearity stands between them and a bilinear resize
    commutes with what works on single pixels, so the 1x1 convolution is folded into the others. A
    map's seven rows around each pixel become its channels: convolutions of one channel are slow,
    and the output has the layout of ESCF's tokens. On a CPU that takes a third of the time of one
    matrix product over every pixel's windows.
    """

    def __init__(self, config: HeadConfig):
        super().__init__()
        kernel = config.cost_kernel
        strides = 2 if config.hsm else 1  # 16 and 32; without HSM 16 only
        self.embed = nn.ModuleList(
            nn.Conv2d(1, config.cost_channels, kernel, padding=kernel // 2) for _ in range(strides)
        )
        self.fuse = nn.Conv2d(config.cost_channels, config.width, 1)

    def forward(self, cost: CostMaps) -> Tensor:
        """Embed the kept classes' cost maps: (B, P, h, w) at each stride -> (B, P, h16, w16, C)."""
        maps = (cost.stride16, cost.stride32)[: len(self.embed)]
        batch, classes, *grid = cost.stride16.shape
        kernels, bias = self._folded()
        embedded = None
        for kernel, stride_maps in zip(kernels, maps, strict=True):
            rows = _rows(stride_maps.flatten(0, 1), kernel.shape[1])
            part = F.conv2d(rows, kernel, bias, padding=(0, kernel.shape[-1] // 2))
            part = resize(part, tuple(grid))  # (B P, C, h16, w16)
            embedded, bias = part if embedded is None else add(part, embedded), None
        return embedded.permute(0, 2, 3, 1).contiguous().unflatten(0, (batch, classes))

    def _folded(self) -> tuple[list[Tensor], Tensor]:
        """Fold the strides' mean and the 1x1 convolution into a kernel (C, 7, 1, 7) each."""
        fuse = self.fuse.weight[:, :, 0, 0] / len(self.embed)
        kernels = [(fuse @ c.weight.flatten(1)).view(-1, *c.weight.shape[2:]) for c in self.embed]
        bias = sum(convolution.bias for convolution in self.embed)
        return [kernel[:, :, None] for kernel in kernels], fuse @ bias + self.fuse.bias


def _rows(maps: Tensor, size: int) -> Tensor:
    """Gather the rows around every pixel: (N, h, w) -> (N, size, h, w), channels last."""
    around = F.pad(maps, (0, 0, size // 2, size // 2))
    rows = around.unfold(1, size, 1).permute(0, 3, 1, 2)
    return rows.contiguous(memory_format=torch.channels_last)
