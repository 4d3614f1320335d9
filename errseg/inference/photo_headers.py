"""What a photo's file promises, looked at before anything of it is decoded.

A file of some KB can ask for minutes and gigabytes. Nothing here says that a file is valid: what is
broken is left to Pillow, which says so.
"""

import io
import struct
from dataclasses import dataclass
from typing import BinaryIO

from errseg.errors import InputError
from errseg.inference.animations import count_gif_frames
from errseg.inference.jpeg_headers import check_jpeg
from errseg.inference.tag_directories import check_tiff

JPEG_START, PNG_START = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
GIF_STARTS, BMP_START = (b"GIF87a", b"GIF89a"), b"BM"
TIFF_STARTS = tuple(order + kind for order in (b"II", b"MM") for kind in b"*\0 \0* +\0 \0+".split())
IHDR = struct.Struct(">16xLLBB")  # of a PNG: width, height, bits, colour type
DEEP_RGBA = [16, 6]
LARGEST_DEEP_RGBA = 25_000_000  # pixels: these unpack to 8 bytes each, 1.2 s for 40 million
MOST_CHUNKS = 50_000  # of a PNG: pictures of 400 MB in chunks of 8 KB
MOST_GIF_WORDS = 256 * 1024
"""Bytes of comments and extensions before a GIF's first picture; Pillow's time is their square."""
MOST_GIF_PIECES = 100_000  # of a GIF's data that are gone over to find further pictures: 25 MB
SIGNIFICANT = b"sBIT"  # the chunk of a PNG that says how many bits of a value count
START_BYTES = 512  # of a file by which its kind is told
BMP_RUN_LENGTHS = (1, 2)
MOST_RUN_LENGTHS = 2 * 10**6  # bytes of a compressed BMP, which Pillow decodes in Python


@dataclass(frozen=True)
class Header:
    """What is known of a file before it is opened as a picture."""

    start: bytes  # the first of its bytes
    significant_bits: int = 0  # of a PNG's greys, 0 if it doesn't say
    frames: int = 0  # of a GIF, as far as they were counted; 0 of other files


def check_header(file: BinaryIO) -> Header:
    """Refuse a file that can't be decoded in a bounded way, by what its header says.

    The size in pixels is not looked at, see `photo_files`.

    Raises:
        InputError: it asks for too much.
        OSError: the file can't be read.
    """
    length = file.seek(0, io.SEEK_END)
    file.seek(0)
    start, bits, frames = file.read(START_BYTES), 0, 0
    file.seek(0)
    if start.startswith(JPEG_START):
        check_jpeg(file.read())
    elif start.startswith(PNG_START):
        bits = _check_png(file, length)
    elif start.startswith(GIF_STARTS):
        _check_gif(file)
        file.seek(0)
        frames = count_gif_frames(file, MOST_GIF_WORDS, MOST_GIF_PIECES)
    elif start.startswith(BMP_START):
        _check_bmp(file, length)
    elif start.startswith(TIFF_STARTS):
        check_tiff(file, length)
    return Header(start, bits, frames)


def _check_png(file: BinaryIO, length: int) -> int:
    """Return how many bits of its greys count, by its sBIT, or 0."""
    bits = 0
    start = file.read(IHDR.size)
    if len(start) == IHDR.size:
        width, height, *kind = IHDR.unpack(start)
        if kind == DEEP_RGBA and width * height > LARGEST_DEEP_RGBA:
            raise InputError(
                "This PNG has 16 bits a channel and transparency; shrink it to "
                f"{LARGEST_DEEP_RGBA // 10**6} megapixels, or save it with 8 bits."
            )
    at = len(PNG_START)
    for _ in range(MOST_CHUNKS):
        file.seek(at)
        head = file.read(8)
        if len(head) < 8 or at > length:
            return bits
        size, kind = struct.unpack(">L4s", head)
        if kind == b"IEND":
            return bits
        if kind == SIGNIFICANT and size == 1:  # of greys, the only ones that have a single number
            bits = file.read(1)[0] if at + len(head) < length else 0
        at += 12 + size  # length, kind and checksum
    raise InputError("This PNG is cut into too many pieces; save it again.")


def _check_gif(file: BinaryIO) -> None:
    """Walk from the header over colours and extensions to the first picture (GIF89a, 17 to 26)."""
    flags = file.read(13)[10:11]
    if not flags:
        return
    if flags[0] & 0x80:
        file.seek(3 << ((flags[0] & 7) + 1), 1)
    begin = file.tell()
    while (block := file.read(1)) not in (b",", b";", b""):
        if block == b"!":
            file.read(1)  # the extension's label
            while (size := file.read(1)) not in (b"\0", b""):
                file.seek(size[0], 1)
        if file.tell() - begin > MOST_GIF_WORDS:
            raise InputError("This GIF has too much before its picture; save it again as a PNG.")


def _check_bmp(file: BinaryIO, length: int) -> None:
    compression = file.read(34)[30:]
    if (
        len(compression) == 4
        and struct.unpack("<L", compression)[0] in BMP_RUN_LENGTHS
        and length > MOST_RUN_LENGTHS
    ):
        raise InputError("This BMP is compressed; save it again as a PNG.")
