"""How a photo gets in: read as people have it, upright and in colour, and resized for the network.

Broken files and what is no photo are refused politely.
"""

import math
from pathlib import Path

import numpy as np
from PIL import Image

from errseg.config import LARGEST_INPUT, SMALLEST_INPUT, STRIDES, ModelConfig
from errseg.errors import InputError
from errseg.inference.photo_files import check_size, opened_photo, upright_pixels

WIDEST_ASPECT = 8.0
"""Photos longer than 8 : 1 are squeezed to it; the shorter side would vanish otherwise."""
LOADER_SHORT, LOADER_LONG = 800, 1333
"""The published evaluation's loader resizes photos to these sides before the network's size."""


def load_image(image: Image.Image | np.ndarray | str | Path) -> np.ndarray:
    """Read a photo as uint8 RGB (H, W, 3), upright.

    Args:
        image: a PIL image, a path, or an array (H, W, 3) uint8. EXIF orientation is honoured,
            any mode is converted, transparency is laid on white.

    Raises:
        InputError: the file can't be read, or the photo is too small or too large.
    """
    if isinstance(image, np.ndarray):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise InputError(
                f"An array must be uint8 RGB of shape (H, W, 3), not {image.dtype} {image.shape}."
            )
        check_size(image.shape[1], image.shape[0])
        return np.ascontiguousarray(image)
    if isinstance(image, Image.Image):
        check_size(*image.size)
        return upright_pixels(image)
    with opened_photo(image) as opened:
        return upright_pixels(opened)


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
    aspect = photo[1] / photo[0] if config.keep_aspect else 1.0
    aspect = min(max(aspect, 1 / WIDEST_ASPECT), WIDEST_ASPECT)
    cells = (side / math.sqrt(aspect) / STRIDES[-1], side * math.sqrt(aspect) / STRIDES[-1])
    return tuple(max(2, round(count)) * STRIDES[-1] for count in cells)  # all grids fit


def resize_photo(photo: np.ndarray, size: tuple[int, int], config: ModelConfig) -> np.ndarray:
    """Resize a photo (H, W, 3) uint8 as the model's training and evaluation did.

    The published evaluation does it twice: its loader to the photo's aspect, with antialiasing, and
    the network to its square, without. There the square keeps fractions of grey levels; here they
    are rounded.
    """
    image = Image.fromarray(photo)
    if config.keep_aspect:
        return np.array(image.resize(size[::-1], Image.Resampling.BILINEAR))
    loaded = image.resize(_loader_size(*image.size), Image.Resampling.BILINEAR)
    import torch  # slow; the demo reads photos before the network is there

    pixels = torch.from_numpy(np.array(loaded)).permute(2, 0, 1)[None].float()
    squeezed = torch.nn.functional.interpolate(pixels, size, mode="bilinear")
    return squeezed[0].round().byte().permute(1, 2, 0).numpy()


def _loader_size(width: int, height: int) -> tuple[int, int]:
    """Return a photo's size, W and H, behind the published loader; halves are rounded up there."""
    short, long = LOADER_SHORT, LOADER_SHORT / min(width, height) * max(width, height)
    shrink = min(1.0, LOADER_LONG / long)
    sides = (long, short) if width > height else (short, long)
    return tuple(max(1, int(side * shrink + 0.5)) for side in sides)
