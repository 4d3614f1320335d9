"""Photos as people have them, and files that are no photos, for all that reads photos."""

import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

CHINA = Path(__file__).resolve().parent.parent / "examples" / "china.jpg"
ORIENTATION, GPS = 274, 0x8825

PHONE = "phone.jpg"
"""Stored lying, with the place where it was taken; upright it is 320 x 213."""
READABLE = ("cut out.png", "palette.gif", "print.jpg", "sixteen bit.png")
"""All 90 x 60."""
REFUSED = {
    "notes.jpg": "'notes.jpg' is not a photo that can be read",
    "empty.jpg": "'empty.jpg' is not a photo that can be read",
    "half.jpg": "'half.jpg' is damaged",
    "dot.png": "The photo is 1 x 1 pixels; each side needs at least 16",
    "huge.png": "is too large; shrink it to 40 megapixels",
}
"""File -> what is said of it."""


def write_odd_photos(folder: Path) -> dict[str, Path]:
    """Write them all to a folder: name -> path."""
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    exif[GPS] = {1: "N", 2: (52.0, 31.0, 12.0)}
    with Image.open(CHINA) as photo:
        photo.resize((320, 213)).rotate(90, expand=True).save(folder / "phone.jpg", exif=exif)
        small = photo.resize((90, 60))
    with Image.open(folder / "phone.jpg") as photo:
        assert photo.getexif().get_ifd(GPS)
    for name, mode in (("cut out.png", "RGBA"), ("palette.gif", "P"), ("print.jpg", "CMYK")):
        small.convert(mode).save(folder / name)
    grey = np.asarray(small.convert("L")).astype(np.uint16)
    Image.fromarray(grey * 257).save(folder / "sixteen bit.png")
    (folder / "notes.jpg").write_text("milk, bread")
    (folder / "empty.jpg").write_bytes(b"")
    Image.new("RGB", (1, 1)).save(folder / "dot.png")
    whole = CHINA.read_bytes()
    (folder / "half.jpg").write_bytes(whole[: len(whole) // 2])
    size = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    (folder / "huge.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", zlib.compress(bytes(9)))
    )
    return {path.name: path for path in folder.iterdir()}


def chunk(kind: bytes, data: bytes) -> bytes:
    """Write a chunk of a PNG file."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
