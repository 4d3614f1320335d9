"""torch.compile on CUDA GPUs: off unless asked for, and never needed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from errseg.errors import InputError

if TYPE_CHECKING:  # slow to import, and the app checks its options without a network
    import torch

    from errseg.network.model import ERRSeg

ZERO_GPU = "SPACES_ZERO_GPU"
"""Environment variable that Hugging Face sets where a GPU is lent for one call."""


def check_place() -> None:
    """Refuse with an `InputError` to compile on ZeroGPU.

    A call's process ends with it there, and what it compiled is lost.
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


def compile_network(model: ERRSeg, backend: str = "inductor") -> ERRSeg:
    """Compile a network's parts in place: each at its first call, which then takes seconds.

    The model is on its device and in its precision already. The results stay the same but for
    rounding, and so do the names of the weights. The backend is one of `torch.compile`'s.
    """
    from errseg.network.escf import Skipped

    # Parts that see one group of classes, or one photo of a fixed size. What is around them has
    # loops that depend on P, and would be compiled for every P anew. GUD's first stage is quick.
    parts = [*model.decoder.stages[1:], *model.towers.compiled_parts()]
    for layer in model.escf:
        for fusion in (layer.sfm, layer.cfm):
            if not isinstance(fusion, Skipped):
                parts += (fusion.attention, fusion.feed_forward)
    for part in parts:
        part.compile(backend=backend)
    return model
