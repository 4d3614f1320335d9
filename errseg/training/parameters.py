"""Which parameters a training run changes, and at what rate."""

from collections import defaultdict
from collections.abc import Callable, Mapping

from torch import nn

from errseg.network.model import ERRSeg
from errseg.network.towers import Part

TOWERS = "towers."


def part_of(model: ERRSeg, name: str) -> Part:
    """Say what a parameter is to training; all that isn't the towers' is of the head."""
    return model.towers.part(name.removeprefix(TOWERS)) if name.startswith(TOWERS) else "head"


def parameter_groups(
    model: ERRSeg, rates: Mapping[Part, float], decay: Callable[[nn.Parameter], float]
) -> list[dict]:
    """Choose what is trained, and freeze the rest.

    Args:
        model: any.
        rates: relative to the run's; a part that isn't named, or has 0, is frozen.
        decay: a parameter's weight decay.
    """
    groups = defaultdict(list)
    for name, parameter in model.named_parameters():
        rate = rates.get(part_of(model, name), 0.0)
        parameter.requires_grad_(rate > 0)
        if rate > 0:
            groups[rate, decay(parameter)].append(parameter)
    return [
        {"params": parameters, "factor": factor, "weight_decay": weight_decay}
        for (factor, weight_decay), parameters in groups.items()
    ]


def towers_learn(model: ERRSeg) -> bool:
    """Say whether `parameter_groups` chose the towers themselves, not only what stands behind."""
    towers = model.towers
    return any(p.requires_grad and towers.part(n) != "head" for n, p in towers.named_parameters())
