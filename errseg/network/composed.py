"""Two convolutions with nothing between them, as one.

GUD enlarges maps by two with a transposed convolution and refines them with a 3x3 one at once. Both
are linear, so they are one transposed 4x4 convolution: it multiplies half to three quarters as
often, and the enlarged maps are never written. On a CPU these steps take 0.66 of their time in
errseg-lite, and all of GUD 0.83.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from errseg.network.layers import SplitConv2d

ROWS_AND_COLUMNS = (-2, -1)


def can_compose(up: nn.Module, size: tuple[int, int], guidance: Tensor) -> bool:
    """Say whether the two are computed as one.

    Args:
        up: what enlarges the maps, or brings them to another number of channels.
        size: of the maps (h, w).
        guidance: the refining convolution's share of it, (B, C, h', w').
    """
    # Where something learns both keep their gradients, and a resize would come in between.
    return (
        isinstance(up, nn.ConvTranspose2d)
        and not torch.is_grad_enabled()
        and guidance.device.type == "cpu"
        and tuple(guidance.shape[-2:]) == (2 * size[0], 2 * size[1])
    )


def compose(up: nn.ConvTranspose2d, refine: SplitConv2d, guidance: Tensor) -> tuple[Tensor, Tensor]:
    """Compose a transposed 2x2 convolution of stride 2 with a 3x3 one behind it.

    Args:
        up: the first.
        refine: the second, without bias, over [maps, guidance].
        guidance: the second's share of it, (B, C, 2h, 2w).

    Returns:
        the kernel (C', C, 4, 4) for `enlarge`, and the guidance with what the first's bias adds.
    """
    # The second convolution of the first's bias: less at the borders, beyond which there is none.
    bias = up.bias.detach().view(1, -1, 1, 1).expand(-1, -1, *guidance.shape[-2:])
    kernel = refine.weight[:, : up.out_channels].transpose(0, 1).flip(ROWS_AND_COLUMNS)
    composed = F.conv_transpose2d(up.weight.float(), kernel.float()).to(up.weight.dtype)
    return composed, guidance + refine(bias)


def enlarge(maps: Tensor, kernel: Tensor) -> Tensor:
    """Enlarge and refine maps (N, C', h, w) with what `compose` gave: (N, C, 2h, 2w)."""
    return F.conv_transpose2d(maps, kernel, stride=2, padding=1)
