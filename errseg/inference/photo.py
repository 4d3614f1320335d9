"""How a photo gets in: read as people have it, upright and in colour, and resized for the network.

Broken files and what is no photo are refused politely.
"""

import base64
import math
import operator
import os
import re
from typing import BinaryIO
from urllib.parse import unquote_to_bytes

import numpy as np
from PIL import Image

from errseg.config import LARGEST_INPUT, SMALLEST_INPUT, STRIDES, ModelConfig
from errseg.errors import InputError
from errseg.inference.photo_arrays import read_array
from errseg.inference.photo_files import (
    ReadPhoto,
    check_deep_colors,
    check_size,
    has_deep_colors,
    read_photo,
    upright_pixels,
)
from errseg.inference.photo_kinds import BROKEN
from errseg.upright import image_tones

Photo = Image.Image | np.ndarray | str | os.PathLike | bytes | BinaryIO | ReadPhoto
"""What a photo may come as."""
SCHEME = re.compile(r"(data:|[a-z][a-z0-9+.-]+(?=:/))", re.IGNORECASE)
"""How an address begins. A drive's letter is no scheme, and paths lose one of two slashes."""

WIDEST_ASPECT = 8.0
"""Photos longer than 8 : 1 are squeezed to it; the shorter side would vanish otherwise."""
LOADER_SHORT, LOADER_LONG = 800, 1333
"""The published evaluation's loader resizes photos to these sides before the network's size."""
PIXEL_SHOWN = 30  # characters of what was given for a pixel, in a sentence


def load_image(image: Photo) -> np.ndarray:
    """Read a photo as uint8 RGB (H, W, 3), upright, as `load_photo` does."""
    return load_photo(image).pixels


def load_photo(image: Photo) -> ReadPhoto:
    """Read a photo, whatever it comes as, and say what was decided on reading it.

    EXIF orientation is honoured, any mode is converted, transparency is laid on white, greys of
    more than 8 bits are brought to 8.

    Args:
        image: a path, a PIL image, a file's content as bytes or as an open binary file, a ``data:``
            address, an array, see `photo_arrays`, or what this returned before.

    Raises:
        InputError: it is none of these or can't be read, or the photo is too small or too large.
    """
    if isinstance(image, ReadPhoto):
        return image
    if isinstance(image, Image.Image):
        return _read_image(image)
    if isinstance(image, bytes | bytearray | memoryview):
        return read_photo(bytes(image))
    if isinstance(image, str | os.PathLike):
        return _read_named(os.fspath(image))
    if callable(getattr(image, "read", None)):
        return read_photo(_content(image))
    if hasattr(image, "__array__"):
        return read_array(image)
    what = "None" if image is None else f"a {type(image).__name__}"
    raise InputError(
        f"A photo is a file's path, a PIL image, an array, bytes or an open file, not {what}."
    )


def _read_image(image: Image.Image) -> ReadPhoto:
    check_size(*image.size)
    try:
        deep = has_deep_colors(image)
        image.load()
        check_deep_colors(image, deep)
        tones = image_tones(image)
        pixels = upright_pixels(image, tones)
    except InputError:
        raise
    except BROKEN as error:
        raise InputError(f"This PIL image is damaged and can't be read ({error}).") from None
    return ReadPhoto(pixels, pixels.shape[1::-1], tones.notices if tones else ())


def _read_named(name: str | bytes) -> ReadPhoto:
    name = os.fsdecode(name)
    scheme = SCHEME.match(name)
    if scheme is None:
        return read_photo(name)
    if scheme[1].lower() == "data:":
        return read_photo(_data_content(name))
    raise InputError(
        "That is an address, and nothing is fetched from there; save the photo and give its file."
    )


def _data_content(address: str) -> bytes:
    """Return what a ``data:`` address holds (RFC 2397)."""
    head, comma, content = address.partition(",")
    try:
        if not comma:
            raise ValueError
        raw = unquote_to_bytes(content)
        if not head.lower().endswith(";base64"):
            return raw
        return base64.b64decode(b"".join(raw.split()), validate=True)
    except ValueError:
        raise InputError(
            "This data: address is damaged; it begins as data:image/jpeg;base64, and goes on with "
            "the file in base64."
        ) from None


def _content(file: object) -> bytes:
    """Read an open file to its end."""
    try:
        content = file.read()
    except (OSError, ValueError) as error:  # closed, or written to only, or text that isn't
        raise InputError(f"The open file can't be read ({error}).") from None
    if not isinstance(content, bytes | bytearray):
        raise InputError("The file was opened as text; open it with open(path, 'rb').")
    if not content:
        raise InputError("The open file has nothing left to read; open it anew, or seek(0) first.")
    return bytes(content)


def whole_pixel(pixel: object) -> tuple[int, int]:
    """Check a pixel (x, y).

    Raises:
        InputError: it isn't two whole numbers.
    """
    try:
        x, y = map(operator.index, pixel)
    except (TypeError, ValueError):
        raise InputError(
            f"A pixel is two whole numbers, (x, y), not {str(pixel)[:PIXEL_SHOWN]}."
        ) from None
    return x, y


def check_pixel(pixel: tuple[int, int], size: tuple[int, int]) -> None:
    """Refuse with an `InputError` a pixel (x, y) that lies outside a photo (H, W)."""
    (x, y), (height, width) = pixel, size
    if not (0 <= x < width and 0 <= y < height):
        raise InputError(
            f"The pixel ({x}, {y}) lies outside the photo of {width} x {height} pixels."
        )


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
