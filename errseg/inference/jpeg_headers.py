"""What a JPEG promises, read from its markers before anything is decoded (ITU-T T.81, annex B)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from errseg.errors import InputError
from errseg.inference.tag_directories import EXIF_NAME, check_exif

MARKER = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")
"""What ends entropy-coded data: no escaped 0xFF, no fill byte, no restart."""
START_OF_IMAGE, END_OF_IMAGE, START_OF_SCAN, APP1, TEMPORARY = 0xD8, 0xD9, 0xDA, 0xE1, 0x01
SEQUENTIAL, PROGRESSIVE = (0xC0, 0xC1), 0xC2  # start of frame, Huffman-coded, as photos have it
OTHER_FRAMES = {*range(0xC3, 0xD0)} - {0xC4, 0xC8, 0xCC}  # lossless, arithmetic, hierarchical
MOST_SEGMENTS = 2000  # extended XMP of 10 MB has 160; Pillow keeps each and is slow
MOST_JUNK = 65_536  # bytes between the segments, which Pillow skips one by one
COEFFICIENT_BYTES = 128  # of a block of 8 x 8 in libjpeg
MOST_COEFFICIENTS = 200 * 10**6
"""Bytes: a JPEG in more than one scan is kept whole as coefficients, 3 bytes a pixel with the usual
halved colours, 6 without."""
MOST_BLOCKS = 16 * 10**6
"""Blocks of all scans together, each gone through once: libjpeg's own ten scans over 48 megapixels
with halved colours take 7 million, and the slowest kind takes 0.1 microseconds a block."""
SMALLEST_BLOCK = 2  # bits of a block in a sequential scan: a code for DC, a code for "no more"

UNUSUAL = "This JPEG is unusual inside; save it again as a plain JPEG or PNG."


@dataclass(frozen=True)
class _Frame:
    progressive: bool
    blocks: dict[int, int]  # component -> blocks of 8 x 8

    @property
    def coefficients(self) -> int:
        return sum(self.blocks.values()) * COEFFICIENT_BYTES


def check_jpeg(data: bytes) -> None:
    """Refuse a JPEG whose decoding would have no bound; what isn't valid is left to the decoder.

    Markers inside segments (the thumbnail in EXIF) are skipped; only the first picture of several
    is looked at.

    Raises:
        InputError: it has too many scans or segments, is too large for a progressive one, is of a
            kind that photos aren't, or is too short for its size.
    """
    frame, exif, blocks, several = None, b"", 0, False
    for marker, body in _segments(data):
        if marker in OTHER_FRAMES:
            raise InputError("This is a rare kind of JPEG; save the photo again as a plain JPEG.")
        if marker in (*SEQUENTIAL, PROGRESSIVE):
            if frame:
                raise InputError("This JPEG is damaged: it begins twice.")
            frame = _frame(marker == PROGRESSIVE, body)
        elif marker == APP1 and body.startswith(EXIF_NAME):
            exif += body[len(EXIF_NAME) :]
        elif marker == START_OF_SCAN:
            if frame is None or not body:
                return
            if not blocks:
                check_exif(exif)
                several = frame.progressive or body[0] < len(frame.blocks)
            if not several:
                if len(data) * 8 < sum(frame.blocks.values()) * SMALLEST_BLOCK:
                    raise InputError("This JPEG is damaged: it ends too early for its size.")
                return  # libjpeg stops at a second scan
            if frame.coefficients > MOST_COEFFICIENTS:
                raise InputError(
                    "This JPEG is progressive, in several scans, and too large for that; shrink "
                    "it to 30 megapixels, or save it again as a plain JPEG."
                )
            blocks += sum(frame.blocks.get(component, 0) for component in body[1::2][: body[0]])
            if blocks > MOST_BLOCKS:
                raise InputError(
                    "This JPEG has too many scans for its size; "
                    "save it again as a plain JPEG or PNG."
                )


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Walk to the end of the image as libjpeg does, over segments and entropy-coded data."""
    at, count, junk, scanned = 2, 0, 0, False
    while found := MARKER.search(data, at):
        marker = found[1][0]
        if marker == END_OF_IMAGE:
            return
        junk += 0 if scanned else found.start() - at
        count += 1
        if count > MOST_SEGMENTS or junk > MOST_JUNK:
            raise InputError(UNUSUAL)
        at = found.end()
        if marker in (START_OF_IMAGE, TEMPORARY):  # these have no length
            continue
        length = max(2, int.from_bytes(data[at : at + 2], "big"))
        yield marker, data[at + 2 : at + length]
        at += length
        scanned = scanned or marker == START_OF_SCAN
    if not scanned and len(data) - at > MOST_JUNK:
        raise InputError(UNUSUAL)


def _frame(progressive: bool, body: bytes) -> _Frame | None:
    height, width = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
    parts = [body[at : at + 3] for at in range(6, len(body) - 2, 3)]
    factors = [(part[1] >> 4, part[1] & 15) for part in parts]
    if not parts or any(not across or not down for across, down in factors):
        return None  # the decoder says what is wrong
    most_across, most_down = (max(side) for side in zip(*factors, strict=True))
    blocks = {}
    for part, (across, down) in zip(parts, factors, strict=True):
        columns = -(-width * across // (most_across * 8))
        rows = -(-height * down // (most_down * 8))
        blocks[part[0]] = blocks.get(part[0], 0) + columns * rows
    return _Frame(progressive, blocks)
