"""Which parameters a training run changes, and at what rate."""

from __future__ import annotations

from torch import nn

from errseg.network.model import ERRSeg
from errseg.network.towers import Part
from errseg.training.config import TrainConfig

TOWERS = "towers."


def parameter_groups(model: ERRSeg, config: TrainConfig) -> list[dict]:
    """Choose what is trained, and freeze the rest.

    The decoder and what the towers count with it (`Part`) at the full rate, the towers' other parts
    at the rates that the settings have for them. No weight decay on norms, biases and embeddings.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        factor = _rate_factor(model, name, config)
        parameter.requires_grad_(factor > 0)
        if factor > 0:
            decay = config.weight_decay if parameter.ndim > 1 else 0.0
            groups.setdefault((factor, decay), []).append(parameter)
    return [
        {"params": parameters, "factor": factor, "weight_decay": decay}
        for (factor, decay), parameters in groups.items()
    ]


def towers_learn(model: ERRSeg, config: TrainConfig) -> bool:
    """Say whether the towers themselves train, and not only what stands behind them."""
    parts = {model.towers.part(name) for name, _ in model.towers.named_parameters()}
    return any(_rates(config)[part] for part in parts - {"head"})


def _rate_factor(model: ERRSeg, name: str, config: TrainConfig) -> float:
    """Return a parameter's learning rate relative to the run's; 0 freezes it."""
    part = model.towers.part(name.removeprefix(TOWERS)) if name.startswith(TOWERS) else "head"
    return _rates(config)[part]


def _rates(config: TrainConfig) -> dict[Part, float]:
    return {
        "head": 1.0,
        "clip": config.clip_rate,
        "trunk": config.trunk_rate,
        "residual": config.residual_rate,
        "frozen": 0.0,
    }
