"""A result as one figure of print quality: photo, masks, CRM's ranking, attention and settings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from errseg.config import ARXIV
from errseg.pictures.captions import labelled_overlay
from errseg.pictures.colors import Color, hex_color
from errseg.pictures.export import crm_ranks, legend
from errseg.pictures.overlay import NONE_NAME

if TYPE_CHECKING:  # torch takes seconds to import, and nothing here computes with it
    from matplotlib.axes import Axes

    from errseg.inference.predictor import Result

WIDTH, HEIGHT = 10.0, 7.4  # inches: a page's width with margins
DOTS_PER_INCH = 300
MOST_BARS = 16
"""Classes in the ranking and in the legend; the files beside the figure have all of them."""
HASH_LETTERS = 12
HEAT = "viridis"
HEAT_OPACITY = 0.75  # of the colours over the grey photo
ENDS = ("low", "high")  # words at the ends of the colour scale


@dataclass(frozen=True)
class Heat:
    """A map that is drawn in colours."""

    title: str
    quantity: str  # what its values are; maps of one quantity share their range
    values: np.ndarray  # (h, w)


def write_figure(
    file: Path,
    photo: np.ndarray,
    result: Result,
    colors: tuple[Color, ...],
    heats: list[Heat],
    pixel: tuple[int, int],
) -> None:
    """Draw a result of the photo (H, W, 3) uint8, with its T classes' colours, as a PNG.

    Args:
        file: where to.
        photo: what was segmented.
        result: from `Predictor`.
        colors: from `result_colors`.
        heats: one to three maps that are laid over the photo, on one shared colour scale.
        pixel: (x, y) of the attention's query, marked on the photo and on the maps.
    """
    import matplotlib
    from matplotlib.figure import Figure

    entries = legend(result, colors)
    masks = labelled_overlay(photo, result.labels, entries, legend_below=False)
    # A class may be called "$x$"; it is text, not a formula.
    with matplotlib.rc_context({"text.parse_math": False, "font.size": 8}):
        figure = Figure(figsize=(WIDTH, HEIGHT), dpi=DOTS_PER_INCH, layout="constrained")
        top, bottom = figure.subfigures(2, 1, height_ratios=(1.15, 1))
        photo_axes, masks_axes, legend_axes = top.subplots(1, 3, width_ratios=(1, 1, 0.45))
        _picture(photo_axes, photo, "Photo")
        photo_axes.plot(*pixel, "+", color="white", markersize=9, markeredgewidth=2.5)
        photo_axes.plot(*pixel, "+", color="black", markersize=9, markeredgewidth=1)
        _picture(masks_axes, np.asarray(masks), "Masks")
        _legend(legend_axes, result, entries)
        ranking_axes, *heat_axes = bottom.subplots(1, 1 + len(heats))
        _ranking(ranking_axes, result, colors)
        _heats(heat_axes, photo, heats, pixel)
        figure.supxlabel(_settings(result), fontsize=7, color="0.3")
        figure.savefig(file, metadata={"Software": None})


def _picture(axes: Axes, picture: np.ndarray, title: str) -> None:
    axes.imshow(picture)
    axes.set_title(title, fontsize=9)
    axes.set_axis_off()


def _legend(axes: Axes, result: Result, entries: list) -> None:
    from matplotlib.patches import Patch

    rows = [
        Patch(facecolor=hex_color(e.color), label=f"{e.name}  {e.area:.0%}  {e.score:.2f}")
        for e in entries[:MOST_BARS]
    ]
    if none := float((result.labels < 0).mean()):
        rows.append(Patch(facecolor="0.44", label=f"{NONE_NAME}  {none:.0%}"))
    axes.set_axis_off()
    axes.legend(handles=rows, loc="upper left", frameon=False, title="class, area, score")


def _ranking(axes: Axes, result: Result, colors: tuple[Color, ...]) -> None:
    order, kept = np.argsort(crm_ranks(result))[:MOST_BARS], set(result.kept)
    dropped = {"color": "none", "edgecolor": "0.5", "hatch": "////"}
    for place, index in enumerate(order):
        style = {"color": hex_color(colors[index])} if index in kept else dropped
        axes.barh(place, result.crm_scores[index], **style)
    axes.set_yticks(range(len(order)), [result.classes[index] for index in order], fontsize=6.5)
    axes.invert_yaxis()
    if len(kept) < len(result.classes) and len(kept) <= len(order):
        axes.axhline(len(kept) - 0.5, color="black", linestyle="--", linewidth=1)
    axes.set_title(f"CRM score: P = {len(kept)} of {len(result.classes)} kept", fontsize=9)
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
        axes.set_title(heat.title, fontsize=8)
        axes.set_axis_off()
    # As solid as on the photo, so that the bar's colours are those of the maps.
    place = {"orientation": "horizontal", "fraction": 0.05, "pad": 0.04}
    scale = ScalarMappable(cmap=HEAT)
    bar = all_axes[0].figure.colorbar(scale, ax=all_axes, alpha=HEAT_OPACITY, **place)
    ends = [
        "\n".join([word, *(f"{quantity} {span[end]:.2f}" for quantity, span in ranges.items())])
        for end, word in enumerate(ENDS)
    ]
    bar.set_ticks([0, 1], labels=ends)
    for label, side in zip(bar.ax.get_xticklabels(), ("left", "right"), strict=True):
        label.set_horizontalalignment(side)
    bar.set_label("one colour scale for all maps", fontsize=7)
    bar.ax.tick_params(labelsize=7, length=0)


def heat_ranges(heats: list[Heat]) -> dict[str, tuple[float, float]]:
    """Find the least and the greatest value of each quantity, over all maps of it."""
    ranges = {}
    for heat in heats:
        least, greatest = float(heat.values.min()), float(heat.values.max())
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
