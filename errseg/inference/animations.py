"""Which picture of a file with several is the photo: the first that shows something."""

from typing import BinaryIO

from PIL import GifImagePlugin, Image, PngImagePlugin, TiffImagePlugin, WebPImagePlugin

from errseg.inference.photo_kinds import BROKEN

FRAMES = 8  # of an animation that are looked at
LARGEST_LOOKED_AT = 4_000_000
"""Pixels: of larger animations the first frame is taken unseen, as each takes its time."""
BLANK = 8  # grey levels by which an empty frame may vary; lossy ones do
PAGES = "The file has several pages; the first one was taken."
_ANIMATED = (
    GifImagePlugin.GifImageFile.format,
    PngImagePlugin.PngImageFile.format,
    WebPImagePlugin.WebPImageFile.format,
    "AVIF",
)


def take_frame(image: Image.Image, frames: int) -> tuple[str, ...]:
    """Go to the first frame that isn't all of one colour, and say which one that is.

    Args:
        image: opened, not loaded.
        frames: how many the file has, as far as that is known.
    """
    if image.format == TiffImagePlugin.TiffImageFile.format:
        return (PAGES,) if getattr(image, "is_animated", False) else ()
    if image.format not in _ANIMATED or frames < 2:
        return ()
    number = 0
    if image.width * image.height <= LARGEST_LOOKED_AT:
        number = _first_seen(image, min(frames, FRAMES))
    if number:
        said = f"frame {number + 1} was taken, the first that isn't of one colour all over."
    else:
        said = "its first frame was taken."
    return (f"The photo is an animation; {said}",)


def _first_seen(image: Image.Image, frames: int) -> int:
    """Go to the first frame that shows something, or back to the first one; return its number."""
    number = 0
    try:
        for number in range(frames):
            image.seek(number)
            image.load()
            if not _is_blank(image):
                return number
    except BROKEN:
        pass  # what lies before is whole
    if number:
        image.seek(0)
    return 0


def _is_blank(image: Image.Image) -> bool:
    *colors, alpha = image.convert("RGBA").getextrema()
    return alpha[1] == 0 or all(most - least <= BLANK for least, most in colors)


def count_gif_frames(file: BinaryIO, most_words: int, most_pieces: int) -> int:
    """Count a GIF's pictures, up to `FRAMES`, as far as they are cheap to reach (GIF89a, 17 to 26).

    Args:
        file: at its beginning.
        most_words: bytes of comments and extensions after which the count ends.
        most_pieces: pieces of data likewise.
    """
    flags = file.read(13)[10:11]
    if not flags:
        return 0
    _skip_colors(file, flags[0])
    frames = words = pieces = 0
    while (block := file.read(1)) in (b",", b"!"):
        if block == b",":
            description = file.read(9)
            if len(description) < 9:
                break
            frames += 1
            if frames == FRAMES:
                break
            _skip_colors(file, description[8])
        file.read(1)  # the extension's label, or the bits of the picture's first code
        begin = file.tell()
        while (size := file.read(1)) not in (b"\0", b""):
            file.seek(size[0], 1)
            pieces += 1
            if pieces > most_pieces:
                return frames
        words += file.tell() - begin if block == b"!" else 0
        if words > most_words:
            break
    return frames


def _skip_colors(file: BinaryIO, flags: int) -> None:
    if flags & 0x80:
        file.seek(3 << ((flags & 7) + 1), 1)
