"""What the parts of a network gave in a pass: caught by hooks, the network knows nothing of it."""

from collections.abc import Callable

import torch
from torch import Tensor

from errseg.network.model import ERRSeg


def stages_of(model: ERRSeg, run: Callable[[], object]) -> tuple[object, dict[str, Tensor]]:
    """Run something; return what it gives, and every stage as the paper's figure draws it.

    Returns:
        cost_embedding and escf.0, escf.1, ... (B, P, h, w, C), gud.0, gud.1, gud.2 (B, P, C, h, w).
    """
    caught: dict[str, list[Tensor]] = {}
    parts = {"cost_embedding": model.cost_embedding}
    parts |= {f"escf.{index}": layer.cfm for index, layer in enumerate(model.escf)}
    parts |= {f"gud.{index}": stage for index, stage in enumerate(model.decoder.stages)}
    hooks = [
        part.register_forward_hook(
            lambda _, given, out, name=name: caught.setdefault(name, []).append(out)
        )
        for name, part in parts.items()
    ]
    try:
        out = run()
    finally:
        for hook in hooks:
            hook.remove()
    return out, {name: torch.cat(groups, dim=1) for name, groups in caught.items()}
