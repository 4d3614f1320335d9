"""Class colours: a stable function of the name, told apart by any kind of sight."""

from __future__ import annotations

import functools
import hashlib
import unicodedata
from collections.abc import Sequence

import numpy as np

Color = tuple[int, int, int]  # red, green, blue, each 0..255

# 64 colours picked one after the other from a grid over RGB (OKLab lightness 0.34..0.91, chroma
# 0.08..0.24: neither black, white nor grey), each as far as possible from those before it by the
# sum of `_distances` and 0.4 times the distance for normal sight.
_PALETTE = """
    0069d2 a5ff2d d20000 b4c3ff 69005a 87b45a 0f7869 ff4ba5 001ea5 69ffd2 a587ff c30fa5 5a2d00
    00a5b4 ffa5a5 ff4b0f 00962d 005a87 a50f4b 006900 00d2b4 a5d200 ffd287 c37869 965aff e10f78
    ff87d2 3c78a5 690fc3 ff875a 960078 003c69 0fa578 e14bd2 00f087 5af0ff 4bb4f0 965a4b 5a87d2
    005a3c a53cd2 a55a87 5a0087 87002d b487b4 c3c378 f08796 a59600 a50f00 69b496 a5782d f00f3c
    e196ff 004ba5 874b96 e12da5 3c3ce1 87e1c3 0fc300 ff4b69 4b875a 4b781e 782d96 2dc3d2
""".split()
_SALT = b"121734"  # tried out: everyday words rarely collide, the sky is blue and grass is green
_SAFE_DISTANCE = 0.08  # told apart at a glance, in OKLab; 12 and more classes have room for it
_SPARE_LEVELS = 12  # per channel, in the grid of further colours for more than 64 classes

# From linear RGB to what people without green and without red cones see of it: Machado, Oliveira
# and Fernandes, "A Physiologically-based Model for Simulation of Color Vision Deficiency" (2009).
_DEUTERANOPIA = (
    (0.367322, 0.860646, -0.227968),
    (0.280085, 0.672501, 0.047413),
    (-0.011820, 0.042940, 0.968881),
)
_PROTANOPIA = (
    (0.152286, 1.052583, -0.204868),
    (0.114503, 0.786281, 0.099216),
    (-0.003882, -0.048116, 1.051998),
)
# From linear RGB to cone responses and on to OKLab: Ottosson, "A perceptual color space for image
# processing" (2020).
_CONES = (
    (0.4122214708, 0.5363325363, 0.0514459929),
    (0.2119034982, 0.6806995451, 0.1073969566),
    (0.0883024619, 0.2817188376, 0.6299787005),
)
_OKLAB = (
    (0.2104542553, 0.7936177850, -0.0040720468),
    (1.9779984951, -2.4285922050, 0.4505937099),
    (0.0259040371, 0.7827717662, -0.8086757660),
)
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
    present. Equal names have equal colours.

    Args:
        names: the T names.

    Returns:
        T colours, in the order of the names.
    """
    hashes = {key: _hash(key) for key in map(_normalize, names)}
    ordered = sorted(hashes, key=lambda key: (hashes[key], key))
    palette, distances = _palette()
    nearest = np.full(len(palette), np.inf)  # distance of each slot from the colours taken
    chosen: dict[str, Color] = {}
    for key in ordered[: len(palette)]:
        preferred = hashes[key] % len(palette)
        safe = np.flatnonzero(nearest >= _SAFE_DISTANCE)
        if safe.size:
            slot = safe[np.argmin(distances[preferred, safe])]
        else:
            slot = np.argmax(nearest)
        nearest = np.minimum(nearest, distances[slot])
        chosen[key] = _as_color(palette[slot])

    if rest := ordered[len(palette) :]:
        spare = _spare_colors()
        seen = _seen(spare)
        nearest = _distances(seen, _seen(palette)).min(axis=1)
        for key in rest:
            slot = np.argmax(nearest)
            nearest = np.minimum(nearest, _distances(seen, seen[:, slot, None])[:, 0])
            chosen[key] = _as_color(spare[slot])
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


def _hash(key: str) -> int:
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8, salt=_SALT).digest(), "big")


def _as_color(rgb: np.ndarray) -> Color:
    red, green, blue = (int(value) for value in rgb)
    return red, green, blue


@functools.cache
def _palette() -> tuple[np.ndarray, np.ndarray]:
    """Compute the palette (64, 3) and the distances between its colours (64, 64)."""
    palette = np.array([list(bytes.fromhex(color)) for color in _PALETTE])
    seen = _seen(palette)
    return palette, _distances(seen, seen)


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
    sights = (np.eye(3), np.array(_DEUTERANOPIA), np.array(_PROTANOPIA))
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
    return np.cbrt(linear @ np.array(_CONES).T) @ np.array(_OKLAB).T
