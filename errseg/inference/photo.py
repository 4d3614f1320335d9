"""Reading photos as people have them: any mode, any orientation, broken ones refused politely."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

# Pillow looks a format up among the plugins that were imported; it imports only the commonest
# ones by itself when `formats` is given.
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageOps,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from errseg.errors import InputError

SMALLEST_PHOTO = 16
"""Pixels of a side below which there is nothing to segment."""
LARGEST_PHOTO = 64_000_000
"""Pixels: a 64-megapixel photo takes 192 MB as RGB; a crafted file of a few KB can claim more."""
FORMATS = (
    JpegImagePlugin.JpegImageFile.format,
    PngImagePlugin.PngImageFile.format,
    WebPImagePlugin.WebPImageFile.format,
    GifImagePlugin.GifImageFile.format,
    BmpImagePlugin.BmpImageFile.format,
    TiffImagePlugin.TiffImageFile.format,
)
"""Pillow's decoders that may see a stranger's file (phones' MPO is opened as JPEG)."""


def load_image(image: Image.Image | np.ndarray | str | Path) -> np.ndarray:
    """Read a photo as uint8 RGB (H, W, 3), upright.

    Args:
        image: a PIL image, a path, or an array (H, W, 3) uint8. EXIF orientation is honoured,
            any mode is converted, transparency is laid on white.

    Raises:
        InputError: the file can't be read, or the photo is too small or too large.
    """
    if isinstance(image, np.ndarray):
        return _check_array(image)
    if isinstance(image, Image.Image):
        return _upright_rgb(image)
    path = Path(image)
    if not path.is_file():
        raise InputError(f"There is no photo {path.name!r}.")
    try:
        with warnings.catch_warnings():
            # The size is checked below; odd metadata and surplus bytes are no reason to worry.
            warnings.simplefilter("ignore")
            with Image.open(path, formats=FORMATS) as opened:
                return _upright_rgb(opened)
    except UnidentifiedImageError:
        raise InputError(
            f"{path.name!r} is not a photo that can be read; give a JPEG, PNG, WebP, GIF, BMP "
            "or TIFF file."
        ) from None
    except Image.DecompressionBombError:
        raise InputError(_too_large(path.name)) from None
    except InputError:
        raise
    except (OSError, SyntaxError, ValueError) as error:  # what Pillow raises for broken files
        raise InputError(f"{path.name!r} is damaged and can't be read ({error}).") from None


def _upright_rgb(image: Image.Image) -> np.ndarray:
    _check_size(*image.size)
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        return _check_array(np.repeat(_eight_bits(np.asarray(image))[..., None], 3, axis=2))
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return np.array(image.convert("RGB"))


def _eight_bits(grey: np.ndarray) -> np.ndarray:
    """Scale 16-bit (or already small) grey values to 0..255."""
    values = grey.astype(np.float64)
    if np.issubdtype(grey.dtype, np.integer) and values.max(initial=0) > 255:
        values = values / 257
    return values.clip(0, 255).round().astype(np.uint8)


def _check_array(image: np.ndarray) -> np.ndarray:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise InputError(
            f"An array must be uint8 RGB of shape (H, W, 3), not {image.dtype} {image.shape}."
        )
    _check_size(image.shape[1], image.shape[0])
    return np.ascontiguousarray(image)


def _check_size(width: int, height: int) -> None:
    if min(width, height) < SMALLEST_PHOTO:
        raise InputError(
            f"The photo is {width} x {height} pixels; each side needs at least {SMALLEST_PHOTO}."
        )
    if width * height > LARGEST_PHOTO:
        raise InputError(_too_large(f"The photo of {width} x {height} pixels"))


def _too_large(what: str) -> str:
    return f"{what} is too large; at most {LARGEST_PHOTO // 10**6} megapixels can be read."
