"""Small files that ask for much, and large photos that are small files; made here, none is kept."""

import io
import struct
import zlib

from PIL import Image


def saved(image: Image.Image, format: str, **settings) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **settings)
    return file.getvalue()


def chunk(kind: bytes, data: bytes = b"") -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + checksum


def png(width: int, height: int, depth: int, color: int, extra: bytes = b"") -> bytes:
    """A PNG of this size, bit depth and colour type whose pixels are all zero."""
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[color]
    line = bytes(1 + (width * channels * depth + 7) // 8)
    packer = zlib.compressobj(1)
    pixels = b"".join([*(packer.compress(line) for _ in range(height)), packer.flush()])
    head = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    chunks = chunk(b"IHDR", head) + extra + chunk(b"IDAT", pixels) + chunk(b"IEND")
    return b"\x89PNG\r\n\x1a\n" + chunks


def with_chunks(photo: bytes, chunks: bytes) -> bytes:
    """A PNG with more behind its header."""
    return photo[:33] + chunks + photo[33:]


def segment(marker: int, data: bytes) -> bytes:
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(data) + 2) + data


def with_segments(photo: bytes, segments: bytes) -> bytes:
    """A JPEG with more behind its first marker."""
    return photo[:2] + segments + photo[2:]


def scans(side: int, count: int, components: int = 1) -> bytes:
    """A progressive JPEG of side x side whose scans say nothing, in some 100 bytes each.

    The DC scan has one code, "0" for no change; the AC scans have "0" for a run of up to 32,767
    blocks without values (T.81, G.1.2.2), and "10" for one of them.
    """
    blocks = ((side + 7) // 8) ** 2
    frame = struct.pack(">BHHB", 8, side, side, components)
    frame += b"".join(bytes([number + 1, 0x11, 0]) for number in range(components))
    parts = [b"\xff\xd8", segment(0xDB, bytes([0, *[16] * 64])), segment(0xC2, frame)]
    parts.append(segment(0xC4, bytes([0x00, 1, *[0] * 15, 0])))
    parts.append(segment(0xC4, bytes([0x10, 1, 1, *[0] * 14, 0xE0, 0x00])))
    runs, left = "", blocks
    while left >= 2**14:
        run = min(left, 2**15 - 1)
        runs, left = runs + "0" + format(run - 2**14, "014b"), left - run
    parts.append(segment(0xDA, bytes([1, 1, 0, 0, 0, 0])) + packed("0" * blocks))
    empty = segment(0xDA, bytes([1, 1, 0, 1, 63, 0])) + packed(runs + "10" * left)
    return b"".join([*parts, *[empty] * (count - 1), b"\xff\xd9"])


def packed(bits: str) -> bytes:
    """Entropy-coded data: filled up with ones, 0xFF escaped."""
    bits += "1" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\x00")


def lying_jpeg(width: int, height: int) -> bytes:
    """A whole JPEG of 96 x 64 whose header claims another size."""
    photo = bytearray(saved(Image.new("RGB", (96, 64), "red"), "JPEG"))
    at = photo.find(b"\xff\xc0") + 5
    photo[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(photo)


def tiff(tags: list[tuple[int, int, int, int]], rest: bytes = b"") -> bytes:
    """A little-endian TIFF, or EXIF data, of these tags: number, type, count, value or place."""
    rows = b"".join(struct.pack("<HHLL", *tag) for tag in tags)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + rows + bytes(4) + rest


def many_copies(tags: int, size: int) -> list[tuple[int, int, int, int]]:
    """Tags that all name the same bytes; each would be a copy of its own."""
    return [(40_000 + number, 7, size, 0) for number in range(tags)]
