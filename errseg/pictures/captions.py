"""Class names written on an overlay, and the legend below it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from errseg.pictures.colors import NONE_COLOR, Color, ink_color
from errseg.pictures.fonts import STAND_IN_NOTE, Fonts, Lettering, line, system_fonts
from errseg.pictures.overlay import DEFAULT_OPACITY, NONE_NAME, LegendEntry, lay_colors, short_share

LEAST_OWN = 0.3  # share of a name's plate that lies on the class's own pixels


def labelled_overlay(
    image: np.ndarray,
    labels: np.ndarray,
    legend: Sequence[LegendEntry],
    opacity: float = DEFAULT_OPACITY,
    legend_below: bool = True,
    fonts: Fonts | None = None,
) -> Image.Image:
    """Draw the overlay as a picture to keep: names on the segments and a legend below.

    Where the legend stands elsewhere (``legend_below`` is false) the picture is H x W, with names
    on the segments only; otherwise it is at least so large. Photo, labels and opacity are those of
    `lay_colors`, the legend is what `summarize` returned for them. Names are written with `fonts`,
    which are those of the system if None, as `Fonts.lettering` says.
    """
    fonts = fonts or system_fonts()
    colors = [NONE_COLOR] * (1 + max((entry.index for entry in legend), default=-1))
    for entry in legend:
        colors[entry.index] = entry.color
    picture = Image.fromarray(lay_colors(image, labels, colors, opacity))
    size = _font_size(labels.shape)
    draw = ImageDraw.Draw(picture)
    for plate in name_plates(labels, legend, fonts):
        x, y, width, height = plate.box
        ink, box = ink_color(plate.entry.color), (x, y, x + width - 1, y + height - 1)
        draw.rounded_rectangle(box, size // 4 + 1, plate.entry.color, ink, width=1)
        left = x + (width - round(plate.lettering.width)) / 2
        _write(picture, plate.lettering, left, y + height / 2, ink)
    if not legend_below:
        return picture

    none = float(np.mean(labels < 0))
    rest = [LegendEntry(-1, NONE_NAME, NONE_COLOR, none, 0.0)] if none > 0 else []
    width = max(picture.width, 20 * size)  # a tiny photo still gets a legible legend
    strip = _draw_legend([*legend, *rest], width, size, fonts)
    page = Image.new("RGB", (width, picture.height + strip.height), "white")
    page.paste(picture, ((width - picture.width) // 2, 0))
    page.paste(strip, (0, picture.height))
    return page


@dataclass(frozen=True)
class NamePlate:
    """A name on a segment, and the plate it is written on."""

    entry: LegendEntry
    lettering: Lettering  # the name, cut if it is very long
    box: tuple[int, int, int, int]  # left, top, width, height in pixels of the label map


def name_plates(
    labels: np.ndarray, legend: Sequence[LegendEntry], fonts: Fonts | None = None
) -> list[NamePlate]:
    """Find for each name the place where most of its plate is on the class's own pixels.

    Classes that have no such place, or only under another name, are left to the legend. Labels,
    legend and fonts are those of `labelled_overlay`, and so is the letters' size.
    """
    fonts = fonts or system_fonts()
    image_height, image_width = labels.shape
    step = max(1, round(max(labels.shape) / 160))  # a coarse grid is enough to find places
    grid = labels[step // 2 :: step, step // 2 :: step]
    free = np.ones(grid.shape, bool)
    free_sums = None  # of `free`, once for all names that are written between two others
    size = _font_size(labels.shape)
    pad = size // 4
    height = sum(line(size)) + pad
    plates = []
    for entry in legend:
        name = fonts.lettering(entry.name, entry.index, size).shortened(image_width * 0.4)
        width = round(name.width) + 2 * pad + 2
        rows, columns = -(-height // step) + 1, -(-width // step) + 1
        own = grid == entry.index
        is_small = np.count_nonzero(own) < LEAST_OWN * rows * columns
        if is_small or rows > grid.shape[0] or columns > grid.shape[1]:
            continue
        # Shares in the plate's own window, and in windows 2 and 4 times as high and wide, in
        # which places at the middle of a segment win over those at its rim.
        sums = _sums(own)
        plate = _window_means(sums, rows, columns, 1)
        free_sums = _sums(free) if free_sums is None else free_sums
        suitable = (plate >= LEAST_OWN) & (_window_means(free_sums, rows, columns, 1) == 1)
        if not suitable.any():
            continue
        around = _window_means(sums, rows, columns, 2) + _window_means(sums, rows, columns, 4)
        place = np.argmax(np.where(suitable, 2 * plate + around, -1))
        top, left = np.unravel_index(place, plate.shape)
        free[top : top + rows, left : left + columns] = False
        free_sums = None
        x, y = (
            min(int(left) * step, image_width - width),
            min(int(top) * step, image_height - height),
        )
        plates.append(NamePlate(entry, name, (x, y, width, height)))
    return plates


def _sums(mask: np.ndarray) -> np.ndarray:
    """Count a mask's pixels (h, w) above and left of each of its corners: (h + 1, w + 1) int32."""
    sums = np.zeros((mask.shape[0] + 1, mask.shape[1] + 1), np.int32)
    mask.cumsum(axis=0, out=sums[1:, 1:])
    sums[1:, 1:].cumsum(axis=1, out=sums[1:, 1:])
    return sums


def _window_means(sums: np.ndarray, rows: int, columns: int, scale: int) -> np.ndarray:
    """Find a mask's share in windows around each (rows, columns) window, `scale` times as large.

    There is one value for each such window inside the grid; outside of it counts as False. The mask
    is told by its `_sums`.
    """
    windows = sums
    for axis, size in enumerate((rows, columns)):
        first = np.arange(sums.shape[axis] - size) - (scale - 1) * size // 2
        last = sums.shape[axis] - 1
        ends = np.clip(first + scale * size, 0, last), np.clip(first, 0, last)
        windows = windows.take(ends[0], axis) - windows.take(ends[1], axis)
    return windows / (scale * scale * rows * columns)


def _draw_legend(rows: Sequence[LegendEntry], width: int, size: int, fonts: Fonts) -> Image.Image:
    """Draw a white strip of swatches, names and areas, in as many lines as it takes."""
    gap, line_height, swatch, blank = size, round(1.7 * size), round(0.9 * size), 0.6 * size
    places, x, y = [], gap, gap // 2
    for entry in rows:
        share = fonts.lettering(short_share(entry.area), entry.index, size)
        around = 1.5 * swatch + blank + share.width
        name = fonts.lettering(entry.name, entry.index, size).shortened(width - 2 * gap - around)
        needed = round(name.width + around)
        if x > gap and x + needed > width - gap:
            x, y = gap, y + line_height
        places.append((x, y + line_height / 2, entry.color, name, share))
        x += needed + round(1.5 * gap)
    note = any(name.stand_in for *_, name, _ in places)
    y += line_height if note else 0
    strip = Image.new("RGB", (width, y + line_height + gap // 2 if places else 0), "white")
    draw = ImageDraw.Draw(strip)
    for x, middle, color, name, share in places:
        box = (x, middle - swatch / 2, x + swatch, middle + swatch / 2)
        draw.rounded_rectangle(box, swatch // 4, color, (90, 90, 90), width=1)
        x += 1.5 * swatch
        _write(strip, name, x, middle, (20, 20, 20))
        _write(strip, share, x + name.width + blank, middle, (105, 105, 105))
    if note:
        sentence = fonts.lettering(STAND_IN_NOTE, -1, size).shortened(width - 2 * gap)
        _write(strip, sentence, gap, y + line_height / 2, (105, 105, 105))
    return strip


def _write(picture: Image.Image, name: Lettering, left: float, middle: float, ink: Color) -> None:
    """Write a name into a picture, from the left and with its line's middle at a height."""
    letters = Image.fromarray(name.drawn())
    picture.paste(ink, (round(left), round(middle - letters.height / 2)), letters)


def _font_size(shape: tuple[int, int]) -> int:
    """Choose the letters' size in pixels to suit a photo."""
    return int(np.clip(max(shape) * 0.026, 13, 48))
