"""A result as one figure of print quality: photo, masks, CRM's ranking, attention and settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from errseg.config import ARXIV
from errseg.inference.result import Result
from errseg.pictures.captions import labelled_overlay
from errseg.pictures.colors import Color, hex_color
from errseg.pictures.export import crm_ranks, legend
from errseg.pictures.fonts import STAND_IN_NOTE, Fonts, Lettering, system_fonts
from errseg.pictures.overlay import NONE_NAME, LegendEntry, short_share

if TYPE_CHECKING:  # matplotlib is imported when a figure is drawn
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.transforms import Transform

WIDTH, HEIGHT = 10.0, 7.4  # inches: a page's width with margins
DOTS_PER_INCH = 300
TEXT_AS_TEXT = 42
"""The kind of font in a PDF whose letters can be searched, copied and edited (TrueType)."""
NOT_TOLD = {
    ".png": ("Software",),
    ".pdf": ("Creator", "Producer", "CreationDate"),
}
"""What matplotlib would say in a file besides the picture: program and time."""
MOST_BARS = 16
"""Classes in the ranking and in the legend; the files beside the figure have all of them."""
HASH_LETTERS = 12
HEAT = "viridis"
HEAT_OPACITY = 0.75  # of the colours over the grey photo
ENDS = ("low", "high")  # words at the ends of the colour scale
POINTS = 72  # in an inch
NAME_SIZE = 8.0  # points; so is all text, if not said otherwise
SMALL_SIZE = 6.5  # of the ranking's names and of notes
TITLE_SIZE = 9.0
LEGEND_LINE = 11.0  # points from one line of the legend to the next
SWATCH = (15.0, 5.5)  # points: width and height of a colour in the legend
NAMES_WIDTH = 0.42
"""Of the ranking's column, for names; the bars have the rest."""
NONE_GREY = "0.44"
STAND_IN_LINES = ("No font here has the letters of", STAND_IN_NOTE)
GAP = 4.0  # points between a name and what it belongs to


@dataclass(frozen=True)
class Heat:
    """A map of one class that is drawn in colours."""

    index: int  # of the class in the vocabulary
    title: str  # what the map is, in a few words; the class's name stands above it
    quantity: str  # what its values are; maps of one quantity share their range
    values: np.ndarray  # (h, w)
    span: tuple[float, float] | None = None  # of the colours; None: from the least to the greatest
    ends: tuple[str, str] | None = None  # what the span's ends mean; None: the numbers themselves


def write_figure(
    files: Sequence[Path],
    photo: np.ndarray,
    result: Result,
    colors: tuple[Color, ...],
    heats: list[Heat],
    pixel: tuple[int, int],
    fonts: Fonts | None = None,
) -> None:
    """Draw a result of the photo (H, W, 3) uint8, with its T classes' colours, once for all files.

    In a PDF numbers and titles are text, and names are pictures as in a PNG. Names of any length
    leave the layout as it is: they are cut, with an ellipsis, to the room that there is.
    `Fonts.lettering` says how names are written that no font has.

    Args:
        files: where to, each ending in .png or .pdf.
        photo: what was segmented.
        result: from `Predictor`.
        colors: from `result_colors`.
        heats: one to three maps that are laid over the photo, on one shared colour scale.
        pixel: (x, y) of the attention's query, marked on the photo and on the maps.
        fonts: to write names with; None: those of the system.
    """
    import matplotlib

    # A class may be called "$x$"; it is text, not a formula.
    settings = {
        "text.parse_math": False,
        "font.size": NAME_SIZE,
        "pdf.fonttype": TEXT_AS_TEXT,
        "image.composite_image": False,  # joined for a PDF, images are see-through twice
    }
    with matplotlib.rc_context(settings):
        figure = draw_figure(photo, result, colors, heats, pixel, fonts or system_fonts())
        for file in files:
            figure.savefig(file, metadata=dict.fromkeys(NOT_TOLD[file.suffix]))


def draw_figure(
    photo: np.ndarray,
    result: Result,
    colors: tuple[Color, ...],
    heats: list[Heat],
    pixel: tuple[int, int],
    fonts: Fonts,
) -> Figure:
    """Draw what `write_figure` writes, in matplotlib's present settings."""
    from matplotlib.figure import Figure

    entries = legend(result, colors)
    ranked = np.argsort(crm_ranks(result))[:MOST_BARS].tolist()
    named = {*ranked, *(e.index for e in entries[:MOST_BARS]), *(heat.index for heat in heats)}
    stand_ins = any(_lettering(result, index, NAME_SIZE, fonts).stand_in for index in named)
    masks = labelled_overlay(photo, result.labels, entries, legend_below=False, fonts=fonts)

    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=DOTS_PER_INCH, layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=(1.15, 1))
    photo_axes, masks_axes, legend_axes = top.subplots(1, 3, width_ratios=(1, 1, 0.45))
    _picture(photo_axes, photo, "Photo")
    photo_axes.plot(*pixel, "+", color="white", markersize=9, markeredgewidth=2.5)
    photo_axes.plot(*pixel, "+", color="black", markersize=9, markeredgewidth=1)
    _picture(masks_axes, np.asarray(masks), "Masks")
    legend_axes.set_axis_off()
    widths = (NAMES_WIDTH, 1 - NAMES_WIDTH, *(1 for _ in heats))
    names_axes, ranking_axes, *heat_axes = bottom.subplots(1, 2 + len(heats), width_ratios=widths)
    names_axes.set_axis_off()
    ranking_title = f"CRM score: P = {len(result.kept)} of {len(result.classes)} kept"
    names_axes.set_title(ranking_title, fontsize=TITLE_SIZE, loc="left")  # over the bars too
    _ranking(ranking_axes, result, ranked, colors)
    _heats(heat_axes, photo, heats, pixel)
    figure.supxlabel(_settings(result), fontsize=7, color="0.3")

    # Where everything stands is settled before any name is written.
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    _legend(legend_axes, result, entries, fonts, note=stand_ins)
    for place, index in enumerate(ranked):
        name = _lettering(result, index, SMALL_SIZE, fonts)
        _ranked_name(names_axes, ranking_axes, place, name)
    for axes, heat in zip(heat_axes, heats, strict=True):
        _heat_name(axes, _lettering(result, heat.index, NAME_SIZE, fonts))
    return figure


def _lettering(result: Result, index: int, points: float, fonts: Fonts) -> Lettering:
    return fonts.lettering(result.classes[index], index, _pixels(points))


def _pixels(points: float) -> float:
    return points * DOTS_PER_INCH / POINTS


def _write(axes: Axes, name: Lettering, left: float, middle: float) -> None:
    """Write a name on the axes' figure, in its pixels from the left and from below."""
    from matplotlib.offsetbox import AnnotationBbox, OffsetImage

    figure = axes.get_figure(root=True)
    ink = name.drawn()
    letters = np.zeros((*ink.shape, 4), np.uint8)
    letters[..., 3] = ink
    place = (round(left), round(middle - len(ink) / 2))
    box = AnnotationBbox(
        OffsetImage(letters, zoom=POINTS / DOTS_PER_INCH),  # pixel for pixel
        place,
        xycoords=_from_pixels(figure),
        box_alignment=(0, 0),
        frameon=False,
        pad=0,
        gid=name.text,
    )
    figure.add_artist(box)


def _from_pixels(figure: Figure) -> Transform:
    """Place what is given in pixels; a PDF has 72 to an inch, and the figure is laid out in 300."""
    from matplotlib.transforms import Affine2D

    return Affine2D().scale(1 / DOTS_PER_INCH) + figure.dpi_scale_trans


def _picture(axes: Axes, picture: np.ndarray, title: str) -> None:
    axes.imshow(picture)
    axes.set_title(title, fontsize=TITLE_SIZE)
    axes.set_axis_off()


def _legend(
    axes: Axes, result: Result, entries: list[LegendEntry], fonts: Fonts, note: bool
) -> None:
    """List the largest classes, with area and mean score, from the top of the axes.

    A note below says what "class 7" means, wherever in the figure it stands.
    """
    from matplotlib.patches import Rectangle

    figure = axes.get_figure(root=True)
    room, size = axes.get_window_extent(), _pixels(NAME_SIZE)
    rows = [
        (
            hex_color(e.color),
            _lettering(result, e.index, NAME_SIZE, fonts),
            e.area,
            f", {e.score:.2f}",
        )
        for e in entries[:MOST_BARS]
    ]
    if none := float((result.labels < 0).mean()):
        rows.append((NONE_GREY, fonts.lettering(NONE_NAME, -1, size), none, ""))
    middle = room.y1 - _pixels(LEGEND_LINE) / 2
    _write(axes, fonts.lettering("class, area, score", -1, size), room.x0, middle)
    width, height = map(_pixels, SWATCH)
    left, gap = room.x0 + width + _pixels(GAP), _pixels(GAP)
    for color, name, area, score in rows:
        middle -= _pixels(LEGEND_LINE)
        corner = (room.x0, middle - height / 2)
        rim = {"edgecolor": "0.5", "linewidth": 0.5}  # snow is nearly the paper's white
        swatch = Rectangle(
            corner, width, height, facecolor=color, **rim, transform=_from_pixels(figure)
        )
        figure.add_artist(swatch)
        figures = fonts.lettering(f"{short_share(area)}{score}", -1, size)
        name = name.shortened(room.x1 - left - gap - figures.width)
        _write(axes, name, left, middle)
        _write(axes, figures, left + name.width + gap, middle)
    middle -= gap
    for sentence in STAND_IN_LINES if note else ():
        middle -= _pixels(LEGEND_LINE)
        small = fonts.lettering(sentence, -1, _pixels(SMALL_SIZE))
        _write(axes, small, room.x0, middle)


def _ranked_name(room: Axes, axes: Axes, place: int, name: Lettering) -> None:
    """Write a name beside its bar, in the room that is left for names."""
    right = axes.get_window_extent().x0 - _pixels(GAP)
    name = name.shortened(right - room.get_window_extent().x0)
    _, middle = axes.transData.transform((0, place))
    _write(axes, name, right - name.width, middle)


def _heat_name(axes: Axes, name: Lettering) -> None:
    """Write a class's name over its map, in the first line of the title, which is blank."""
    # A tall photo's map is narrower than the column that it stands in.
    column = axes.get_position(original=True).transformed(axes.figure.transSubfigure)
    name = name.shortened(column.width - _pixels(2 * GAP))
    middle = axes.title.get_window_extent().y1 - _pixels(NAME_SIZE) / 2
    _write(axes, name, (column.x0 + column.x1 - name.width) / 2, middle)


def _ranking(axes: Axes, result: Result, order: list[int], colors: tuple[Color, ...]) -> None:
    kept = set(result.kept)
    dropped = {"color": "none", "edgecolor": "0.5", "hatch": "////"}
    for place, index in enumerate(order):
        style = {"color": hex_color(colors[index])} if index in kept else dropped
        axes.barh(place, result.crm_scores[index], **style)
    axes.set_yticks([])  # names take their place
    axes.invert_yaxis()
    if len(kept) < len(result.classes) and len(kept) <= len(order):
        axes.axhline(len(kept) - 0.5, color="black", linestyle="--", linewidth=1)
    axes.spines[["top", "right"]].set_visible(False)


def _heats(
    all_axes: list[Axes], photo: np.ndarray, heats: list[Heat], pixel: tuple[int, int]
) -> None:
    """Draw maps side by side. A colour means the same share of a quantity's range in each."""
    from matplotlib.cm import ScalarMappable

    ranges = heat_ranges(heats)
    extent = (0, photo.shape[1], photo.shape[0], 0)
    for axes, heat in zip(all_axes, heats, strict=True):
        least, most = ranges[heat.quantity]
        axes.imshow(photo.mean(axis=2), cmap="gray", extent=extent)
        settings = {"cmap": HEAT, "vmin": least, "vmax": most, "alpha": HEAT_OPACITY}
        axes.imshow(heat.values, extent=extent, interpolation="nearest", **settings)
        axes.plot(*pixel, "+", color="white", markersize=9, markeredgewidth=2)
        axes.set_title(f"\n{heat.title}", fontsize=NAME_SIZE)
        axes.set_axis_off()
    # As solid as on the photo, so that the bar's colours are those of the maps.
    place = {"orientation": "horizontal", "fraction": 0.05, "pad": 0.04}
    scale = ScalarMappable(cmap=HEAT)
    bar = all_axes[0].figure.colorbar(scale, ax=all_axes, alpha=HEAT_OPACITY, **place)
    meant = {heat.quantity: heat.ends for heat in heats if heat.ends}
    told = {
        quantity: meant.get(quantity) or [f"{value:.2f}" for value in span]
        for quantity, span in ranges.items()
    }
    ends = [
        "\n".join([word, *(f"{quantity} {own[end]}" for quantity, own in told.items())])
        for end, word in enumerate(ENDS)
    ]
    bar.set_ticks([0, 1], labels=ends)
    for label, side in zip(bar.ax.get_xticklabels(), ("left", "right"), strict=True):
        label.set_horizontalalignment(side)
    bar.set_label("one colour scale for all maps", fontsize=7)
    bar.ax.tick_params(labelsize=7, length=0)


def heat_ranges(heats: list[Heat]) -> dict[str, tuple[float, float]]:
    """Find the span of each quantity: its own, or the least and the greatest value of its maps."""
    ranges = {}
    for heat in heats:
        least, greatest = heat.span or (float(heat.values.min()), float(heat.values.max()))
        known = ranges.get(heat.quantity, (least, greatest))
        ranges[heat.quantity] = (min(least, known[0]), max(greatest, known[1]))
    return ranges


def _settings(result: Result) -> str:
    settings = result.settings
    height, width = settings.network_size
    weights = settings.weights_hash[:HASH_LETTERS] or "random"
    return (
        f"ERR-Seg (arXiv {ARXIV}), {settings.model}, weights {weights}; "
        f"P = {settings.kept_classes}, K = {settings.votes_per_pixel}, beta = {settings.beta:g}, "
        f"threshold = {settings.threshold:g}, network input {width} x {height}"
    )
