"""What a file is that is no photo of a kind that is read: its name, and what to do with it.

And what Pillow raises for files of the kinds that are read, when they are broken.
"""

import importlib.util
import struct

HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"heif"}
AVIF_BRANDS = {b"avif", b"avis"}
MOST_BRANDS = 64  # in a file's first box; real ones have some ten
HEIC_READER = "pillow_heif"
"""The optional package that reads HEIC; its name in pip has a hyphen."""
BROKEN = (
    *(OSError, SyntaxError, ValueError, ArithmeticError, LookupError, TypeError, EOFError),
    RuntimeError,  # libavif's
    struct.error,
)
"""What Pillow raises for broken files."""

_AS_JPEG = "save it as a JPEG or PNG first"
_STARTS = (
    (b"%PDF", f"a PDF; {_AS_JPEG}"),
    (b"8BPS", f"a Photoshop file; {_AS_JPEG}"),
    (b"\xff\x0a", f"a JPEG XL photo; {_AS_JPEG}"),
    (b"\0\0\0\x0cJXL ", f"a JPEG XL photo; {_AS_JPEG}"),
    (b"\0\0\0\x0cjP  ", f"a JPEG 2000 photo; {_AS_JPEG}"),
    (b"\xff\x4f\xff\x51", f"a JPEG 2000 photo; {_AS_JPEG}"),
    (b"v/1\x01", f"an OpenEXR picture; {_AS_JPEG}"),
    (b"PK\x03\x04", "a ZIP; unpack it and give one of its photos"),
    (b"version https://git-lfs", "a Git LFS pointer; fetch the photo with: git lfs pull"),
)
_PAGES = (b"<!doctype html", b"<html")
_DRAWINGS = (b"<svg", b"<?xml")
_RAW = (b"IIU\0", b"IIRO", b"IIRS", b"FUJIFILMCCD-RAW")  # Panasonic, Olympus, Fujifilm


def brands(start: bytes) -> set[bytes]:
    """Read the brands of an ISO media file (HEIC, AVIF, videos); none of another file."""
    if start[4:8] != b"ftyp":
        return set()
    (length,) = struct.unpack(">L", start[:4])
    listed = start[16 : min(length, 16 + 4 * MOST_BRANDS)]
    return {start[8:12], *(listed[at : at + 4] for at in range(0, len(listed) - 3, 4))}


def is_heic(start: bytes) -> bool:
    """Tell whether a file begins as HEIC does, and not as AVIF."""
    found = brands(start)
    return not found & AVIF_BRANDS and bool(found & HEIC_BRANDS)


def reads_heic() -> bool:
    """Tell whether the optional package is here."""
    return importlib.util.find_spec(HEIC_READER) is not None


def known_kind(start: bytes) -> str | None:
    """Say what a file is that is no photo for us, and what to do; None if that isn't known.

    Args:
        start: its first bytes, some hundred.
    """
    for bytes_, kind in _STARTS:
        if start.startswith(bytes_):
            return kind
    if start.startswith(_RAW):
        return "a camera's raw file; develop it to a JPEG first"
    found = brands(start)
    if found & AVIF_BRANDS:
        return "an AVIF photo, which this Pillow can't read: pip install --upgrade pillow"
    if found & HEIC_BRANDS:
        return (
            "a HEIC photo, as iPhones take them; save it as a JPEG, or install what reads it: "
            "pip install pillow-heif"
        )
    if found:
        return "a video; give one picture of it, as a JPEG or PNG"
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith(_PAGES):
        return "a web page; save the photo itself, not the page that shows it"
    if text.startswith(_DRAWINGS):
        return f"a drawing (SVG or XML); {_AS_JPEG}"
    return None
