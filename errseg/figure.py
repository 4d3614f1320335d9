"""A result as one figure of print quality: photo, masks, CRM's ranking, attention and settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from errseg.colors import Color
from errseg.export import crm_ranks, legend
from errseg.visualize import NONE_NAME, labelled_overlay

if TYPE_CHECKING:  # torch takes seconds to import, and nothing here computes with it
    from matplotlib.axes import Axes

    from errseg.predictor import Result

WIDTH, HEIGHT = 10.0, 7.4
"""Inches: a page's width with margins."""
DOTS_PER_INCH = 300
MOST_BARS = 16
"""Classes in the ranking and in the legend; the files beside the figure have all of them."""
HASH_LETTERS = 12
HEAT = "viridis"


def write_figure(
    file: Path,
    photo: np.ndarray,
    result: Result,
    colors: tuple[Color, ...],
    heats: list[tuple[str, np.ndarray]],
    pixel: tuple[int, int],
) -> None:
    """Draw a result.

    Args:
        file: the PNG to write.
        photo: (H, W, 3) uint8, what was segmented.
        result: from `Predictor`.
        colors: T colours, from `result_colors`.
        heats: up to three titled maps (h, w) that are laid over the photo.
        pixel: (x, y) of the attention's query, marked on the photo and on the maps.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    entries = legend(result, colors)
    overlay = labelled_overlay(photo, result.labels, entries, legend_below=False)
    # A class may be called "$x$"; it is text, not a formula.
    with matplotlib.rc_context({"text.parse_math": False, "font.size": 8}):
        figure = Figure(figsize=(WIDTH, HEIGHT), dpi=DOTS_PER_INCH, layout="constrained")
        FigureCanvasAgg(figure)
        top, bottom = figure.subfigures(2, 1, height_ratios=(1.15, 1))
        photo_axes, masks_axes, legend_axes = top.subplots(1, 3, width_ratios=(1, 1, 0.45))
        _picture(photo_axes, photo, "Photo")
        photo_axes.plot(*pixel, "+", color="white", markersize=9, markeredgewidth=2.5)
        photo_axes.plot(*pixel, "+", color="black", markersize=9, markeredgewidth=1)
        _picture(masks_axes, np.asarray(overlay), "Masks")
        _legend(legend_axes, result, entries)
        ranking_axes, *heat_axes = bottom.subplots(1, 1 + len(heats))
        _ranking(ranking_axes, result, colors)
        for axes, (title, heat) in zip(heat_axes, heats, strict=True):
            _heat(axes, photo, title, heat, pixel)
        figure.supxlabel(_settings(result), fontsize=7, color="0.3")
        figure.savefig(file, metadata={"Software": None})


def _picture(axes: Axes, picture: np.ndarray, title: str) -> None:
    axes.imshow(picture)
    axes.set_title(title, fontsize=9)
    axes.set_axis_off()


def _legend(axes: Axes, result: Result, entries: list) -> None:
    from matplotlib.patches import Patch

    rows = [
        Patch(facecolor=entry.hex, label=f"{entry.name}  {entry.area:.0%}  {entry.score:.2f}")
        for entry in entries[:MOST_BARS]
    ]
    if none := float((result.labels < 0).mean()):
        rows.append(Patch(facecolor="0.44", label=f"{NONE_NAME}  {none:.0%}"))
    axes.set_axis_off()
    axes.legend(handles=rows, loc="upper left", frameon=False, title="class, area, score")


def _ranking(axes: Axes, result: Result, colors: tuple[Color, ...]) -> None:
    order = np.argsort(crm_ranks(result))[:MOST_BARS]
    kept = set(result.kept)
    for place, index in enumerate(order):
        color = [value / 255 for value in colors[index]]
        dropped = {} if index in kept else {"color": "none", "edgecolor": "0.5", "hatch": "////"}
        axes.barh(place, result.crm_scores[index], **({"color": color} | dropped))
    axes.set_yticks(range(len(order)), [result.classes[index] for index in order], fontsize=6.5)
    axes.invert_yaxis()
    if len(kept) < len(result.classes) and len(kept) <= len(order):
        axes.axhline(len(kept) - 0.5, color="black", linestyle="--", linewidth=1)
    axes.set_title(f"CRM score: P = {len(kept)} of {len(result.classes)} kept", fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)


def _heat(
    axes: Axes, photo: np.ndarray, title: str, heat: np.ndarray, pixel: tuple[int, int]
) -> None:
    height, width = photo.shape[:2]
    extent = (0, width, height, 0)
    axes.imshow(photo.mean(axis=2), cmap="gray", extent=extent)
    shown = axes.imshow(heat, cmap=HEAT, alpha=0.75, extent=extent, interpolation="nearest")
    axes.plot(*pixel, "+", color="white", markersize=9, markeredgewidth=2)
    axes.set_title(title, fontsize=8)
    axes.set_axis_off()
    axes.figure.colorbar(shown, ax=axes, orientation="horizontal", fraction=0.05, pad=0.02)


def _settings(result: Result) -> str:
    settings = result.settings
    height, width = settings.network_size
    weights = settings.weights_hash[:HASH_LETTERS] or "random"
    return (
        f"ERR-Seg (arXiv 2501.17642), {settings.model}, weights {weights}; "
        f"P = {settings.kept_classes}, K = {settings.votes_per_pixel}, beta = {settings.beta:g}, "
        f"threshold = {settings.threshold:g}, network input {width} x {height}"
    )
