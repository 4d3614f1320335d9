"""TIFF's directories of tags, which EXIF is made of too, before Pillow copies what they name."""

import io
import struct
from dataclasses import dataclass
from typing import BinaryIO

from errseg.errors import InputError

STRIPS, TILES, TILE_WIDTH, TILE_HEIGHT, COMPRESSION = 273, 324, 322, 323, 259
SUBFILE, SUB_DIRECTORIES, DNG_VERSION = 254, 330, 50706
REDUCED = 1  # the bit of the first that says: a smaller version of another picture in the file
CANON_RAW = b"CR"  # behind the header of Canon's raw files
COMPRESSIONS = {1, 2, 3, 4, 5, 7, 8, 32773, 32946}
"""None, CCITT, LZW, JPEG, Deflate, PackBits: what photos and scans have; LZMA takes seconds."""
BIG = 43  # BigTIFF's version, 42 is TIFF's
EXIF_NAME = b"Exif\0\0"
FURTHER_DIRECTORIES = (34665, 34853, 40965)  # EXIF, GPS, interoperability: Pillow reads them too
SIZES = {
    **{1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4},
    **{16: 8, 17: 8, 18: 8},
}
"""Bytes of a value, by its type."""
WHOLE_NUMBERS = {3: "H", 4: "L", 13: "L", 16: "Q", 18: "Q"}  # types of sizes and places
MOST_TAGS = 2**16  # that can be told apart
MOST_TAG_BYTES = 64 * 10**6
"""Bytes of all values together: a file may name the same ones many times, and each is a copy."""
MOST_PIECES = 200_000  # strips or tiles: tiles of 16 x 16 over 40 megapixels
LARGEST_TILE = 16 * 10**6  # pixels; tiles of photos have 256 x 256 to 1024 x 1024


@dataclass(frozen=True)
class _Values:
    count: int
    first: int  # 0 where it isn't a whole number in the directory itself


def check_exif(exif: bytes) -> None:
    """Refuse EXIF data whose first directory names far more than there is.

    Raises:
        InputError: it does.
    """
    data = exif.removeprefix(EXIF_NAME)
    file = io.BytesIO(data)
    order, big, offset = _header(file)
    if order:
        _check_directory(file, len(data), order, big, offset)


def check_tiff(file: BinaryIO, length: int) -> None:
    """Refuse a TIFF whose decoding would have no bound.

    Raises:
        InputError: it has too many strips or tiles, too large ones, a rare compression, names far
            more than there is, or is a camera's raw file, whose first picture is a preview.
    """
    order, big, offset = _header(file)
    if not order:
        return
    tags = _check_directory(file, length, order, big, offset)
    nothing = _Values(0, 0)
    preview = tags.get(SUBFILE, nothing).first & REDUCED and SUB_DIRECTORIES in tags
    file.seek(8)
    if preview or DNG_VERSION in tags or file.read(len(CANON_RAW)) == CANON_RAW:
        raise InputError("This is a camera's raw file; develop it to a JPEG first.")
    if max(tags.get(tag, nothing).count for tag in (STRIPS, TILES)) > MOST_PIECES:
        raise InputError("This TIFF is cut into too many pieces; save it again as a PNG.")
    if tags.get(TILE_WIDTH, nothing).first * tags.get(TILE_HEIGHT, nothing).first > LARGEST_TILE:
        raise InputError("The tiles of this TIFF are too large; save it again as a PNG.")
    if tags.get(COMPRESSION, _Values(1, 1)).first not in COMPRESSIONS:
        raise InputError("This TIFF is compressed in a rare way; save it again as a PNG.")
    for tag in FURTHER_DIRECTORIES:
        if tag in tags:
            _check_directory(file, length, order, big, tags[tag].first)


def _header(file: BinaryIO) -> tuple[str, bool, int]:
    """Read the byte order, "" if there is none, whether this is BigTIFF, and the directory."""
    header = file.read(16).ljust(16, b"\0")
    order = {b"II": "<", b"MM": ">"}.get(header[:2], "")
    big = header[2] == BIG  # as Pillow sees it
    (offset,) = struct.unpack_from(f"{order}Q" if big else f"{order}L", header, 8 if big else 4)
    return order, big, offset


def _check_directory(
    file: BinaryIO, length: int, order: str, big: bool, offset: int
) -> dict[int, _Values]:
    counting, entry = (f"{order}Q", f"{order}HHQ8s") if big else (f"{order}H", f"{order}HHL4s")
    try:
        file.seek(offset)
        (entries,) = struct.unpack(counting, file.read(struct.calcsize(counting)))
    except (OSError, ValueError, OverflowError, struct.error):
        return {}  # the decoder says what is wrong
    rows = file.read(min(entries, MOST_TAGS) * struct.calcsize(entry))
    whole = len(rows) - len(rows) % struct.calcsize(entry)
    tags, named = {}, 0
    for tag, kind, count, value in struct.iter_unpack(entry, rows[:whole]):
        size = count * SIZES.get(kind, 0)
        named += size if len(value) < size <= length else 0
        whole_number = WHOLE_NUMBERS.get(kind) if size <= len(value) and count else None
        first = struct.unpack_from(order + whole_number, value)[0] if whole_number else 0
        other = tags.get(tag, _Values(0, 0))  # named twice: who decodes may believe either
        tags[tag] = _Values(max(count, other.count), max(first, other.first))
    if named > max(MOST_TAG_BYTES, length):
        raise InputError("What this photo says about itself is damaged; save it again.")
    return tags
