"""Class names in letters that can be read: fonts that have them, and names cut to a width.

DejaVu Sans, which matplotlib carries, writes European languages, Hebrew and Arabic. Other letters
are in the system's fonts, if in any. Text is laid out by matplotlib's own copy of libraqm, which
is in its every build: it joins and orders letters as their script asks, and takes from each font
the letters that those before it lack. (Pillow's needs FriBiDi to be on the system.)
"""

from __future__ import annotations

import collections
import functools
import itertools
import time
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:  # takes a moment, and only pictures with text need it
    from matplotlib.font_manager import FontPath
    from matplotlib.ft2font import FT2Font

MOST_FILES = 1000
"""Font files of the system that are looked at; a desktop has some hundreds."""
MOST_SECONDS = 3.0
"""For reading what characters they have; those not read by then are done without."""
STAND_IN_NOTE = "class N: see index N in result.json"
"""Beside a picture in which "class 7" stands for a name that no font here can write."""
ELLIPSIS = "…"
_LAST_CHOICES = ("bold", "italic", "oblique", "light", "thin", "black", "mono", "serif", "cond")
"""In a file's name: upright sans serifs of common weight and width are read before these."""
_FONTS_OF_BOXES = ("lastresort", "adobeblank", "bmpfallback", "notdef")
"""In a family's name without blanks: fonts that have a box or nothing for any character."""
_GUESSES = 4  # at where a name is cut, before the search is halved and halved again
_UNITS = 64  # of FreeType's measures, in a pixel
_REMEMBERED = 1024  # texts whose widths are
_KEYCAP = 0x20E3
_VARIATIONS = (range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))
_PICTOGRAPHS = range(0x1F000, 0x1FB00)  # Python's Unicode may not know the newest yet


@dataclass(frozen=True)
class Lettering:
    """A class's name as it is written: in one line, with fonts that have all of its characters."""

    text: str
    fonts: tuple[FontPath, ...]  # each for the characters that those before it lack
    size: float  # of an em, in pixels
    stand_in: bool  # "class N" stands for a name that no font has

    @functools.cached_property
    def width(self) -> float:
        """Pixels from the line's beginning to its end."""
        return self._measured(self.text)

    def shortened(self, width: float) -> Lettering:
        """Cut the name at its end, with an ellipsis, if it is wider than so many pixels.

        Where not even the ellipsis fits it is all that stays.
        """
        if self.width <= width:
            return self
        fits, narrow, too_long, wide = 0, 0.0, len(self.text), self.width
        for guess in itertools.count():
            if too_long - fits == 1:
                return replace(self, text=self._cut(fits))
            # Where the width is reached if all letters are alike; if they aren't, in the middle.
            share = (width - narrow) / (wide - narrow) if guess < _GUESSES else 0.5
            middle = fits + min(max(1, int(share * (too_long - fits))), too_long - fits - 1)
            measured = self._measured(self._cut(middle))
            if measured <= width:
                fits, narrow = middle, measured
            else:
                too_long, wide = middle, measured

    def drawn(self) -> np.ndarray:
        """Draw the name: (height, width) uint8, how much of each pixel is ink, 0 to 255.

        The height is that of a line of DejaVu Sans, the baseline where that has it; it is more
        where letters reach beyond the line.
        """
        ascent, descent = line(self.size)
        font = _opened(self.fonts, self.size)
        font.set_text(self.text)
        font.draw_glyphs_to_bitmap()
        ink = np.array(font.get_image())
        below = round(font.get_descent() / _UNITS)
        over, under = max(0, ascent + below - len(ink)), max(0, descent - below)
        return np.pad(ink, ((over, under), (0, 0)))

    def _cut(self, end: int) -> str:
        # A mark belongs to the letter before it, and goes with it.
        while end and unicodedata.category(self.text[end]).startswith("M"):
            end -= 1
        return self.text[:end].rstrip() + ELLIPSIS

    def _measured(self, text: str) -> float:
        return _width(text, self.fonts, self.size)


@functools.lru_cache(_REMEMBERED)
def _width(text: str, fonts: tuple[FontPath, ...], size: float) -> float:
    """Measure a text in pixels; the page writes the same names at each turn of a knob."""
    font = _opened(fonts, size)
    font.set_text(text)
    return font.get_width_height()[0] / _UNITS


class Fonts:
    """Fonts for any name: DejaVu Sans, then others where they have what it lacks.

    The other files are read once, when a name first needs them, and what characters they have is
    kept. Files that are no fonts, have no outlines (bitmaps, colours) or just the characters of one
    before them are passed over. One object may serve several threads.

    Args:
        files: font files and collections (.ttf, .otf, .ttc), those liked best first. None: those
            of the system, upright sans serifs first.
        most_seconds: for reading them; 0 leaves DejaVu Sans alone.
    """

    def __init__(
        self, files: Sequence[str | Path] | None = None, most_seconds: float = MOST_SECONDS
    ):
        self._files = files
        self._most_seconds = most_seconds

    def lettering(self, name: str, index: int, size: float) -> Lettering:
        """Choose how to write the name of a class, with an em of so many pixels.

        Emoji and other signs that no font has are left out where letters remain. Where a letter is
        in no font, or nothing to read remains, "class 7" stands for the name, 7 being the class's
        index in the vocabulary.
        """
        text = " ".join(name.split())
        fonts, missing = self._choose(text)
        stand_in = False
        if missing or all(unicodedata.category(character) == "Cf" for character in text):
            text = _without(missing, text)
            stand_in = not (all(map(_is_sign, missing)) and any(map(str.isalnum, text)))
        if stand_in:
            text = f"class {index}"
            fonts, _ = self._choose(text)
        return Lettering(text, fonts, size, stand_in)

    def _choose(self, text: str) -> tuple[tuple[FontPath, ...], set[str]]:
        """Find few fonts that together have a text's characters, and what none of them has."""
        path, characters = self._dejavu
        visible = {character for character in text if not character.isspace()}
        if characters.issuperset(map(ord, visible)):
            return (path,), set()
        having = {character: self._places(ord(character)) for character in visible}
        missing = {character for character, places in having.items() if not places}
        waiting = [places for places in having.values() if places]
        chosen = []
        while waiting:  # the font that has most of them, the earlier one of two as good
            counts = collections.Counter(itertools.chain.from_iterable(waiting))
            best = max(counts, key=lambda place: (counts[place], -place))
            chosen.append(self._table[0][best])
            waiting = [places for places in waiting if best not in places]
        return (*chosen, *(() if path in chosen else (path,))), missing  # it has the ellipsis

    def _places(self, code: int) -> frozenset[int]:
        """Find the places of the fonts that have a character."""
        _, codes, owners = self._table
        first, end = np.searchsorted(codes, (code, code + 1))
        return frozenset(owners[first:end].tolist())

    @functools.cached_property
    def _dejavu(self) -> tuple[FontPath, frozenset[int]]:
        [(path, codes)] = _faces(_dejavu_file())
        return path, frozenset(codes.tolist())

    @functools.cached_property
    def _table(self) -> tuple[list[FontPath], np.ndarray, np.ndarray]:
        """Read all fonts: their paths, and pairs of a character and a font's place, in order."""
        started = time.monotonic()
        paths, seen = [], {}  # what fonts have -> place; of equal ones the first is enough
        files = _system_files() if self._files is None else self._files
        for place, file in enumerate([_dejavu_file(), *files[:MOST_FILES]]):
            if place and time.monotonic() - started >= self._most_seconds:
                break
            for path, codes in _faces(file):
                if seen.setdefault(codes.tobytes(), len(paths)) == len(paths):
                    paths.append(path)
        sizes = [len(data) // np.dtype(np.uint32).itemsize for data in seen]
        codes = np.frombuffer(b"".join(seen), np.uint32)
        owners = np.repeat(np.arange(len(sizes), dtype=np.uint16), sizes)
        order = np.argsort(codes, kind="stable")
        return paths, codes[order], owners[order]


@functools.cache
def system_fonts() -> Fonts:
    """Return the fonts of this machine, of which a process reads the files once."""
    return Fonts()


def line(size: float) -> tuple[int, int]:
    """Return how far a line of DejaVu Sans reaches above and below the baseline, in pixels."""
    ascender, descender = _dejavu_line()
    return int(np.ceil(ascender * size)), int(np.ceil(descender * size))


@functools.cache
def _dejavu_line() -> tuple[float, float]:
    from matplotlib.ft2font import FT2Font

    font = FT2Font(_dejavu_file())
    return font.ascender / font.units_per_EM, -font.descender / font.units_per_EM


def _dejavu_file() -> str:
    import matplotlib  # takes a moment, and only pictures with text need it

    return f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf"


def _system_files() -> list[str]:
    from matplotlib.font_manager import findSystemFonts

    def likes(file: str) -> tuple[int, str]:
        name = Path(file).stem.casefold()
        return sum(word in name for word in _LAST_CHOICES), file

    return sorted(findSystemFonts(), key=likes)


def _faces(file: str | Path) -> list[tuple[FontPath, np.ndarray]]:
    """Read a file's fonts that have outlines, each with its characters (N) uint32 in order."""
    from matplotlib.font_manager import FontPath
    from matplotlib.ft2font import FaceFlags, FT2Font

    found = []
    try:
        for index in range(FT2Font(file).num_faces):
            font = FT2Font(file, face_index=index)
            family = (font.family_name or "").replace(" ", "").casefold()
            outlines = font.scalable and not font.face_flags & FaceFlags.COLOR
            if outlines and not any(word in family for word in _FONTS_OF_BOXES):
                codes = np.sort(np.fromiter(font.get_charmap(), np.uint32))
                found.append((FontPath(str(file), index), codes))
    except (OSError, RuntimeError, ValueError):  # what FreeType says to a file that is no font
        return found
    return found


def _opened(fonts: tuple[FontPath, ...], size: float) -> FT2Font:
    """Open fonts as one; matplotlib keeps them open, for each thread its own."""
    from matplotlib.font_manager import get_font

    font = get_font(fonts)
    font.set_size(size, 72)  # dots per inch at which a point is a pixel
    return font


def _without(missing: set[str], text: str) -> str:
    """Leave characters out, and words of which no letter or digit is left then."""
    words = []
    for word in text.split():
        rest = "".join(character for character in word if character not in missing)
        if rest == word or any(map(str.isalnum, rest)):
            words.append(rest)
    return " ".join(words)


def _is_sign(character: str) -> bool:
    """Tell whether a character is an emoji, a symbol or invisible: no part of a word."""
    code, category = ord(character), unicodedata.category(character)
    return (
        category in ("Sm", "Sc", "Sk", "So", "Cf")
        or code == _KEYCAP
        or code in _PICTOGRAPHS
        or any(code in variations for variations in _VARIATIONS)
    )
