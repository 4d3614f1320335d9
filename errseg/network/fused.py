"""Products and convolutions that do what follows them in the same pass over memory.

On x86 CPUs torch brings oneDNN, which can add a bias, bend, multiply and add while a result is in
the processor's registers. torch's compiler asks it so; these functions do without compiling. They
give the same numbers but for rounding where that isn't offered: on other processors, on GPUs, and
where something learns.
"""

import functools

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_AS_IT_IS = ("none", (), "")
_RELU6 = ("hardtanh", (0.0, 6.0), "")
_ONE_BY_ONE = (1, 1)  # no dilation


def fuses(x: Tensor) -> bool:
    """Say whether oneDNN does several things at once with a tensor here."""
    return (
        not torch.compiler.is_compiling()  # it does better by itself
        and x.device.type == "cpu"
        and not torch.is_grad_enabled()
        and not torch.is_autocast_enabled("cpu")  # which chooses precisions step by step
        and torch.backends.mkldnn.enabled
        and _offered(x.dtype)
    )


def linear(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    *,
    relu6: bool = False,
    times: Tensor | None = None,
) -> Tensor:
    """Multiply x (..., C) by a matrix (C', C): (..., C').

    Args:
        x: what is multiplied.
        weight: the matrix.
        bias: (C',), added.
        relu6: bend the result.
        times: of the result's shape; multiplies it. One of the last two at most.
    """
    # Of a part of a wider matrix oneDNN makes the product twenty times as slowly.
    if fuses(x) and weight.is_contiguous():
        if times is not None:
            return torch.ops.mkldnn._linear_pointwise.binary(x, times, weight, bias, "mul")
        bent = _RELU6 if relu6 else _AS_IT_IS
        return torch.ops.mkldnn._linear_pointwise(x, weight, bias, *bent)
    out = F.linear(x, weight, bias)
    out = F.relu6(out) if relu6 else out
    return out if times is None else out * times


def through(layer: nn.Linear, x: Tensor, **then: bool | Tensor) -> Tensor:
    """Take x (..., C) through a layer; what follows is as for `linear`."""
    return linear(x, layer.weight, layer.bias, **then)


def convolve(
    maps: Tensor,
    weight: Tensor,
    bias: Tensor,
    padding: tuple[int, int],
    stride: tuple[int, int],
    groups: int,
    *,
    relu6: bool = False,
    plus: Tensor | None = None,
) -> Tensor:
    """Convolve maps (B, C, h, w), see `linear`; the weight may come from `packed`."""
    if fuses(maps):
        own = weight, bias, padding, stride, _ONE_BY_ONE, groups
        if plus is not None:
            add = ("add", 1.0, None, (), None)
            return torch.ops.mkldnn._convolution_pointwise.binary(maps, plus, *own, *add)
        bent = _RELU6 if relu6 else _AS_IT_IS
        return torch.ops.mkldnn._convolution_pointwise(maps, *own, *bent)
    weight = weight.to_dense() if weight.is_mkldnn else weight
    out = F.conv2d(maps, weight, bias, stride, padding, groups=groups)
    out = F.relu6(out) if relu6 else out
    return out if plus is None else out + plus


def packed(
    weight: Tensor,
    padding: tuple[int, int],
    stride: tuple[int, int],
    groups: int,
    size: torch.Size,
) -> Tensor:
    """Lay a kernel out once as oneDNN does at every call; the best for maps of a size."""
    if not fuses(weight):
        return weight
    return torch.ops.mkldnn._reorder_convolution_weight(
        weight, padding, stride, _ONE_BY_ONE, groups, size
    )


@functools.cache
def _offered(dtype: torch.dtype) -> bool:
    """Ask this torch and this processor; oneDNN is slow at what a processor can't do natively."""
    operations = getattr(torch.ops, "mkldnn", None)
    needed = ("_linear_pointwise", "_convolution_pointwise", "_reorder_convolution_weight")
    if not torch.backends.mkldnn.is_available() or not all(hasattr(operations, n) for n in needed):
        return False
    if dtype == torch.bfloat16:
        return torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return dtype == torch.float32 and torch.backends.cpu.get_cpu_capability().startswith("AVX")
