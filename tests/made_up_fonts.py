"""Tiny fonts in which every character is a block, so that no test depends on a machine's fonts."""

from pathlib import Path

from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import TTCollection, TTFont

EM = 1000


def made_up_font(characters: str, family: str = "Made Up", colored: bool = False) -> TTFont:
    """A font of the characters, each a block as wide as it is high."""
    names = {ord(character): f"u{ord(character):05X}" for character in characters}
    builder = FontBuilder(EM)
    builder.setupGlyphOrder([".notdef", *names.values()])
    builder.setupCharacterMap(names)
    pen = TTGlyphPen(None)
    pen.moveTo((100, 0))
    for corner in ((100, 800), (900, 800), (900, 0)):
        pen.lineTo(corner)
    pen.closePath()
    block = pen.glyph()
    builder.setupGlyf(dict.fromkeys([".notdef", *names.values()], block))
    builder.setupHorizontalMetrics(dict.fromkeys([".notdef", *names.values()], (EM, 100)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": family, "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    if colored:
        builder.setupCOLR({name: [(".notdef", 0)] for name in names.values()})
        builder.setupCPAL([[(1.0, 0.0, 0.0, 1.0)]])
    return builder.font


def write_font(file: Path, characters: str, **settings) -> Path:
    made_up_font(characters, **settings).save(file)
    return file


def write_collection(file: Path, *faces: str) -> Path:
    """Write a collection (.ttc) of one font for each string of characters."""
    collection = TTCollection()
    collection.fonts = [made_up_font(face, f"Made Up {i}") for i, face in enumerate(faces)]
    collection.save(file)
    return file
