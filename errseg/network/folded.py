"""EfficientNet-Lite as it runs where nothing learns: no batch normalisation, no padded copies.

The same maps but for rounding (1e-5 of their size) in 0.45 of the time. Each normalisation is
folded into the convolution before it, and photos go through turned by half a turn. The networks
that came from TensorFlow pad by one more behind than in front where a stride of 2 meets an even
side, for which torch copies each map into a larger one. From the other end the larger part lies in
front; torch pads both ends alike, and never reaches what is too much behind.
"""

import itertools
from collections.abc import Container, Sequence
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_weights

HEIGHT_AND_WIDTH = (-2, -1)  # a half turn flips both


class FoldedConvolution(nn.Module):
    """A convolution with the batch normalisation and the activation behind it.

    It has no weights of its own: those that it computes with are folded anew whenever the
    network's have changed.
    """

    def __init__(self, convolution: nn.Conv2d, norm: nn.BatchNorm2d):
        super().__init__()
        self._of = convolution, norm  # in a tuple, so that they aren't registered a second time
        self._seen: list[tuple[Tensor, int]] = []  # the tensors that were folded, their versions
        self._folded: tuple[Tensor, Tensor] | None = None
        self.padding = tuple(side // 2 for side in convolution.kernel_size)

    def forward(self, maps: Tensor) -> Tensor:
        """Convolve maps (B, C, h, w) that are turned by half a turn."""
        convolution, norm = self._of
        weight, bias = self._weights()
        maps = F.conv2d(
            maps, weight, bias, convolution.stride, self.padding, groups=convolution.groups
        )
        return norm.act(maps)

    def _weights(self) -> tuple[Tensor, Tensor]:
        convolution, norm = self._of
        tensors = (
            convolution.weight,
            norm.running_mean,
            norm.running_var,
            norm.weight,
            norm.bias,
        )
        folded = self._folded
        if folded is None or not _unchanged(tensors, self._seen):
            kernel, mean, variance, scale, shift = (tensor.detach() for tensor in tensors)
            weight, bias = fuse_conv_bn_weights(
                kernel, convolution.bias, mean, variance, norm.eps, scale, shift
            )
            turned = weight.data.flip(HEIGHT_AND_WIDTH)
            folded = turned.contiguous(memory_format=torch.channels_last), bias.data
            # A tensor made in inference mode doesn't tell when it changes: it is folded each time.
            known = not any(tensor.is_inference() for tensor in tensors)
            self._folded = folded if known else None
            self._seen = [(t.detach(), t._version) for t in tensors] if known else []
        return folded


class FoldedBlock(nn.Module):
    """One of EfficientNet's blocks: convolutions, and the block's input added to what they give."""

    def __init__(self, convolutions: Sequence[FoldedConvolution], skip: bool):
        super().__init__()
        self.convolutions = nn.Sequential(*convolutions)
        self.skip = skip

    def forward(self, maps: Tensor) -> Tensor:
        """Map (B, C, h, w) to (B, C', h', w')."""
        out = self.convolutions(maps)
        return out.add_(maps) if self.skip else out


class FoldedTrunk(nn.Module):
    """The trunk of errseg-lite's image tower where nothing learns; see `of`.

    It holds no parameter and no buffer: those of the trunk that it was made of are computed with,
    trained and saved.
    """

    def __init__(self, stem: FoldedConvolution, stages: nn.ModuleList, head: FoldedConvolution):
        super().__init__()
        self.stem, self.stages, self.head = stem, stages, head

    @classmethod
    def of(cls, trunk: nn.Module) -> Self | None:
        """Fold one of timm's EfficientNets; None where it has parts that can't be folded."""
        stem, head = _folded(trunk.conv_stem, trunk.bn1), _folded(trunk.conv_head, trunk.bn2)
        blocks = [[_folded_block(block) for block in stage] for stage in trunk.blocks]
        if None in (stem, head, *itertools.chain(*blocks)):
            return None
        return cls(stem, nn.ModuleList(nn.Sequential(*stage) for stage in blocks), head)

    def forward(self, photos: Tensor, taken: Container[int]) -> tuple[Tensor, ...]:
        """Return the maps of some stages of photos (B, 3, H, W), and the head's behind them."""
        maps = photos.flip(HEIGHT_AND_WIDTH).contiguous(memory_format=torch.channels_last)
        maps, pyramid = self.stem(maps), []
        for index, stage in enumerate(self.stages):
            maps = stage(maps)
            if index in taken:
                pyramid.append(maps)
        return tuple(level.flip(HEIGHT_AND_WIDTH) for level in (*pyramid, self.head(maps)))


def _folded(convolution: nn.Module, norm: nn.Module) -> FoldedConvolution | None:
    """Fold a convolution, unless it pads in another way than those of TensorFlow do."""
    from timm.layers import Conv2dSame  # takes a second, when a network is built and not before

    if not isinstance(convolution, nn.Conv2d) or not isinstance(norm, nn.BatchNorm2d):
        return None
    same = isinstance(convolution, Conv2dSame) or convolution.stride == (1, 1)
    return FoldedConvolution(convolution, norm) if same else None


def _folded_block(block: nn.Module) -> FoldedBlock | None:
    """Fold a block that is nothing but convolutions, each with a normalisation behind it."""
    parts = [part for part in block.children() if not isinstance(part, nn.Identity)]
    convolutions = [_folded(*pair) for pair in zip(parts[::2], parts[1::2], strict=False)]
    if len(parts) % 2 or None in convolutions:
        return None
    return FoldedBlock(convolutions, block.has_skip)


def _unchanged(tensors: Sequence[Tensor], seen: Sequence[tuple[Tensor, int]]) -> bool:
    """Say whether tensors are those that were seen, and still hold what they held."""
    return all(
        tensor.data_ptr() == known.data_ptr() and tensor._version == version
        for tensor, (known, version) in zip(tensors, seen, strict=True)
    )
