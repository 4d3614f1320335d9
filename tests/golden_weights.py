"""The rule that makes a network's weights from their names (see golden/README.md)."""

import json
import math
import zlib
from pathlib import Path

import torch
from torch import Tensor

GOLDEN = Path(__file__).parent / "golden"
KEY_LISTS = {
    "errseg-base": GOLDEN / "errseg_b_checkpoint_keys.json",
    "errseg-large": GOLDEN / "errseg_l_checkpoint_keys.json",
}
LOGIT_SCALE = 4.6  # any number: nothing that is compared depends on it


def released_shapes(variant: str) -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor of a released checkpoint."""
    shapes = json.loads(KEY_LISTS[variant].read_text())
    return {name: tuple(shape) for name, shape in shapes.items()}


def rule_tensor(name: str, shape: tuple[int, ...], seed: int = 0) -> Tensor:
    """Make the tensor called ``name``."""
    if not shape:
        return torch.tensor(LOGIT_SCALE)
    generator = torch.Generator().manual_seed((zlib.crc32(name.encode()) + seed) % 2**31)
    drawn = torch.randn(shape, generator=generator)
    if len(shape) >= 2:
        return drawn / math.sqrt(drawn.numel() / shape[0])
    if name.endswith("gamma"):
        return 0.5 + 0.1 * drawn
    if name.endswith("weight"):
        return 1 + 0.1 * drawn
    return 0.1 * drawn


def rule_state_dict(variant: str, seed: int = 0) -> dict[str, Tensor]:
    """Make every tensor of a released checkpoint."""
    return {
        name: rule_tensor(name, shape, seed) for name, shape in released_shapes(variant).items()
    }
