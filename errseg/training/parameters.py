"""Which parameters a training run changes, and at what rate."""

from __future__ import annotations

from torch import nn

from errseg.checkpoints.weights import LOOK_WEIGHTS
from errseg.network.model import ERRSeg
from errseg.training.config import TrainConfig

LITE_TUNED_STAGES = tuple(
    f"towers.trunk.{part}."
    for part in ("blocks.3", "blocks.4", "blocks.5", "blocks.6", "conv_head", "bn2")
)
"""EfficientNet's stages at strides 16 and 32: few pixels, so fine-tuning them costs little. The
classifier stays ImageNet's."""


def parameter_groups(model: ERRSeg, config: TrainConfig) -> list[dict]:
    """Choose what is trained, and freeze the rest.

    The decoder and the weights of lite's looks at the full rate, lite's residual and last stages
    at ``residual_rate`` and ``trunk_rate``. Of CLIP, at ``clip_rate``: in the image tower every
    ``gamma`` and the weights of MLPs and depth-wise convolutions, in the text tower
    ``in_proj_weight`` and ``c_fc.weight`` (published configuration). No weight decay on norms,
    biases and embeddings.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        factor = _rate_factor(name, config)
        parameter.requires_grad_(factor > 0)
        if factor > 0:
            decay = config.weight_decay if parameter.ndim > 1 else 0.0
            groups.setdefault((factor, decay), []).append(parameter)
    return [
        {"params": parameters, "factor": factor, "weight_decay": decay}
        for (factor, decay), parameters in groups.items()
    ]


def _rate_factor(name: str, config: TrainConfig) -> float:
    """Return a parameter's learning rate relative to the run's; 0 freezes it."""
    if name.startswith("towers.clip.visual."):
        tuned = name.endswith("gamma") or name.endswith(
            ("mlp.fc1.weight", "mlp.fc2.weight", "conv_dw.weight")
        )
        return config.clip_rate if tuned else 0.0
    if name.startswith("towers.clip."):
        tuned = name.endswith(("in_proj_weight", "c_fc.weight"))
        return config.clip_rate if tuned else 0.0
    if name.startswith(LITE_TUNED_STAGES):
        return config.trunk_rate
    if name.startswith(("towers.trunk.", "towers.text.")):
        return 0.0
    if name.startswith("towers.") and not name.startswith(LOOK_WEIGHTS):
        return config.residual_rate
    return 1.0
