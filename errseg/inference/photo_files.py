"""A photo's file to its pixels, upright and in RGB, in a bounded time and with bounded memory.

The header is looked at first; the pixels are brought to 8-bit RGB strip by strip, and reduced on
the way where a smaller photo is asked for. No torch: the demo reads in small processes of its own.
"""

import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import (
    Image,
    JpegImagePlugin,
    MpoImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from errseg.errors import InputError
from errseg.inference.photo_headers import check_header
from errseg.inference.tag_directories import check_exif
from errseg.upright import LYING, ORIENTATION, rgb_strips, stored_view

SMALLEST_PHOTO = 16  # pixels of a side below which there is nothing to segment
LARGEST_PHOTO = 64_000_000
"""Pixels: a 64-megapixel photo takes 192 MB as RGB; a crafted file of a few KB can claim more."""
LARGEST_DECODED = 40_000_000
"""Pixels of what is always decoded in full: Pillow takes 4 bytes for each, 160 MB."""
LARGEST_WEBP = 16_000_000
"""Pixels: libwebp's canvases and Pillow's two copies of them take 16 bytes for each."""
LARGEST_TIFF = 25_000_000
"""Pixels: libtiff may hold all of them in one strip beside Pillow's 4 bytes for each."""
FORMATS = (
    *("JPEG", "PNG", "GIF", "BMP"),
    # Pillow looks a format up among the plugins that were imported, and imports these only by name.
    TiffImagePlugin.TiffImageFile.format,
    WebPImagePlugin.WebPImageFile.format,
)
"""Pillow's decoders that may see a stranger's file (phones' MPO is opened as JPEG)."""
IN_JPEG = (JpegImagePlugin.JpegImageFile.format, MpoImagePlugin.MpoImageFile.format)
LARGEST = {
    **dict.fromkeys(IN_JPEG, LARGEST_PHOTO),
    WebPImagePlugin.WebPImageFile.format: LARGEST_WEBP,
    TiffImagePlugin.TiffImageFile.format: LARGEST_TIFF,
}
BROKEN = (OSError, SyntaxError, ValueError, ArithmeticError, LookupError, TypeError, EOFError)
"""What Pillow raises for broken files, and `struct.error`."""
EXIF_IN_WORDS = "Raw profile type exif"  # the keyword of a PNG's text that is EXIF in hexadecimal
BICUBIC = Image.Resampling.BICUBIC
GAP = 2.0
"""Times the final size that whole factors may reduce a photo to; bicubic does the rest."""


def read_photo(path: str | Path, longest: int) -> tuple[np.ndarray, tuple[int, int]]:
    """Read a photo's file, its longest side at most ``longest`` pixels.

    A larger photo is reduced while it is read: a JPEG by its decoder, others by whole factors, and
    brought to its size with bicubic resampling; its shorter side keeps `SMALLEST_PHOTO` pixels.

    Returns:
        the pixels (h, w, 3) uint8, upright RGB, and the (width, height) of the upright original.

    Raises:
        InputError: the file can't be read, or the photo is too small or too large.
    """
    with opened_photo(path) as image:
        whole = image.size
        size = shrunk_size(whole, longest)
        drafted = None if size == whole else image.draft(None, size)
        # A TIFF is turned while it is loaded, its size was given turned and its tag is gone then.
        image.load()
        orientation = _orientation(image)
        if size == whole:
            pixels = upright_pixels(image)
        else:
            pixels, stored = _canvas(size, orientation)
            stored[:] = _shrunk(image, drafted[1][2:] if drafted else whole, size)
        return pixels, whole[::-1] if orientation in LYING else whole


def upright_pixels(image: Image.Image) -> np.ndarray:
    """Convert an image to upright RGB (H, W, 3) uint8 at its own size.

    Raises:
        InputError: its EXIF data asks for far too much.
    """
    image.load()
    pixels, stored = _canvas(image.size, _orientation(image))
    for top, strip in rgb_strips(image):
        stored[top : top + strip.height] = strip
    return pixels


def shrunk_size(size: tuple[int, int], longest: int) -> tuple[int, int]:
    """Say to which width and height a photo of this size is shrunk, if it is."""
    scale = longest / max(size)
    if scale >= 1:
        return size
    return tuple(max(SMALLEST_PHOTO, round(side * scale)) for side in size)


@contextmanager
def opened_photo(path: str | Path) -> Iterator[Image.Image]:
    """Open a photo's file for reading, after a look at its header and size.

    Raises:
        InputError: the file can't be read, now or while its pixels are read, or the photo is too
            small or too large.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"There is no photo {path.name!r}.")
    try:
        with warnings.catch_warnings():
            # The size is checked below; odd metadata and surplus bytes are no reason to worry.
            warnings.simplefilter("ignore")
            check_header(path)
            with Image.open(path, formats=FORMATS) as opened:
                check_size(*opened.size, LARGEST.get(opened.format, LARGEST_DECODED))
                yield opened
    except UnidentifiedImageError:
        raise InputError(
            f"{path.name!r} is not a photo that can be read; give a JPEG, PNG, WebP, GIF, BMP "
            "or TIFF file."
        ) from None
    except Image.DecompressionBombError:
        raise InputError(_too_large(path.name, LARGEST_DECODED)) from None
    except InputError:
        raise
    except (*BROKEN, struct.error) as error:
        reason = getattr(error, "strerror", None) or error  # the system's own names the whole path
        raise InputError(f"{path.name!r} is damaged and can't be read ({reason}).") from None


def check_size(width: int, height: int, most: int = LARGEST_PHOTO) -> None:
    """Refuse a photo that has too few pixels, or more than ``most``.

    Raises:
        InputError: with its size and what would fit.
    """
    if min(width, height) < SMALLEST_PHOTO:
        raise InputError(
            f"The photo is {width} x {height} pixels; each side needs at least {SMALLEST_PHOTO}."
        )
    if width * height > most:
        raise InputError(_too_large(f"The photo of {width} x {height} pixels", most))


def _too_large(what: str, most: int) -> str:
    return f"{what} is too large; shrink it to {most // 10**6} megapixels."


def _canvas(size: tuple[int, int], orientation: object) -> tuple[np.ndarray, np.ndarray]:
    """Make room for an upright photo, and the same room as its file stores a width and height."""
    width, height = size[::-1] if orientation in LYING else size
    pixels = np.empty((height, width, 3), np.uint8)
    return pixels, stored_view(pixels, orientation)


def _shrunk(image: Image.Image, exact: tuple[float, float], size: tuple[int, int]) -> Image.Image:
    """Resize an image to (width, height) as Pillow's ``resize`` does, with `GAP`.

    A strip is reduced and resized across when it is there, all of them are resized down at last:
    the two passes are Pillow's own, to the bit, but nothing of the full size is held in RGB.

    Args:
        image: loaded, maybe at a fraction of its size.
        exact: its width and height; a fraction's last column and row stand for less than a pixel.
        size: the width and height that it gets.
    """
    across, down = (int(was / will / GAP) or 1 for was, will in zip(exact, size, strict=True))
    left = Image.new("RGB", (size[0], -(-image.height // down)))
    for top, strip in rgb_strips(image, down):
        reduced = strip.reduce((across, down))
        box = (0, 0, exact[0] / across, reduced.height)
        left.paste(reduced.resize((size[0], reduced.height), BICUBIC, box), (0, top // down))
    return left.resize(size, BICUBIC, (0, 0, size[0], exact[1] / down))


def _orientation(image: Image.Image) -> object:
    """Return EXIF's orientation of an image that was loaded; what it says may be anything."""
    exif = image.info.get("exif")
    in_words = image.info.get(EXIF_IN_WORDS)
    if exif is None and isinstance(in_words, str):
        exif = bytes.fromhex("".join(in_words.split("\n")[3:]))  # behind an empty line, name, size
    if isinstance(exif, bytes):
        check_exif(exif)
    return image.getexif().get(ORIENTATION)
