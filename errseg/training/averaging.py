"""Averaging a model's weights with those it was fine-tuned from (WiSE-FT, Wortsman et al. 2022).

Fine-tuning forgets what its photos don't show; between the two lie models that keep most of both.
"""

from dataclasses import replace

import torch

from errseg.errors import InputError
from errseg.network.model import ERRSeg


@torch.no_grad()
def average_weights(start: ERRSeg, tuned: ERRSeg, share: float) -> ERRSeg:
    """Move a tuned model, in place, back towards its start: (1 - share) start + share tuned.

    Raises:
        InputError: the two models aren't built alike.
    """
    # What training saw or was kept from shapes no network.
    first, second = (
        replace(m.config, towers=m.config.towers.with_trained_words(()), held_out=())
        for m in (start, tuned)
    )
    if first != second:
        raise InputError(
            f"Only weights of models built alike can be averaged; {start.config.name} and "
            f"{tuned.config.name} differ in their configuration."
        )
    before = start.state_dict()
    for name, tensor in tuned.state_dict().items():
        if tensor.is_floating_point():  # the others count steps
            tensor.lerp_(before[name], 1 - share)
    return tuned
