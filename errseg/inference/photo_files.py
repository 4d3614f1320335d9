"""A photo's file to its pixels, upright and in RGB, in a bounded time and with bounded memory.

The header is looked at first; the pixels are brought to 8-bit RGB strip by strip, and reduced on
the way where a smaller photo is asked for. No torch: the demo reads in small processes of its own.
"""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import (
    AvifImagePlugin,
    Image,
    JpegImagePlugin,
    MpoImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from errseg.errors import InputError
from errseg.inference.animations import take_frame
from errseg.inference.photo_headers import Header, check_header
from errseg.inference.photo_kinds import BROKEN, is_heic, known_kind, reads_heic
from errseg.inference.tag_directories import check_exif
from errseg.tones import Tones
from errseg.upright import (
    LYING,
    ORIENTATION,
    SIGNIFICANT_BITS,
    image_tones,
    rgb_strips,
    stored_view,
)

SMALLEST_PHOTO = 16  # pixels of a side below which there is nothing to segment
LARGEST_PHOTO = 64_000_000
"""Pixels: a 64-megapixel photo takes 192 MB as RGB; a crafted file of a few KB can claim more."""
LARGEST_DECODED = 40_000_000
"""Pixels of what is always decoded in full: Pillow takes 4 bytes for each, 160 MB."""
LARGEST_WEBP = 16_000_000
"""Pixels: libwebp's canvases and Pillow's two copies of them take 16 bytes for each."""
LARGEST_TIFF = 25_000_000
"""Pixels: libtiff may hold all of them in one strip beside Pillow's 4 bytes for each."""
LARGEST_AVIF = 13_000_000
"""Pixels: libavif's planes, their RGB and Pillow's two copies take up to 20 bytes for each."""
FORMATS = (
    *("JPEG", "PNG", "GIF", "BMP"),
    # Pillow looks a format up among the plugins that were imported, and imports these only by name.
    TiffImagePlugin.TiffImageFile.format,
    WebPImagePlugin.WebPImageFile.format,
    AvifImagePlugin.AvifImageFile.format,
)
"""Pillow's decoders that may see a stranger's file (phones' MPO is opened as JPEG)."""
HEIC = "HEIF"  # what pillow-heif calls its format
IN_JPEG = (JpegImagePlugin.JpegImageFile.format, MpoImagePlugin.MpoImageFile.format)
LARGEST = {
    **dict.fromkeys(IN_JPEG, LARGEST_PHOTO),
    WebPImagePlugin.WebPImageFile.format: LARGEST_WEBP,
    TiffImagePlugin.TiffImageFile.format: LARGEST_TIFF,
    AvifImagePlugin.AvifImageFile.format: LARGEST_AVIF,
    HEIC: LARGEST_AVIF,
}
EXIF_IN_WORDS = "Raw profile type exif"  # the keyword of a PNG's text that is EXIF in hexadecimal
DEEP_COLORS = ";16"  # in how a file's colours are stored: of their 16 bits Pillow keeps 8
LEAST_DEEP = 64
"""Grey levels that the brightest of such colours must reach, else they were of fewer bits."""
NAME_SHOWN = 60  # characters of a file's name, in a sentence
BICUBIC = Image.Resampling.BICUBIC
GAP = 2.0
"""Times the final size that whole factors may reduce a photo to; bicubic does the rest."""


class ReadPhoto(NamedTuple):
    """A photo as the network sees it, before it is resized."""

    pixels: np.ndarray  # (h, w, 3) uint8, upright RGB
    size: tuple[int, int]  # width and height of the upright original
    notices: tuple[str, ...] = ()  # what was decided on reading, in sentences


def read_photo(source: str | Path | bytes, longest: int | None = None) -> ReadPhoto:
    """Read a photo's file, or its content, its longest side at most ``longest`` pixels.

    A larger photo is reduced while it is read: a JPEG by its decoder, others by whole factors, and
    brought to its size with bicubic resampling; its shorter side keeps `SMALLEST_PHOTO` pixels.

    Raises:
        InputError: the file can't be read, the photo is too small or too large, or its values mean
            nothing.
    """
    with opened_photo(source) as (image, notices):
        whole = image.size
        size = shrunk_size(whole, longest) if longest else whole
        drafted = None if size == whole else image.draft(None, size)
        deep = has_deep_colors(image)
        # A TIFF is turned while it is loaded, its size was given turned and its tag is gone then.
        image.load()
        check_deep_colors(image, deep)
        orientation, tones = _orientation(image), image_tones(image)
        if size == whole:
            pixels = upright_pixels(image, tones)
        else:
            pixels, stored = _canvas(size, orientation)
            stored[:] = _shrunk(image, drafted[1][2:] if drafted else whole, size, tones)
        notices += tones.notices if tones else ()
        return ReadPhoto(pixels, whole[::-1] if orientation in LYING else whole, notices)


def upright_pixels(image: Image.Image, tones: Tones | None) -> np.ndarray:
    """Convert an image to upright RGB (H, W, 3) uint8 at its own size.

    Raises:
        InputError: its EXIF data asks for far too much.
    """
    image.load()
    pixels, stored = _canvas(image.size, _orientation(image))
    for top, strip in rgb_strips(image, tones):
        stored[top : top + strip.height] = strip
    return pixels


def shrunk_size(size: tuple[int, int], longest: int) -> tuple[int, int]:
    """Say to which width and height a photo of this size is shrunk, if it is."""
    scale = longest / max(size)
    if scale >= 1:
        return size
    return tuple(max(SMALLEST_PHOTO, round(side * scale)) for side in size)


@contextmanager
def opened_photo(source: str | Path | bytes) -> Iterator[tuple[Image.Image, tuple[str, ...]]]:
    """Open a photo's file, or its content, for reading, after a look at its header and size.

    Yields:
        the image, and what there is to say of which picture of the file it is.

    Raises:
        InputError: the file can't be read, now or while its pixels are read, or the photo is too
            small or too large.
    """
    name, start = "This", b""
    try:
        if isinstance(source, bytes):
            file = io.BytesIO(source)
        else:
            path = Path(source)
            name = repr(_short(path.name or str(path)))
            file = _opened_file(path, name)
        with file, warnings.catch_warnings():
            # The size is checked below; odd metadata and surplus bytes are no reason to worry.
            warnings.simplefilter("ignore")
            header = check_header(file)
            start = header.start
            with _opened_image(file, header) as opened:
                check_size(*opened.size, LARGEST.get(opened.format, LARGEST_DECODED))
                if header.significant_bits:
                    opened.info[SIGNIFICANT_BITS] = header.significant_bits
                frames = header.frames or getattr(opened, "n_frames", 1)
                yield opened, take_frame(opened, frames)
    except UnidentifiedImageError:
        if kind := known_kind(start):
            raise InputError(f"{name} is {kind}.") from None
        empty = "" if start else ", it is empty"
        raise InputError(
            f"{name} is not a photo that can be read{empty}; "
            "give a JPEG, PNG, WebP, AVIF, GIF, BMP or TIFF file."
        ) from None
    except Image.DecompressionBombError:
        raise InputError(_too_large(name, LARGEST_DECODED)) from None
    except InputError:
        raise
    except BROKEN as error:
        reason = getattr(error, "strerror", None) or error  # the system's own names the whole path
        raise InputError(f"{name} is damaged and can't be read ({reason}).") from None


def _opened_file(path: Path, name: str) -> BinaryIO:
    is_folder = False
    try:
        is_folder = path.is_dir()
        if path.is_file():
            return path.open("rb")
    except PermissionError as error:
        raise InputError(f"{name} can't be read ({error.strerror}).") from None
    except (ValueError, OSError):
        pass  # no name that a file could have
    if is_folder:
        raise InputError(f"{name} is a folder; give a photo's file.")
    raise InputError(f"There is no photo {name}.")


def _opened_image(file: BinaryIO, header: Header) -> Image.Image:
    file.seek(0)
    if not (is_heic(header.start) and reads_heic()):
        return Image.open(file, formats=FORMATS)
    import pillow_heif  # optional

    pillow_heif.register_heif_opener()
    return Image.open(file, formats=(*FORMATS, HEIC))


def _short(name: str) -> str:
    return name if len(name) <= NAME_SHOWN else f"{name[: NAME_SHOWN - 1]}…"


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


def has_deep_colors(image: Image.Image) -> bool:
    """Tell, before an image is loaded, whether Pillow will leave out half of its colours' bits."""
    if image.mode not in ("RGB", "RGBA", "LA"):
        return False
    stored = [tile[3] for tile in getattr(image, "tile", ())]  # none in what is no file's any more
    parts = (part for how in stored for part in (how if isinstance(how, tuple) else (how,)))
    return any(isinstance(part, str) and DEEP_COLORS in part for part in parts)


def check_deep_colors(image: Image.Image, deep: bool) -> None:
    """Refuse colours of 14 bits or fewer in 16 of each: what Pillow keeps of them is near black.

    Args:
        image: loaded.
        deep: what `has_deep_colors` said of it before.

    Raises:
        InputError: that is so.
    """
    if not deep:
        return
    extrema = image.getextrema()
    colors, alpha = (extrema, None) if image.mode == "RGB" else (extrema[:-1], extrema[-1])
    if (alpha is None or alpha[1]) and max(most for _, most in colors) < LEAST_DEEP:
        raise InputError(
            "This photo's colours use few of their 16 bits and would come out black; save it again "
            "with 8 bits a channel."
        )


def _too_large(what: str, most: int) -> str:
    return f"{what} is too large; shrink it to {most // 10**6} megapixels."


def _canvas(size: tuple[int, int], orientation: object) -> tuple[np.ndarray, np.ndarray]:
    """Make room for an upright photo, and the same room as its file stores a width and height."""
    width, height = size[::-1] if orientation in LYING else size
    pixels = np.empty((height, width, 3), np.uint8)
    return pixels, stored_view(pixels, orientation)


def _shrunk(
    image: Image.Image, exact: tuple[float, float], size: tuple[int, int], tones: Tones | None
) -> Image.Image:
    """Resize an image to (width, height) as Pillow's ``resize`` does, with `GAP`.

    A strip is reduced and resized across when it is there, all of them are resized down at last:
    the two passes are Pillow's own, to the bit, but nothing of the full size is held in RGB.

    Args:
        image: loaded, maybe at a fraction of its size.
        exact: its width and height; a fraction's last column and row stand for less than a pixel.
        size: the width and height that it gets.
        tones: of the image.
    """
    across, down = (int(was / will / GAP) or 1 for was, will in zip(exact, size, strict=True))
    left = Image.new("RGB", (size[0], -(-image.height // down)))
    for top, strip in rgb_strips(image, tones, down):
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
