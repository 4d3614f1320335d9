"""What a result looks like: class colours, overlay, legend, palette mask, labelled picture.

Arrays only: no torch, no app. Label maps hold class indices, -1 where there is no class.
"""

from __future__ import annotations

import functools
import hashlib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

Color = tuple[int, int, int]  # red, green, blue, each 0..255

DEFAULT_OPACITY = 0.55
"""Of the class colours over the photo: colours tell apart, and the photo still shows through."""

NONE_INDEX = 255
"""The palette mask's index for pixels without a class, as in the benchmarks' label images."""

NONE_NAME = "none of these"
"""How pixels without a class are called in a legend."""

_NONE_COLOR = (112, 112, 112)  # no class has a grey
_NONE_TONES = np.linspace(20, 160, 256)  # greys for 0..255: darker, but shadows keep their detail

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


@dataclass(frozen=True)
class LegendEntry:
    """One class that is present in a label map.

    Attributes:
        index: The class's index in the vocabulary, or -1 for pixels without a class.
        name: The class's name.
        color: The class's colour.
        area: Share of all pixels, 0..1.
        score: Mean score over the class's pixels, 0..1.
    """

    index: int
    name: str
    color: Color
    area: float
    score: float

    @property
    def hex(self) -> str:
        """The colour as `#rrggbb`."""
        return "#{:02x}{:02x}{:02x}".format(*self.color)


def class_color(name: str) -> Color:
    """The colour that a class has when nothing else wants it; a function of the name alone.

    The name is normalised (NFC, white space collapsed, case folded) and hashed with BLAKE2b; the
    hash picks one of a palette's 64 colours.
    """
    return class_colors([name])[0]


def class_colors(names: Sequence[str]) -> tuple[Color, ...]:
    """Colours for classes that are shown together: stable for each name, and told apart.

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
        names: The T names.

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


def overlay(
    image: np.ndarray,
    labels: np.ndarray,
    colors: Sequence[Color],
    opacity: float = DEFAULT_OPACITY,
) -> np.ndarray:
    """Lays the class colours over the photo, with a thin light line between classes.

    Pixels without a class stay uncoloured: the photo in grey, and darker.

    Args:
        image: (H, W, 3) uint8, RGB.
        labels: (H, W) integers, -1 or an index into `colors`.
        colors: One colour per class.
        opacity: Of the colours, 0 (the photo; the lines stay) to 1 (the colours).

    Returns:
        (H, W, 3) uint8, RGB; the inputs stay as they are.

    Raises:
        ValueError: Shapes, indices or the opacity don't fit.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"The image must be (H, W, 3) uint8, not {image.shape} {image.dtype}.")
    if labels.shape != image.shape[:2]:
        raise ValueError(f"The labels are {labels.shape} for an image of {image.shape[:2]}.")
    if not 0 <= opacity <= 1:
        raise ValueError(f"The opacity is between 0 and 1, not {opacity}.")
    _check_labels(labels, len(colors))

    # The photo's own hues fade with opacity, so that a class looks alike wherever it is: of the
    # photo's share 1 - opacity, the part `opacity` is grey. Fixed point with 8 fractional bits is
    # several times faster than floats.
    tint_weight = round(256 * opacity)
    grey_weight = round(256 * opacity * (1 - opacity))
    tints = np.zeros((len(colors) + 1, 3), np.uint16)  # the last row, index -1: no class
    tints[:-1] = np.array(colors, np.uint16).reshape(-1, 3) * tint_weight
    grey = np.asarray(Image.fromarray(image).convert("L")).astype(np.uint16)
    none = labels < 0

    blended = image.astype(np.uint16)
    blended *= np.uint16(256 - tint_weight - grey_weight)
    blended += np.take(tints, labels, axis=0, mode="wrap")
    tones = (_NONE_TONES * tint_weight).astype(np.uint16)
    blended += (grey * np.uint16(grey_weight) + np.where(none, tones[grey], 0))[:, :, None]
    blended >>= 8
    result = blended.astype(np.uint8)
    result[_boundaries(labels)] = 255
    return result


def summarize(
    labels: np.ndarray, scores: np.ndarray, names: Sequence[str], colors: Sequence[Color]
) -> list[LegendEntry]:
    """The classes that are present, largest first; equal areas by index.

    Pixels without a class count for the areas of the others but have no entry.

    Args:
        labels: (H, W) integers, -1 or an index into `names`.
        scores: (H, W), the winning class's score, 0..1.
        names: The T names.
        colors: The T colours.

    Raises:
        ValueError: Shapes or indices don't fit.
    """
    if labels.shape != scores.shape or len(names) != len(colors):
        raise ValueError(
            f"The labels are {labels.shape} and the scores {scores.shape}; "
            f"there are {len(names)} names and {len(colors)} colours."
        )
    _check_labels(labels, len(names))
    shifted = labels.ravel().astype(np.int64) + 1
    counts = np.bincount(shifted, minlength=len(names) + 1)[1:]
    totals = np.bincount(shifted, weights=scores.ravel(), minlength=len(names) + 1)[1:]
    present = np.flatnonzero(counts)
    return [
        LegendEntry(
            index=int(index),
            name=names[index],
            color=colors[index],
            area=float(counts[index] / labels.size),
            score=float(totals[index] / counts[index]),
        )
        for index in present[np.argsort(-counts[present], kind="stable")]
    ]


def palette_mask(
    labels: np.ndarray, colors: Sequence[Color]
) -> tuple[Image.Image, tuple[int, ...]]:
    """The label map as an indexed image that any viewer shows in the classes' colours.

    A palette has 256 places and `NONE_INDEX`, 255, means no class. With up to 255 classes a
    pixel's index is its class. With more the indices count the classes present, in ascending
    order; should more than 255 be present, the smallest become no class.

    Args:
        labels: (H, W) integers, -1 or an index into `colors`.
        colors: The T colours.

    Returns:
        The image in mode P, and the class of each palette index.

    Raises:
        ValueError: An index doesn't fit.
    """
    _check_labels(labels, len(colors))
    if len(colors) <= NONE_INDEX:
        classes = np.arange(len(colors))
    else:
        counts = np.bincount(labels.ravel().astype(np.int64) + 1, minlength=len(colors) + 1)[1:]
        largest = np.argsort(-counts, kind="stable")[:NONE_INDEX]
        classes = np.sort(largest[counts[largest] > 0])
    index_of_class = np.full(len(colors) + 1, NONE_INDEX, np.uint8)  # the last, -1: no class
    index_of_class[classes] = np.arange(len(classes))

    palette = np.zeros((256, 3), np.uint8)
    palette[NONE_INDEX] = _NONE_COLOR
    palette[: len(classes)] = np.array(colors, np.uint8).reshape(-1, 3)[classes]
    mask = Image.fromarray(index_of_class[labels])
    mask.putpalette(palette.tobytes())  # turns mode L into P
    return mask, tuple(int(index) for index in classes)


def labelled_overlay(
    image: np.ndarray,
    labels: np.ndarray,
    legend: Sequence[LegendEntry],
    opacity: float = DEFAULT_OPACITY,
) -> Image.Image:
    """The overlay as a picture to keep: names on the segments and a legend below.

    Args:
        image: (H, W, 3) uint8, RGB.
        labels: (H, W) integers, -1 or the index of one of the legend's entries.
        legend: What `summarize` returned for these labels.
        opacity: As for `overlay`.

    Returns:
        An RGB image, at least `H` high and `W` wide.
    """
    colors = [_NONE_COLOR] * (1 + max((entry.index for entry in legend), default=-1))
    for entry in legend:
        colors[entry.index] = entry.color
    picture = Image.fromarray(overlay(image, labels, colors, opacity))
    font = _font(int(np.clip(max(picture.size) * 0.026, 13, 48)))
    _draw_names(picture, labels, legend, font)

    rows = list(legend)
    none = float(np.mean(labels < 0))
    if none > 0:
        rows.append(LegendEntry(-1, NONE_NAME, _NONE_COLOR, none, 0.0))
    width = max(picture.width, round(20 * font.size))  # a tiny photo still gets a legible legend
    strip = _draw_legend(rows, width, font)
    page = Image.new("RGB", (width, picture.height + strip.height), "white")
    page.paste(picture, ((width - picture.width) // 2, 0))
    page.paste(strip, (0, picture.height))
    return page


def _draw_names(
    picture: Image.Image, labels: np.ndarray, legend: Sequence[LegendEntry], font
) -> None:
    """Writes each name where most of its plate, and of what is around it, is the class's own.

    Classes that have no such place, or only under another name, are left to the legend.
    """
    step = max(1, round(max(picture.size) / 160))  # a coarse grid is enough to find places
    grid = labels[step // 2 :: step, step // 2 :: step]
    free = np.ones(grid.shape, bool)
    draw = ImageDraw.Draw(picture)
    pad = max(2, font.size // 4)
    for entry in legend:
        name = _shorten(entry.name, font, picture.width * 0.4)
        width = round(font.getlength(name)) + 2 * pad + 2
        height = sum(font.getmetrics()) + pad
        rows, columns = -(-height // step) + 1, -(-width // step) + 1
        if rows > grid.shape[0] or columns > grid.shape[1]:
            continue
        own = (grid == entry.index).astype(np.float64)
        # Shares in the plate's own window, and in windows 2 and 4 times as high and wide, in
        # which places at the middle of a segment win over those at its rim.
        plate = _window_means(own, rows, columns, 1)
        suitable = (plate >= 0.3) & (_window_means(free, rows, columns, 1) == 1)
        if not suitable.any():
            continue
        around = _window_means(own, rows, columns, 2) + _window_means(own, rows, columns, 4)
        place = np.argmax(np.where(suitable, 2 * plate + around, -1))
        top, left = np.unravel_index(place, plate.shape)
        free[top : top + rows, left : left + columns] = False
        x = min(int(left) * step, picture.width - width)
        y = min(int(top) * step, picture.height - height)
        ink = _ink(entry.color)
        draw.rounded_rectangle(
            (x, y, x + width - 1, y + height - 1), pad + 1, entry.color, ink, width=1
        )
        draw.text((x + width / 2, y + height / 2), name, ink, font, anchor="mm")


def _window_means(values: np.ndarray, rows: int, columns: int, scale: int) -> np.ndarray:
    """Means over `scale` times as high and wide windows around every (rows, columns) window.

    Outside of the grid counts as 0. The result has one value per position of a (rows, columns)
    window inside the grid.
    """
    up, across = (scale - 1) * rows, (scale - 1) * columns
    padded = np.pad(
        values.astype(np.float64),
        ((up // 2 + 1, up - up // 2), (across // 2 + 1, across - across // 2)),
    )
    sums = padded.cumsum(axis=0).cumsum(axis=1)
    high, wide = scale * rows, scale * columns
    windows = sums[high:, wide:] - sums[:-high, wide:] - sums[high:, :-wide] + sums[:-high, :-wide]
    return np.round(windows) / (high * wide)


def _draw_legend(rows: Sequence[LegendEntry], width: int, font) -> Image.Image:
    """A white strip of swatches, names and areas, in as many lines as it takes."""
    gap = font.size
    line_height = round(1.7 * font.size)
    swatch = round(0.9 * font.size)
    places, x, y = [], gap, gap // 2
    for entry in rows:
        share = "<1 %" if entry.area < 0.01 else f"{entry.area:.0%}".replace("%", " %")
        share_width = font.getlength(f"  {share}")
        name = _shorten(entry.name, font, width - 2 * gap - 1.5 * swatch - share_width)
        name_width = font.getlength(name)
        needed = round(1.5 * swatch + name_width + share_width)
        if x > gap and x + needed > width - gap:
            x, y = gap, y + line_height
        places.append((x, y, entry.color, name, name_width, share))
        x += needed + round(1.5 * gap)
    strip = Image.new("RGB", (width, y + line_height + gap // 2 if places else 0), "white")
    draw = ImageDraw.Draw(strip)
    for x, y, color, name, name_width, share in places:
        middle = y + line_height / 2
        box = (x, middle - swatch / 2, x + swatch, middle + swatch / 2)
        draw.rounded_rectangle(box, swatch // 4, color, (90, 90, 90), width=1)
        text_x = x + 1.5 * swatch
        draw.text((text_x, middle), name, (20, 20, 20), font, anchor="lm")
        draw.text((text_x + name_width, middle), f"  {share}", (105, 105, 105), font, anchor="lm")
    return strip


def _shorten(text: str, font, width: float) -> str:
    """Cuts the text at the end until it fits the width in pixels."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(f"{text}…") > width:
        text = text[:-1]
    return f"{text.rstrip()}…"


@functools.lru_cache(maxsize=8)
def _font(size: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which matplotlib carries: Pillow's own font has no accented letters."""
    import matplotlib  # takes a moment, and only pictures with text need it

    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    return ImageFont.truetype(str(path), size)


def _ink(color: Color) -> Color:
    """Black or white, whichever contrasts more with the colour (WCAG 2 contrast ratio)."""
    luminance = float(_linear(np.array(color)) @ np.array(_LUMA))
    return (255, 255, 255) if 1.05 / (luminance + 0.05) > (luminance + 0.05) / 0.05 else (0, 0, 0)


def _boundaries(labels: np.ndarray) -> np.ndarray:
    """(H, W) bool: the pixels whose right or lower neighbour has another label."""
    edges = np.zeros(labels.shape, bool)
    edges[:, :-1] = labels[:, :-1] != labels[:, 1:]
    edges[:-1] |= labels[:-1] != labels[1:]
    return edges


def _check_labels(labels: np.ndarray, classes: int) -> None:
    if labels.size and not (-1 <= labels.min() and labels.max() < classes):
        raise ValueError(
            f"Labels lie between {labels.min()} and {labels.max()}; with {classes} classes "
            f"they must lie between -1 and {classes - 1}."
        )


def _normalize(name: str) -> str:
    return " ".join(unicodedata.normalize("NFC", name).split()).casefold()


def _hash(key: str) -> int:
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8, salt=_SALT).digest(), "big")


def _as_color(rgb: np.ndarray) -> Color:
    red, green, blue = (int(value) for value in rgb)
    return red, green, blue


@functools.cache
def _palette() -> tuple[np.ndarray, np.ndarray]:
    """The palette (64, 3) and the distances between its colours (64, 64)."""
    palette = np.array([list(bytes.fromhex(color)) for color in _PALETTE])
    seen = _seen(palette)
    return palette, _distances(seen, seen)


@functools.cache
def _spare_colors() -> np.ndarray:
    """(N, 3) further colours, N > `MAX_CLASSES`: a grid without the near-black and near-white."""
    levels = np.linspace(0, 255, _SPARE_LEVELS).round()
    grid = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(-1, 3)
    lightness = _oklab(_linear(grid))[:, 0]
    return grid[(lightness > 0.3) & (lightness < 0.95)]


def _seen(rgb: np.ndarray) -> np.ndarray:
    """Colours (N, 3) in OKLab (3, N, 3): for normal sight, without green, without red cones."""
    linear = _linear(rgb)
    sights = (np.eye(3), np.array(_DEUTERANOPIA), np.array(_PROTANOPIA))
    return np.stack([_oklab(np.clip(linear @ sight.T, 0, 1)) for sight in sights])


def _distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The least distance (N, M) over the three sights; colours as `_seen` gives them."""
    return np.linalg.norm(first[:, :, None] - second[:, None], axis=-1).min(axis=0)


def _linear(rgb: np.ndarray) -> np.ndarray:
    """Removes the sRGB gamma: 0..255 to 0..1."""
    scaled = rgb / 255
    return np.where(scaled <= 0.04045, scaled / 12.92, ((scaled + 0.055) / 1.055) ** 2.4)


def _oklab(linear: np.ndarray) -> np.ndarray:
    """Linear RGB (..., 3) to OKLab, in which distance is how different colours look."""
    return np.cbrt(linear @ np.array(_CONES).T) @ np.array(_OKLAB).T
