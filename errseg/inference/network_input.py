"""From a photo to the network's input: its size, and how the photo is resized to it."""

from __future__ import annotations

import math

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

from errseg.config import LARGEST_INPUT, SMALLEST_INPUT, STRIDES, ModelConfig
from errseg.errors import InputError

WIDEST_ASPECT = 8.0
"""Photos longer than 8 : 1 are squeezed to it; the shorter side would vanish otherwise."""
LOADER_SHORT, LOADER_LONG = 800, 1333
"""The published evaluation's loader resizes photos to these sides before the network's size."""


def network_size(
    photo: tuple[int, int], config: ModelConfig, input_size: int | None = None
) -> tuple[int, int]:
    """Choose the network's input (H, W) for a photo (H, W).

    The published models see a square, whatever the aspect; errseg-lite sees the photo's aspect at
    the area of that square.

    Raises:
        InputError: the input size is out of range.
    """
    side = config.input_size if input_size is None else input_size
    if not SMALLEST_INPUT <= side <= LARGEST_INPUT:
        raise InputError(
            f"The input size must lie between {SMALLEST_INPUT} and {LARGEST_INPUT} pixels, "
            f"not {side}."
        )
    aspect = 1.0
    if config.keep_aspect:
        aspect = min(max(photo[1] / photo[0], 1 / WIDEST_ASPECT), WIDEST_ASPECT)
    height, width = side / math.sqrt(aspect), side * math.sqrt(aspect)
    return _to_grid(height), _to_grid(width)


def _to_grid(side: float) -> int:
    """Round to a multiple of the coarsest stride, so that all grids fit."""
    return max(2, round(side / STRIDES[-1])) * STRIDES[-1]


def resize_photo(photo: np.ndarray, size: tuple[int, int], config: ModelConfig) -> np.ndarray:
    """Resize a photo (H, W, 3) uint8 as the model's training and evaluation did."""
    image = Image.fromarray(photo)
    if config.keep_aspect:
        return np.array(image.resize(size[::-1], Image.Resampling.BILINEAR))
    scale = min(LOADER_SHORT / min(image.size), LOADER_LONG / max(image.size))
    loaded = image.resize(
        tuple(round(side * scale) for side in image.size), Image.Resampling.BILINEAR
    )
    pixels = torch.from_numpy(np.array(loaded)).permute(2, 0, 1)[None].float()
    squeezed = F.interpolate(pixels, size=size, mode="bilinear", align_corners=False)
    return squeezed[0].round().byte().permute(1, 2, 0).numpy()
