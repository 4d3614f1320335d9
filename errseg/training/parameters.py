"""Which parameters a training run changes, and at what rate."""

from collections import defaultdict

from errseg.network.model import ERRSeg
from errseg.network.towers import Part
from errseg.training.config import TrainConfig

TOWERS = "towers."


def part_of(model: ERRSeg, name: str) -> Part:
    """Say what a parameter is to training; all that isn't the towers' is of the head."""
    return model.towers.part(name.removeprefix(TOWERS)) if name.startswith(TOWERS) else "head"


def parameter_groups(model: ERRSeg, config: TrainConfig) -> list[dict]:
    """Choose what is trained, and freeze the rest.

    The decoder and what the towers count with it (`Part`) at the full rate, the towers' other parts
    at the rates that the settings have for them. No weight decay on norms, biases and embeddings.
    """
    groups = defaultdict(list)
    rates = {
        "head": 1.0,
        "clip": config.clip_rate,
        "trunk": config.trunk_rate,
        "residual": config.residual_rate,
        "frozen": 0.0,
    }
    for name, parameter in model.named_parameters():
        part = part_of(model, name)
        parameter.requires_grad_(rates[part] > 0)
        if rates[part] > 0:
            decay = config.weight_decay if parameter.ndim > 1 else 0.0
            groups[rates[part], decay].append(parameter)
    return [
        {"params": parameters, "factor": factor, "weight_decay": decay}
        for (factor, decay), parameters in groups.items()
    ]


def towers_learn(model: ERRSeg) -> bool:
    """Say whether `parameter_groups` chose the towers themselves, not only what stands behind."""
    towers = model.towers
    return any(p.requires_grad and towers.part(n) != "head" for n, p in towers.named_parameters())
