"""torch.compile on CUDA GPUs: off unless asked for, and never needed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from errseg.errors import InputError

if TYPE_CHECKING:  # slow to import, and the app checks its options without a network
    import torch
    from torch import nn

    from errseg.network.model import ERRSeg

ZERO_GPU = "SPACES_ZERO_GPU"
"""Environment variable that Hugging Face sets where a GPU is lent for one call."""
INDUCTOR = "inductor"
"""torch's own compiler."""


def check_place() -> None:
    """Refuse to compile on ZeroGPU: a call's process ends with it, and what it compiled is lost.

    Raises:
        InputError: this is ZeroGPU.
    """
    if os.environ.get(ZERO_GPU):
        raise InputError(
            "A ZeroGPU Space would compile the network again in every call; leave --compile and "
            "ERRSEG_COMPILE out."
        )


def check_compilable(device: torch.device) -> None:
    """Refuse to compile where it doesn't help.

    Raises:
        InputError: the network doesn't run on a CUDA GPU, or this is ZeroGPU.
    """
    check_place()
    if device.type != "cuda":
        raise InputError(
            f"Compiling is for CUDA GPUs, and the network runs on {device.type} here; "
            "leave --compile out."
        )


def compile_network(model: ERRSeg, backend: str = INDUCTOR) -> ERRSeg:
    """Compile a network's parts in place: each at its first call, which then takes seconds.

    The results stay the same but for rounding, and so do the names of the weights.

    Args:
        model: on its device and in its precision.
        backend: a name that `torch.compile` knows.
    """
    for part in _parts(model):
        part.compile(backend=backend)
    return model


def _parts(model: ERRSeg) -> Iterator[nn.Module]:
    """List what sees one group of classes, or one photo of a fixed size.

    What is around it has loops that depend on P, and would be compiled for every P anew.
    """
    from errseg.network.escf import Skipped

    for layer in model.escf:
        for fusion in (layer.sfm, layer.cfm):
            if not isinstance(fusion, Skipped):
                yield from (fusion.attention, fusion.feed_forward)
    yield from model.decoder.stages[1:]  # the first takes little time
    yield from model.towers.compiled_parts()
