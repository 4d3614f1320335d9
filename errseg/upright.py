"""Photos as people see them: upright, in colour, laid on white where they are see-through."""

from collections.abc import Iterator, Mapping

import numpy as np
from PIL import Image, ImageOps

from errseg.tones import Tones, find_tones

ORIENTATION = 0x0112  # EXIF's tag of how the stored rows and columns lie
LYING = range(5, 9)  # its values that swap width and height
FLIPS = {
    **{1: (1, 1), 2: (1, -1), 3: (-1, -1), 4: (-1, 1)},
    **{5: (1, 1), 6: (1, -1), 7: (-1, -1), 8: (-1, 1)},
}
"""Its values -> steps through the upright photo's rows and columns, before any swap."""
BITS_PER_SAMPLE, PHOTOMETRIC, SAMPLE_FORMAT = 258, 262, 339  # tags of TIFF
GREATEST_VALUE, GREATEST_SAMPLE = 281, 341  # likewise: MaxSampleValue, SMaxSampleValue
WHITE_IS_ZERO, UNSIGNED, WITH_SIGN = 0, 1, 2  # values of the second and the third
FULL_WHITE = 2**16 - 1  # as a file's greatest value: it says how many bits there are, no more
SIGNIFICANT_BITS = "significant bits"  # place in an image's ``info`` for what a PNG's sBIT says
STRIP_PIXELS = 2**20  # brought to RGB at a time: a few MB beside the decoded photo


def upright_rgb(image: Image.Image) -> Image.Image:
    """Turn an image as its EXIF orientation says and convert it to RGB; the image stays as it is.

    Greys of more than 8 bits are brought to 8, see `image_tones`, transparency is laid on white.

    Raises:
        InputError: its values have no meaning as greys.
    """
    tones = image_tones(image)
    return _rgb(ImageOps.exif_transpose(image), tones)


def rgb_strips(
    image: Image.Image, tones: Tones | None, multiple: int = 1
) -> Iterator[tuple[int, Image.Image]]:
    """Convert an image to RGB as `upright_rgb` does, a strip at a time, as it is stored.

    So nothing is ever held twice. The strips' heights, but the last one's, are multiples of
    ``multiple``; ``tones`` are the image's own.

    Yields:
        the row that the strip begins at, and the strip.
    """
    for top, strip in _strips(image, multiple):
        yield top, _rgb(strip, tones)


def image_tones(image: Image.Image) -> Tones | None:
    """Say which values of an image are black and white; None where they are bytes already.

    Raises:
        InputError: its values have no meaning as greys.
    """
    if not _is_deep_grey(image):
        return None
    tags = getattr(image, "tag_v2", None) or {}
    kind = tags.get(SAMPLE_FORMAT, UNSIGNED if tags else WITH_SIGN)
    unsigned = image.mode == "I" and kind in (UNSIGNED, (UNSIGNED,))
    parts = (np.asarray(strip) for _, strip in _strips(image))
    inverted = tags.get(PHOTOMETRIC) == WHITE_IS_ZERO
    return find_tones(parts, _declared_white(image, tags), inverted, unsigned)


def _declared_white(image: Image.Image, tags: Mapping[int, object]) -> float | None:
    """Read what a file says of its greatest value; what says no more than its bits is nothing."""
    bits = image.info.get(SIGNIFICANT_BITS) or tags.get(BITS_PER_SAMPLE)
    stated = [tags.get(tag) for tag in (GREATEST_SAMPLE, GREATEST_VALUE)]
    stated = [value[0] if isinstance(value, tuple) and value else value for value in stated]
    for value in stated:
        if isinstance(value, int | float) and 0 < value < FULL_WHITE:
            return float(value)
    bits = bits[0] if isinstance(bits, tuple) and bits else bits
    return 2.0**bits - 1 if isinstance(bits, int) and 8 <= bits < 16 else None


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Say how wide and how high an image is once it is upright; its pixels are not read."""
    lies = image.getexif().get(ORIENTATION) in LYING
    return image.size[::-1] if lies else image.size


def stored_view(upright: np.ndarray, orientation: object) -> np.ndarray:
    """See an upright photo (H, W, 3) as its file stores it, to be written row by row.

    Args:
        upright: the photo.
        orientation: EXIF's value; whatever it doesn't define means upright.
    """
    down, across = FLIPS.get(orientation, (1, 1))
    flipped = upright[::down, ::across]
    return flipped.swapaxes(0, 1) if orientation in LYING else flipped


def _strips(image: Image.Image, multiple: int = 1) -> Iterator[tuple[int, Image.Image]]:
    image.load()
    width, height = image.size
    rows = max(1, STRIP_PIXELS // width // multiple) * multiple
    for top in range(0, height, rows):
        yield top, image.crop((0, top, width, min(top + rows, height)))


def _rgb(image: Image.Image, tones: Tones | None) -> Image.Image:
    if tones and _is_deep_grey(image):
        image = Image.fromarray(tones.levels(np.asarray(image)))
    elif image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    return image.convert("RGB")


def _is_deep_grey(image: Image.Image) -> bool:
    return image.mode.startswith("I;16") or image.mode in ("I", "F")
