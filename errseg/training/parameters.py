"""Which parameters a training run changes, and at what rate."""

from collections import defaultdict

from errseg.network.model import ERRSeg
from errseg.network.towers import Part
from errseg.training.config import TrainConfig

TOWERS = "towers."


def parameter_groups(model: ERRSeg, config: TrainConfig) -> list[dict]:
    """Choose what is trained, and freeze the rest.

    The decoder and what the towers count with it (`Part`) at the full rate, the towers' other parts
    at the rates that the settings have for them. No weight decay on norms, biases and embeddings.
    """
    rates, groups = _rates(config), defaultdict(list)
    for name, parameter in model.named_parameters():
        part = model.towers.part(name.removeprefix(TOWERS)) if name.startswith(TOWERS) else "head"
        parameter.requires_grad_(rates[part] > 0)
        if rates[part] > 0:
            decay = config.weight_decay if parameter.ndim > 1 else 0.0
            groups[rates[part], decay].append(parameter)
    return [
        {"params": parameters, "factor": factor, "weight_decay": decay}
        for (factor, decay), parameters in groups.items()
    ]


def towers_learn(model: ERRSeg, config: TrainConfig) -> bool:
    """Say whether the towers themselves train, and not only what stands behind them."""
    parts = {model.towers.part(name) for name, _ in model.towers.named_parameters()}
    return any(_rates(config)[part] for part in parts - {"head"})


def _rates(config: TrainConfig) -> dict[Part, float]:
    """Return the learning rates of parts relative to the run's; 0 freezes a part."""
    return {
        "head": 1.0,
        "clip": config.clip_rate,
        "trunk": config.trunk_rate,
        "residual": config.residual_rate,
        "frozen": 0.0,
    }
