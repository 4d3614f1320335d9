"""Class colours: a stable function of the name, told apart by any kind of sight."""

import functools
import hashlib
import json
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np

Color = tuple[int, int, int]  # red, green, blue, each 0..255

_SALT = b"121734"  # tried out: everyday words rarely collide, the sky is blue and grass is green
_SAFE_DISTANCE = 0.08  # told apart at a glance, in OKLab; 12 and more classes have room for it
_SPARE_LEVELS = 12  # per channel, in the grid of further colours for more than 64 classes
_LUMA = (0.2126, 0.7152, 0.0722)  # ITU-R BT.709


def class_color(name: str) -> Color:
    """Choose the colour of a class when nothing else wants it, by its name alone.

    The name is normalised (NFC, white space collapsed, case folded) and hashed with BLAKE2b; the
    hash picks one of a palette's 64 colours.
    """
    return class_colors([name])[0]


def class_colors(names: Sequence[str]) -> tuple[Color, ...]:
    """Choose colours for classes that are shown together: stable for each name, and told apart.

    The names take turns in the order of their hashes. Each takes its own colour (`class_color`)
    if that keeps a safe distance from every colour taken before, otherwise the nearest colour of
    the palette that does; if none does, the free colour that is farthest from all those taken.
    When the palette's 64 colours are used up the rest come from a finer grid, again each as far
    as possible from those taken. Distance is the least of the OKLab distances for normal sight
    and for sight without green and without red cones.

    So the result depends on the set of names only, not on their order, a name keeps its colour
    unless a class shown with it is too near, and up to about 12 classes can be told apart with
    any of the three kinds of sight. With more they differ as much as possible, and shapes and
    labels must help. For a vocabulary of hundreds pass the classes that CRM kept, or those
    present. The T colours are in the order of the T names; equal names have equal colours.
    """
    hashes = {
        key: int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8, salt=_SALT).digest())
        for key in map(_normalize, names)
    }
    ordered = sorted(hashes, key=lambda key: (hashes[key], key))
    palette, distances = _palette()
    nearest = np.full(len(palette), np.inf)  # distance of each slot from the colours taken
    chosen: dict[str, Color] = {}
    for key in ordered[: len(palette)]:
        preferred = hashes[key] % len(palette)
        safe = np.flatnonzero(nearest >= _SAFE_DISTANCE)
        slot = safe[distances[preferred, safe].argmin()] if safe.size else nearest.argmax()
        nearest = np.minimum(nearest, distances[slot])
        chosen[key] = tuple(palette[slot].tolist())

    if rest := ordered[len(palette) :]:
        spare = _spare_colors()
        seen = _seen(spare)
        nearest = _distances(seen, _seen(palette)).min(axis=1)
        for key in rest:
            slot = np.argmax(nearest)
            nearest = np.minimum(nearest, _distances(seen, seen[:, slot, None])[:, 0])
            chosen[key] = tuple(map(int, spare[slot]))
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
def _palette() -> tuple[np.ndarray, np.ndarray]:
    """Compute the palette (64, 3) and the distances between its colours (64, 64)."""
    seen = _seen(_table("palette"))
    return _table("palette"), _distances(seen, seen)


@functools.cache
def _spare_colors() -> np.ndarray:
    """Make more colours (N, 3) than `MAX_CLASSES`: a grid without near-black and near-white."""
    levels = np.linspace(0, 255, _SPARE_LEVELS).round()
    grid = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(-1, 3)
    lightness = _oklab(_linear(grid))[:, 0]
    return grid[(lightness > 0.3) & (lightness < 0.95)]


def _seen(rgb: np.ndarray) -> np.ndarray:
    """Turn colours (N, 3) to OKLab (3, N, 3): normal sight, without green and without red cones."""
    linear = _linear(rgb)
    sights = (np.eye(3), _table("deuteranopia"), _table("protanopia"))
    return np.stack([_oklab(np.clip(linear @ sight.T, 0, 1)) for sight in sights])


def _distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Find the least distance (N, M) over the three sights; colours as `_seen` gives them."""
    return np.linalg.norm(first[:, :, None] - second[:, None], axis=-1).min(axis=0)


def _linear(rgb: np.ndarray) -> np.ndarray:
    """Remove the sRGB gamma: 0..255 to 0..1."""
    scaled = rgb / 255
    return np.where(scaled <= 0.04045, scaled / 12.92, ((scaled + 0.055) / 1.055) ** 2.4)


def _oklab(linear: np.ndarray) -> np.ndarray:
    """Turn linear RGB (..., 3) to OKLab, in which distance is how different colours look."""
    return np.cbrt(linear @ _table("cones").T) @ _table("oklab").T
