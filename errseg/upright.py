"""Photos as people see them: upright, in colour, laid on white where they are see-through."""

from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageOps

ORIENTATION = 0x0112  # EXIF's tag of how the stored rows and columns lie
LYING = range(5, 9)  # its values that swap width and height
FLIPS = {
    **{1: (1, 1), 2: (1, -1), 3: (-1, -1), 4: (-1, 1)},
    **{5: (1, 1), 6: (1, -1), 7: (-1, -1), 8: (-1, 1)},
}
"""Its values -> steps through the upright photo's rows and columns, before any swap."""
STRIP_PIXELS = 2**20  # brought to RGB at a time: a few MB beside the decoded photo


def upright_rgb(image: Image.Image) -> Image.Image:
    """Turn an image as its EXIF orientation says and convert it to RGB; the image stays as it is.

    Greys of 16 bits are brought to 8, transparency is laid on white.
    """
    image = ImageOps.exif_transpose(image)
    return _rgb(image, _has_wide_greys(image))


def rgb_strips(image: Image.Image, multiple: int = 1) -> Iterator[tuple[int, Image.Image]]:
    """Convert an image to RGB as `upright_rgb` does, a strip at a time, as it is stored.

    So nothing is ever held twice. The strips' heights, but the last one's, are multiples of
    ``multiple``.

    Yields:
        the row that the strip begins at, and the strip.
    """
    wide = _has_wide_greys(image)
    for top, strip in _strips(image, multiple):
        yield top, _rgb(strip, wide)


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


def _rgb(image: Image.Image, wide: bool) -> Image.Image:
    if _is_deep_grey(image):
        values = np.asarray(image).astype(np.float64) / (257 if wide else 1)
        image = Image.fromarray(values.clip(0, 255).round().astype(np.uint8))
    elif image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    return image.convert("RGB")


def _has_wide_greys(image: Image.Image) -> bool:
    """Whether whole numbers go beyond 8 bits; a photo of 16 bits may be small already."""
    if not _is_deep_grey(image) or image.mode == "F":
        return False
    return any(np.asarray(strip).max(initial=0) > 255 for _, strip in _strips(image))


def _is_deep_grey(image: Image.Image) -> bool:
    return image.mode.startswith("I;16") or image.mode in ("I", "F")
