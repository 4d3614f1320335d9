"""How a training crop is varied."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image


@dataclass(frozen=True)
class Augmentation:
    """How a training crop is varied; probabilities and half-widths of uniform ranges."""

    squeeze: float = 0.15  # take the whole photo, whatever its aspect, instead of a crop
    zoom: tuple[float, float] = (1.0, 2.0)  # the photo's short side over the crop's side
    around_class: float = 0.8  # centre the crop near a labelled pixel of a random class
    flip: float = 0.5
    jitter: float = 0.8
    brightness: float = 0.3
    contrast: float = 0.3
    saturation: float = 0.4
    hue: float = 0.05  # of a full turn
    pasted_side: tuple[float, float] = (0.35, 0.9)  # longest side of a pasted object over the crop
    pasted_least: float = 0.01  # least share of its own photo that a pasted object covers


# Luma and two colour axes (YIQ, ITU-R BT.470): hue turns the two, saturation stretches them.
_TO_YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])


def jitter(rng: np.random.Generator, image: Image.Image, vary: Augmentation) -> Image.Image:
    """Vary brightness, contrast, saturation and hue, all in one affine map of the colours."""
    brightness = 1 + rng.uniform(-vary.brightness, vary.brightness)
    contrast = 1 + rng.uniform(-vary.contrast, vary.contrast)
    saturation = 1 + rng.uniform(-vary.saturation, vary.saturation)
    turn = 2 * np.pi * rng.uniform(-vary.hue, vary.hue)
    cosine, sine = saturation * np.cos(turn), saturation * np.sin(turn)
    chroma = np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]])
    colours = brightness * contrast * np.linalg.inv(_TO_YIQ) @ chroma @ _TO_YIQ
    offset = np.full((3, 1), 127.5 * (1 - contrast))
    return image.convert("RGB", np.hstack([colours, offset]).ravel().tolist())
