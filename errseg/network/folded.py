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
from torch.nn.utils.fusion import fuse_conv_bn_weights

from errseg.network.fused import convolve, packed

HEIGHT_AND_WIDTH = (-2, -1)  # a half turn flips both
LARGEST = 20 * 2**20
"""Bytes of a map inside a block. The C library gives larger ones back to the system, and filling
memory that comes fresh from there takes longer than to convolve; two strips take half the time."""


class FoldedConvolution(nn.Module):
    """A convolution with the batch normalisation and the activation behind it.

    It has no weights of its own: those that it computes with are folded anew whenever the
    network's have changed.
    """

    def __init__(self, convolution: nn.Conv2d, norm: nn.BatchNorm2d):
        super().__init__()
        self._of = convolution, norm  # in a tuple, so that they aren't registered a second time
        self._forget()
        self.padding = tuple(side // 2 for side in convolution.kernel_size)
        self.stride, self.channels = convolution.stride, convolution.out_channels
        self.relu6 = isinstance(norm.act, nn.ReLU6)

    def forward(self, maps: Tensor, plus: Tensor | None = None) -> Tensor:
        """Convolve maps (B, C, h, w) that are turned by half a turn, and add what is given."""
        weight, bias = self._weights(maps)
        shape = self.padding, self.stride, self._of[0].groups
        return convolve(maps, weight, bias, *shape, relu6=self.relu6, plus=plus)

    def _weights(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """Fold, or remember; ``maps`` are what will be convolved."""
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
            weight = weight.detach().flip(HEIGHT_AND_WIDTH)
            weight = weight.contiguous(memory_format=torch.channels_last)
            shape = self.padding, self.stride, convolution.groups
            folded = packed(weight, *shape, maps.shape), bias.detach()
            # A tensor made in inference mode doesn't tell when it changes: it is folded each time.
            if any(tensor.is_inference() for tensor in tensors):
                return folded
            self._folded, self._seen = folded, [(t.detach(), t._version) for t in tensors]
        return folded

    def _forget(self) -> None:
        self._folded: tuple[Tensor, Tensor] | None = None
        self._seen: list[tuple[Tensor, int]] = []  # the tensors that were folded, their versions

    def __getstate__(self) -> dict:
        """Copy and pickle without what was folded: torch can't copy a kernel in oneDNN's layout."""
        return {**super().__getstate__(), "_folded": None, "_seen": []}


class FoldedBlock(nn.Module):
    """One of EfficientNet's blocks: convolutions, and the block's input added to what they give.

    Where the maps between them are large they are made in strips of rows, see `LARGEST`.
    """

    def __init__(self, convolutions: Sequence[FoldedConvolution], skip: bool):
        super().__init__()
        *first, self.last = convolutions
        self.first = nn.Sequential(*first)
        self.skip = skip
        # Rows that one row of what comes out steps over, and sees before and behind it.
        self.stride, self.reach = 1, 0
        for convolution in convolutions:
            self.reach += convolution.padding[0] * self.stride
            self.stride *= convolution.stride[0]

    def forward(self, maps: Tensor) -> Tensor:
        """Map (B, C, h, w) to (B, C', h', w')."""
        rows = self._rows_at_once(maps)
        if rows >= maps.shape[2]:
            return self._convolved(maps)
        strips = []
        for start in range(0, maps.shape[2], rows):
            # What is cut off again stood next to a strip's edge, which isn't the photo's.
            before = min(start, -(-self.reach // self.stride) * self.stride)
            seen = maps[:, :, start - before : start + rows + self.reach]
            strip = self._convolved(seen)[:, :, before // self.stride :]
            strips.append(strip[:, :, : rows // self.stride])
        return torch.cat(strips, dim=2)

    def _convolved(self, maps: Tensor) -> Tensor:
        return self.last(self.first(maps), maps if self.skip else None)

    def _rows_at_once(self, maps: Tensor) -> int:
        """Choose strips alike in height whose largest map stays under `LARGEST`."""
        convolution = self.first[0]
        columns = maps.shape[3] // convolution.stride[1]
        channels = convolution.channels
        rows = maps.shape[2] // convolution.stride[0]
        held = maps.itemsize * maps.shape[0] * channels * rows * columns
        strips = -(-held // LARGEST)
        return -(-maps.shape[2] // (strips * self.stride)) * self.stride


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
    known = isinstance(norm.act, nn.ReLU6 | nn.Identity)
    return FoldedConvolution(convolution, norm) if same and known else None


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
