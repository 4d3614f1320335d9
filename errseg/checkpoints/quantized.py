"""Matrices in 8 bits, with a scale per row."""

from collections.abc import Mapping

import torch
from torch import Tensor

SCALE_SUFFIX = ".row_scale"
INT8_LIMIT = 127


def quantize(name: str, tensor: Tensor) -> dict[str, Tensor]:
    """Return what a file holds of a tensor (N, ...): int8 under its name, and the scales (N,)."""
    scale = tensor.float().abs().flatten(1).amax(dim=1).clamp(min=1e-12) / INT8_LIMIT
    rows = (tensor / _per_row(scale, tensor)).round().to(torch.int8)
    return {name: rows, name + SCALE_SUFFIX: scale}


def dequantize(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Turn stored tensors into float32 (integers that count stay)."""
    tensors = {}
    for name, tensor in stored.items():
        if (scale := stored.get(name + SCALE_SUFFIX)) is not None:
            tensors[name] = tensor.float() * _per_row(scale, tensor)
        elif not name.endswith(SCALE_SUFFIX):
            # What is stored as it is lies in the file, which one bias would keep in memory whole.
            own = tensor.clone() if tensor.ndim < 2 else tensor
            tensors[name] = own.float() if own.is_floating_point() else own
    return tensors


def _per_row(scale: Tensor, tensor: Tensor) -> Tensor:
    return scale.view(-1, *[1] * (tensor.ndim - 1))
