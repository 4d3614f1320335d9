"""TIFF's directories of tags, which EXIF is made of too, before Pillow copies what they name."""

import io
import struct
from typing import BinaryIO

from errseg.errors import InputError

STRIPS, TILES, TILE_WIDTH, TILE_HEIGHT, COMPRESSION = 273, 324, 322, 323, 259
COMPRESSIONS = {1, 2, 3, 4, 5, 7, 8, 32773, 32946}
"""None, CCITT, LZW, JPEG, Deflate, PackBits: what photos and scans have; LZMA takes seconds."""
BIG = 43  # BigTIFF's version, 42 is TIFF's
EXIF_NAME = b"Exif\0\0"
SIZES = (0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 8, 8)  # bytes of a value, by its type
MOST_TAG_BYTES = 64 * 10**6
"""Bytes of all values together: a file may name the same ones many times, and each is a copy."""
MOST_PIECES = 200_000  # strips or tiles: tiles of 16 x 16 over 40 megapixels
LARGEST_TILE = 16 * 10**6  # pixels; tiles of photos have 256 x 256 to 1024 x 1024


def check_tags(file: BinaryIO, length: int) -> dict[int, tuple[int, int]]:
    """Refuse a first directory that names far more data than there is.

    Args:
        file: at the directory's header; what isn't valid is left to the decoder.
        length: bytes of the file.

    Returns:
        tag -> how many values it has, and the first of them where that stands in the directory.

    Raises:
        InputError: there is too much of it.
    """
    header = file.read(16)
    order = {b"II": "<", b"MM": ">"}.get(header[:2])
    if order is None or len(header) < 8:
        return {}
    big = header[2] == BIG  # as Pillow sees it
    offset, counting, entry = ("Q", "Q", "HHQ8s") if big else ("L", "H", "HHL4s")
    start, counting, entry = 8 if big else 4, f"{order}{counting}", f"{order}{entry}"
    try:
        file.seek(struct.unpack_from(order + offset, header, start)[0])
        (entries,) = struct.unpack(counting, file.read(struct.calcsize(counting)))
        rows = file.read(min(entries, 2**16) * struct.calcsize(entry))
    except (OSError, OverflowError, struct.error):
        return {}
    tags, named = {}, 0
    whole = len(rows) - len(rows) % struct.calcsize(entry)
    for tag, kind, count, value in struct.iter_unpack(entry, rows[:whole]):
        size = count * (SIZES[kind] if kind < len(SIZES) else 0)
        named += size if len(value) < size <= length else 0
        width = {3: "H", 4: "L"}.get(kind)
        first = struct.unpack_from(order + width, value)[0] if width and count == 1 else 0
        others = tags.get(tag, (0, 0))  # named twice: who decodes may believe either
        tags[tag] = max(count, others[0]), max(first, others[1])
    if named > max(MOST_TAG_BYTES, length):
        raise InputError("What this photo says about itself is damaged; save it again.")
    return tags


def check_exif(exif: bytes) -> None:
    """Refuse EXIF data that names far more than there is, see `check_tags`."""
    data = exif.removeprefix(EXIF_NAME)
    check_tags(io.BytesIO(data), len(data))


def check_tiff(file: BinaryIO, length: int) -> None:
    """Refuse a TIFF whose decoding would have no bound.

    Raises:
        InputError: it has too many strips or tiles, too large ones, or a rare compression.
    """
    tags = check_tags(file, length)
    if max(tags.get(tag, (0, 0))[0] for tag in (STRIPS, TILES)) > MOST_PIECES:
        raise InputError("This TIFF is cut into too many pieces; save it again as a PNG.")
    if tags.get(TILE_WIDTH, (0, 0))[1] * tags.get(TILE_HEIGHT, (0, 0))[1] > LARGEST_TILE:
        raise InputError("The tiles of this TIFF are too large; save it again as a PNG.")
    if tags.get(COMPRESSION, (1, 1))[1] not in COMPRESSIONS:
        raise InputError("This TIFF is compressed in a rare way; save it again as a PNG.")
