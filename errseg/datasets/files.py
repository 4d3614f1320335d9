"""Files that a data set consists of: photos and masks by their stems, lists of stems, masks.

Whatever program wrote them: endings in upper or lower case, lists in any Unicode encoding and with
any line ends, names with or without folder and ending.
"""

import codecs
import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from errseg.errors import InputError

PHOTO_ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
MASK_ENDINGS = (".png", ".tif", ".tiff", ".bmp")
INDEX_MODES = ("1", "L", "P", "I;16", "I;16B", "I")
"""Pillow's modes that can hold an index: of 1 or 8 bits, of a palette, of 16 bits."""
BYTE = 256  # values that 8 bits can hold
LARGEST_VALUE = 65_535  # of 16 bits
STRETCHED = {"L;2": 85, "L;4": 17}
"""Greys of 2 and 4 bits, which Pillow stretches to 0..255 as it reads them, and by how much."""


def by_stem(folder: Path, endings: Sequence[str], what: str) -> dict[str, str]:
    """List a folder's files with some endings, upper or lower case: stem -> file name, by stem.

    Args:
        folder: the folder; hidden files in it don't count.
        endings: in lower case, with their dots.
        what: what the files are, for the message: "photos", "masks".

    Raises:
        InputError: there is no such folder, or two of the files have one stem.
    """
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}, where {what} are expected.")
    found: dict[str, str] = {}
    for name in sorted(os.listdir(folder)):
        stem, ending = os.path.splitext(name)
        if name.startswith(".") or ending.lower() not in endings:
            continue
        if stem in found:
            raise InputError(
                f"{folder} holds two {what} named {stem}: {found[stem]} and {name}; rename one."
            )
        found[stem] = name
    return found


def read_text(path: Path) -> str:
    """Read a text file in UTF-8, with or without a byte order mark, or in UTF-16 with one.

    Raises:
        InputError: there is no such file, or it is no such text.
    """
    try:
        content = path.read_bytes()
        wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        return content.decode("utf-16" if wide else "utf-8-sig")
    except OSError as error:
        raise InputError(f"There is no file {path} that can be read.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no text in UTF-8 or UTF-16.") from error


def read_list(path: Path, stems: Collection[str]) -> list[str]:
    """Read a list of photos, one a line, as their stems, in the list's order and each once.

    A line may say a stem, a file's name or its path, and more behind white space.

    Args:
        path: the list.
        stems: what there is.

    Raises:
        InputError: the list can't be read, or names what there isn't.
    """
    lines = [line.strip() for line in read_text(path).splitlines()]
    found = {line: _stem(line, stems) for line in lines if line}
    if missing := [line for line, stem in found.items() if stem is None]:
        raise InputError(f"{path} lists {some(missing)}, of which there is no photo with a mask.")
    return list(dict.fromkeys(found.values()))


def _stem(line: str, stems: Collection[str]) -> str | None:
    """Return the one of the stems that a line of a list means."""
    for text in (line, line.split(maxsplit=1)[0]):
        name = PurePosixPath(text.replace("\\", "/")).name
        for said in (text, name, PurePosixPath(name).stem):
            if said in stems:
                return said
    return None


def some(names: Sequence[str], shown: int = 3) -> str:
    """Name the first few of many."""
    more = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {more:,} more" if more > 0 else "")


@contextmanager
def open_image(path: Path) -> Iterator[Image.Image]:
    """Open an image file for a `with` block that decodes it; `InputError` if that fails."""
    try:
        with Image.open(path) as image:
            yield image
    except InputError:
        raise
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{path} can't be read as an image.") from error


def read_index_mask(path: Path) -> Image.Image:
    """Read a mask that holds one index a pixel, as a palette image or as grey of 1 to 16 bits.

    Returns:
        The indices, see `mask_image`.

    Raises:
        InputError: it is no such mask.
    """
    with open_image(path) as mask:
        if mask.mode not in INDEX_MODES:
            raise InputError(
                f"{path} must be an index map of 8 or 16 bits, but its mode is {mask.mode}."
            )
        packing = mask.tile[0][3] if mask.tile else None  # how the file packs its pixels
        stretch = STRETCHED.get(packing if isinstance(packing, str) else "", 1)
        if mask.mode == "L" and stretch == 1:
            return mask.copy()
        return mask_image(np.asarray(mask).astype(np.int32) // stretch, path)


def mask_image(values: np.ndarray, path: Path) -> Image.Image:
    """Turn mask values (H, W) into an image: mode "L" where they fit 8 bits, else "I".

    Raises:
        InputError: a value is below 0, or over 16 bits; the message names the file.
    """
    for value in (values.min(initial=0), values.max(initial=0)):
        if not 0 <= value <= LARGEST_VALUE:
            raise InputError(
                f"{path} holds the value {value}; a mask's lie in 0 to {LARGEST_VALUE:,}."
            )
    return Image.fromarray(values.astype(np.uint8 if values.max(initial=0) < BYTE else np.int32))
