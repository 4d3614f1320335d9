"""Class colours: what people expect, stable for a name, told apart by any kind of sight."""

import functools
import hashlib
import json
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from errseg.pictures.everyday import EVERYDAY, Color, everyday_word

NONE_COLOR = (112, 112, 112)
"""Of pixels without a class. The greys among the class colours are lighter, see `everyday`."""
_SALT = b"121734"  # of the hash that picks a colour; another gives every other name another colour
_SAFE_DISTANCE = 0.076  # told apart at a glance, in OKLab; 12 and more classes have room for it
_SPARE_LEVELS = 12  # per channel, in the grid of further colours
_SPARE_LIGHTNESS = (0.3, 0.95)  # of OKLab, in that grid: neither near-black nor near-white
_LIKENESS = (0.5, 1, 1)  # of OKLab's axes: a lighter or darker green is still green
_REMEMBERED = 256  # colours whose distances are: 3 MB; the page colours 150 words again and again
_LUMA = (0.2126, 0.7152, 0.0722)  # ITU-R BT.709


def class_color(name: str) -> Color:
    """Choose the colour of a class when nothing else wants it, by its name alone.

    The name is normalised (NFC, white space collapsed, case folded). An everyday word has the
    colour that people expect (`errseg.pictures.everyday`); any other is hashed with BLAKE2b, and
    the hash picks one of a palette's 64 colours.
    """
    return class_colors([name])[0]


def class_colors(names: Sequence[str], areas: Sequence[float] | None = None) -> tuple[Color, ...]:
    """Choose colours for classes that are shown together: stable for each name, and told apart.

    The names take turns. First come everyday words that are present, in their table's order, then
    the others that are present, largest first and equal ones by name, then the absent ones. Each
    takes its own colour (`class_color`) if that keeps a safe distance from every colour taken
    before, otherwise the one that looks most like it among those that do; if none does, the free
    colour that is farthest from all those taken. Safe is measured by the least of the OKLab
    distances for normal sight and for sight without green and without red cones, likeness for
    normal sight, with lightness at half its weight. Everyday words, and names beyond the palette's
    64 colours, may also take the colours of a finer grid.

    So an absent name changes no colour of a present one, the order of the names changes nothing,
    a name keeps its colour unless a class shown with it is too near, and up to about 12 classes
    can be told apart with any of the three kinds of sight. With more they differ as much as
    possible, and shapes and labels must help. No two of `MAX_CLASSES` names share a colour.

    Args:
        names: T of them; equal names have equal colours.
        areas: what each covers, in pixels or shares; 0 is absent. Without it all are present and
            equally large.

    Returns:
        the T colours.
    """
    wanted = _turns(names, [1.0] * len(names) if areas is None else areas)
    candidates, seen = _candidates()
    # How far each candidate is from the nearest colour taken, 0 for those taken themselves.
    distance = np.full(len(candidates), np.inf)
    chosen: dict[str, Color] = {}
    for key, own in wanted.items():
        slot = own if distance[own] >= _SAFE_DISTANCE else _stand_in(own, distance, seen)
        distance = np.minimum(distance, _distances(slot))
        chosen[key] = tuple(candidates[slot].tolist())
    return tuple(chosen[_normalize(name)] for name in names)


def ink_color(color: Color) -> Color:
    """Return black or white, whichever contrasts more with the colour (WCAG 2 contrast ratio)."""
    luminance = float(_linear(np.array(color)) @ np.array(_LUMA))
    return (255, 255, 255) if 1.05 / (luminance + 0.05) > (luminance + 0.05) / 0.05 else (0, 0, 0)


def hex_color(color: Color) -> str:
    """Write a colour as ``#rrggbb``."""
    return "#{:02x}{:02x}{:02x}".format(*color)


def _normalize(name: str) -> str:
    return " ".join(unicodedata.normalize("NFC", name).split()).casefold()


def _turns(names: Sequence[str], areas: Sequence[float]) -> dict[str, int]:
    """Say in which order names take their colours, and which candidate each wants."""
    covered: dict[str, float] = {}
    for name, area in zip(names, areas, strict=True):
        key = _normalize(name)
        covered[key] = covered.get(key, 0) + area
    ranks = {word: rank for rank, word in enumerate(EVERYDAY)}
    palette = len(_table("palette"))
    turns = []
    for key, area in covered.items():
        word = everyday_word(key)
        if word is None:
            digest = hashlib.blake2b(key.encode(), digest_size=8, salt=_SALT).digest()
            number = int.from_bytes(digest)
            turns.append(((area <= 0, 1, -area, key), number % palette))
        else:
            # The word itself goes before its synonyms.
            rank = ranks[word]
            turns.append(((area <= 0, 0, rank, key != word, key), palette + rank))
    return {order[-1]: own for order, own in sorted(turns)}


def _stand_in(own: int, distance: np.ndarray, seen: np.ndarray) -> int:
    """Choose another candidate for a name whose own colour is taken or too near one that is."""
    palette = len(_table("palette"))
    # An everyday word has to look like itself, so the whole grid is open to it.
    room = distance[:palette] if own < palette and distance[:palette].max() > 0 else distance
    safe = np.flatnonzero(room >= _SAFE_DISTANCE)
    if not safe.size:
        return int(room.argmax())
    unlike = (seen[0, safe] - seen[0, own]) * _LIKENESS
    return int(safe[np.linalg.norm(unlike, axis=-1).argmin()])


@functools.cache
def _table(name: str) -> np.ndarray:
    """Read a table of `colors.json`.

    `palette`: 64 colours picked one after the other from a grid over RGB (OKLab lightness
    0.34..0.91, chroma 0.08..0.24: neither black, white nor grey), each as far as possible from
    those before it by the sum of `_distances` and 0.4 times the distance for normal sight.

    `deuteranopia`, `protanopia`: from linear RGB to what people without green and without red cones
    see of it: Machado, Oliveira and Fernandes, "A Physiologically-based Model for Simulation of
    Color Vision Deficiency" (2009).

    `cones`, `oklab`: from linear RGB to cone responses and on to OKLab: Ottosson, "A perceptual
    color space for image processing" (2020).
    """
    return np.array(json.loads(Path(__file__).with_suffix(".json").read_text("utf-8"))[name])


@functools.cache
def _candidates() -> tuple[np.ndarray, np.ndarray]:
    """List all colours that a class may have (N, 3), and what is seen of them (3, N, 3).

    First the palette's, then the everyday words', then those of a grid that are neither near-black
    nor near-white nor like pixels without a class. There are more of them than `MAX_CLASSES`.
    """
    first = np.concatenate([_table("palette"), np.array(list(EVERYDAY.values()))])
    levels = np.linspace(0, 255, _SPARE_LEVELS).round().astype(int)
    grid = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(-1, 3)
    lab, none = _oklab(_linear(grid)), _oklab(_linear(np.array(NONE_COLOR)))
    least, most = _SPARE_LIGHTNESS
    usable = (lab[:, 0] > least) & (lab[:, 0] < most)
    usable &= np.linalg.norm(lab - none, axis=-1) >= _SAFE_DISTANCE
    usable &= ~(grid[:, None] == first).all(axis=-1).any(axis=1)
    colors = np.concatenate([first, grid[usable]])
    return colors, _seen(colors)


def _seen(rgb: np.ndarray) -> np.ndarray:
    """Turn colours (N, 3) to OKLab (3, N, 3): normal sight, without green and without red cones."""
    linear = _linear(rgb)
    sights = (np.eye(3), _table("deuteranopia"), _table("protanopia"))
    return np.stack([_oklab(np.clip(linear @ sight.T, 0, 1)) for sight in sights])


@functools.lru_cache(_REMEMBERED)
def _distances(slot: int) -> np.ndarray:
    """Find the least distance over the three sights of all candidates (N) from one of them."""
    seen = _candidates()[1]
    apart = seen - seen[:, slot, None]
    return np.sqrt(np.einsum("snc,snc->sn", apart, apart).min(axis=0))


def _linear(rgb: np.ndarray) -> np.ndarray:
    """Remove the sRGB gamma: 0..255 to 0..1."""
    scaled = rgb / 255
    return np.where(scaled <= 0.04045, scaled / 12.92, ((scaled + 0.055) / 1.055) ** 2.4)


def _oklab(linear: np.ndarray) -> np.ndarray:
    """Turn linear RGB (..., 3) to OKLab, in which distance is how different colours look."""
    return np.cbrt(linear @ _table("cones").T) @ _table("oklab").T
