"""The measured tables as one picture, a panel for each curve."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from errseg.config import KEPT_CLASSES
from errseg.measuring.tables import paper
from errseg.measuring.tables.measure import Tables

if TYPE_CHECKING:  # takes a second to import
    from matplotlib.axes import Axes

COLUMNS = 3  # of panels
PANEL = (4.2, 3.3)  # inches
DOTS_PER_INCH = 130
SPAN = 1.0  # percentage points that a panel of mIoU shows up and down, at least
RECALL_SPAN = 20.0  # percent that a panel of recall shows below 100, at least
SMALL = 7  # points, of a name at an axis or in a legend
LABELS = {
    "miou": "mIoU, points from the default's",
    "class_recall": "classes present that CRM keeps, %",
    "latency": "latency, default = 1",
}
TITLES = {"P": "Table XIII", "K": "Table VII", "beta": "beta"}
QUOTED_STYLE = {"color": "#777777", "linestyle": "--", "marker": "s", "markersize": 4}
SAME_INPUT_COLOR, ALL_COLOR, KEPT_COLOR = "#4c8dae", "#9aa5b1", "#0b7a75"
Panel = Callable[["Axes"], None]


def plot(tables: Tables, path: Path) -> None:
    """Draw all curves and bars that were measured; the path says as what.

    Where there are none, as of Table IV alone, the picture says so.
    """
    from matplotlib.figure import Figure

    panels = _panels(tables)
    if not panels:
        panels = [_nothing]
    columns = min(COLUMNS, len(panels))
    rows = math.ceil(len(panels) / columns)
    figure = Figure(figsize=(PANEL[0] * columns, PANEL[1] * rows), layout="constrained")
    every = figure.subplots(rows, columns, squeeze=False).flatten()
    for axes, panel in zip(every, panels, strict=False):
        panel(axes)
        axes.spines[["top", "right"]].set_visible(False)
    for axes in every[len(panels) :]:
        axes.set_visible(False)
    figure.savefig(path, dpi=DOTS_PER_INCH)


def _panels(tables: Tables) -> list[Panel]:
    panels: list[Panel] = []
    for knob in ("P", "K", "beta"):
        if any(curve.knob == knob for curve in tables.knobs):
            # What a vote weighs takes no time.
            shown = ("miou", "class_recall", "latency")[: 2 if knob == "beta" else 3]
            panels += [partial(_knob, tables, knob, of) for of in shown]
    if tables.propositions:
        panels.append(partial(_propositions, tables))
    if tables.redundancy:
        panels.append(partial(_redundancy, tables))
    if tables.sizes:
        panels += [partial(_sizes, tables, of) for of in ("miou", "latency")]
    return panels


def _nothing(axes: Axes) -> None:
    axes.text(0.5, 0.5, "Nothing that was measured can be drawn.", ha="center", fontsize=SMALL)
    axes.axis("off")


def _redundancy(tables: Tables, axes: Axes) -> None:
    rows = [(row.name, row.classes, row.present) for row in tables.redundancy]
    rows += [(f"{b.name} (quoted)", b.classes, b.present) for b in paper.BENCHMARKS]
    names, classes, present = zip(*rows, strict=True)
    places = range(len(rows))
    axes.barh(places, classes, color=ALL_COLOR, label="in the vocabulary, T")
    axes.barh(places, present, color=KEPT_COLOR, label="really present, mean")
    axes.set_yticks(places, names, fontsize=SMALL)
    axes.invert_yaxis()
    axes.set(xscale="log", xlabel="classes", title="Table I")
    _legend_above(axes)


def _knob(tables: Tables, knob: str, of: str, axes: Axes) -> None:
    for curve in tables.knobs:
        if curve.knob == knob:
            figures = {point.value: getattr(point, of) for point in curve.points}
            own = next(p.value for p in curve.points if p.setting == curve.default)
            _line(tables, axes, curve.name, figures, own, of)
    if knob == "P" and of == "miou":
        quoted = {p: miou / 100 for p, miou in paper.MIOU_BY_KEPT.items()}
        change = [100 * (miou - quoted[KEPT_CLASSES]) for miou in quoted.values()]
        axes.plot(list(quoted), change, label="A-150, quoted", **QUOTED_STYLE)
    if knob == "P":
        _plain_log_ticks(axes, (4, 8, 16, 32, 64, 128))
    axes.set(xlabel=knob, ylabel=LABELS[of], title=TITLES[knob])
    _finish(axes, of)


def _sizes(tables: Tables, of: str, axes: Axes) -> None:
    for curve in tables.sizes:
        figures = {point.size: getattr(point, of) for point in curve.points}
        _line(tables, axes, curve.name, figures, curve.own, of)
    axes.set(xlabel="input size, pixels of a side", ylabel=LABELS[of], title="Table XIV")
    _finish(axes, of)


def _line(
    tables: Tables, axes: Axes, name: str, figures: dict[float, float], own: float, of: str
) -> None:
    """Draw one set's line in the set's colour: mIoU as the change from the default's."""
    names = [curve.name for curve in (*tables.knobs, *tables.sizes)]
    color = f"C{list(dict.fromkeys(names)).index(name)}"
    start, scale = (figures[own] if of == "miou" else 0), (1 if of == "latency" else 100)
    values = [scale * (figure - start) for figure in figures.values()]
    axes.plot(list(figures), values, "o-", markersize=3, color=color, label=name)


def _finish(axes: Axes, of: str) -> None:
    """Add the legend, and a scale on which what hardly changes looks like it."""
    least, most = axes.get_ylim()
    if of == "latency":
        axes.set_ylim(0, most)
    elif of == "miou":
        axes.set_ylim(min(least, -SPAN), max(most, SPAN))
    else:
        axes.set_ylim(min(least, 100 - RECALL_SPAN), 102)
    axes.legend(frameon=False, fontsize=SMALL)


def _propositions(tables: Tables, axes: Axes) -> None:
    bars = [
        (f"{row.name}, layer {place}", layer)
        for row in tables.propositions
        for place, layer in enumerate(row.layers, start=1)
    ]
    kinds = (
        ("with_all", "all T", ALL_COLOR),
        ("same_input", "P, same input", SAME_INPUT_COLOR),
        ("with_kept", "P", KEPT_COLOR),
    )
    for shift, (of, label, color) in enumerate(kinds):
        axes.barh(
            [place + 0.27 * (shift - 1) for place in range(len(bars))],
            [100 * getattr(layer, of) for _, layer in bars],
            height=0.25,
            color=color,
            label=label,
        )
    axes.set_yticks(range(len(bars)), [name for name, _ in bars], fontsize=SMALL)
    axes.invert_yaxis()
    axes.set(xlabel="attention on the classes present, %", title="Proposition 1")
    _legend_above(axes)


def _legend_above(axes: Axes) -> None:
    """Put the legend where no bar is: between the title and the panel."""
    axes.set_title(axes.get_title(), pad=20)
    place = {"loc": "lower center", "bbox_to_anchor": (0.5, 0.98), "ncols": 3}
    axes.legend(frameon=False, fontsize=SMALL, **place)


def _plain_log_ticks(axes: Axes, ticks: Sequence[int]) -> None:
    axes.set_xscale("log", base=2)
    axes.set_xticks(ticks, list(map(str, ticks)))
