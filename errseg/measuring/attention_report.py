"""What attention does over photos, as text, as JSON and as a picture."""

import dataclasses
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from errseg.inference.attended import FAR
from errseg.measuring.attention import MEASURES, ON_PRESENT, Study, Summary, summaries
from errseg.measuring.tables.plots import ALL_COLOR, DOTS_PER_INCH, KEPT_COLOR, PANEL, SMALL
from errseg.measuring.tables.report import HASH_SHOWN, lay_out, percent
from errseg.network.model import ERRSeg

if TYPE_CHECKING:  # takes a second to import
    from matplotlib.axes import Axes

TITLES = {
    "distance": "SFM: distance, % of the diagonal",
    "own": "SFM: on the same class",
    "own_far": "SFM: on the same class, far away",
    ON_PRESENT: "CFM: on the classes present",
}
"""Measure -> what it is called."""
EXPLAINED = (
    "SFM: every cell of the stride-16 grid that has a class asks in that class's channel; means "
    "over cells, heads and photos of how far what it attends to lies, in percent of the photo's "
    "diagonal, of the share of its attention that goes to its own class, and of the share that "
    f"goes to its own class farther away than {FAR:.0%} of the diagonal. CFM: the share of the "
    "attention of the classes present that goes to them (Proposition 1's left side). Evenly: what "
    "attention that is spread evenly, over the photo or over the classes, would come to. Layer "
    "1's SFM sees each class alone, so CRM changes nothing there."
)
ALL_KEPT = "CRM keeps all T classes there, so with CRM and without is the same; lower P to compare."
BAR = 0.36  # height of a bar, a layer's two being 1 high


def as_markdown(model: ERRSeg, studies: Sequence[Study]) -> str:
    """Write all figures as a page."""
    columns = ("layer", "with CRM", "evenly", "without CRM", "evenly", "change", "more in")
    weights = f" (weights {model.weights_hash[:HASH_SHOWN]})" if model.weights_hash else ""
    parts = [f"{model.config.name}{weights}, {model.precision} on {model.device}.", EXPLAINED]
    for study in studies:
        rows, before = [], ""
        for row in summaries(study):
            title = TITLES[row.measure] if row.measure != before else ""
            rows.append((title, *_cells(row)))
            before = row.measure
        parts += [heading(study), lay_out(("", *columns), rows)]
        if study.kept == study.classes:
            parts.append(ALL_KEPT)
    return "\n\n".join(parts)


def heading(study: Study) -> str:
    """Say what was measured."""
    asked = sum(figures.cells > 0 for _, figures in study.photos)
    photos = "1 photo" if asked == 1 else f"{asked} photos"
    name = f"{study.name}, {photos}" if study.true_labels or asked > 1 else study.name
    labels = "true labels" if study.true_labels else "the network's own labels"
    return f"{name}: T = {study.classes}, P = {study.kept}, {labels}"


def as_dict(model: ERRSeg, studies: Sequence[Study]) -> dict:
    """Describe all figures in types that JSON has; None where there is nothing."""
    described = {
        "model": model.config.name,
        "weights_hash": model.weights_hash,
        "precision": model.precision,
        "device": str(model.device),
        "studies": [
            {
                "name": study.name,
                "true_labels": study.true_labels,
                "classes": study.classes,
                "kept": study.kept,
                "summaries": [dataclasses.asdict(row) for row in summaries(study)],
                "photos": [
                    {"name": name, **dataclasses.asdict(figures)} for name, figures in study.photos
                ],
            }
            for study in studies
        ],
    }
    return json.loads(json.dumps(described), parse_constant=lambda nan: None)


def plot(studies: Sequence[Study], path: Path) -> None:
    """Draw a panel for each measure; the path says as what."""
    from matplotlib.figure import Figure

    rows = [(study, row) for study in studies for row in summaries(study)]
    layers = max([sum(row.measure == m for _, row in rows) for m in MEASURES], default=0)
    figure = Figure(
        figsize=(2 * PANEL[0], 2 * max(PANEL[1] * 0.7, 0.45 * layers + 1.1)), layout="constrained"
    )
    for axes, measure in zip(figure.subplots(2, 2).flatten(), MEASURES, strict=True):
        _panel(axes, measure, [(s, row) for s, row in rows if row.measure == measure])
    handles, labels = figure.axes[0].get_legend_handles_labels()
    if handles:
        figure.legend(
            handles, labels, frameon=False, fontsize=SMALL, ncols=3, loc="outside lower center"
        )
    figure.savefig(path, dpi=DOTS_PER_INCH)


def _panel(axes: "Axes", measure: str, rows: Sequence[tuple[Study, Summary]]) -> None:
    axes.set_title(TITLES[measure], fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    kinds = (
        ("with_crm", "evenly", "with CRM (P)", KEPT_COLOR, -0.5),
        ("without_crm", "evenly_without", "without (P = T)", ALL_COLOR, 0.5),
    )
    for of, even, label, color, shift in kinds:
        for place, (_, row) in enumerate(rows):
            y, value, evenly = place + shift * BAR, getattr(row, of), getattr(row, even)
            if math.isnan(value):
                continue
            first = {"label": label} if not place else {}
            axes.barh(y, 100 * value, height=BAR, color=color, **first)
            marked = {"label": "spread evenly"} if not place and of == "with_crm" else {}
            ends = (y - BAR / 2, y + BAR / 2)
            axes.vlines(100 * evenly, *ends, color="black", linestyle=":", **marked)
    names = [f"{study.name}, layer {row.layer}" for study, row in rows]
    axes.set_yticks(range(len(rows)), names, fontsize=SMALL)
    axes.invert_yaxis()
    axes.set_xlabel("%", fontsize=SMALL)


def _cells(row: Summary) -> tuple[str, ...]:
    change = "-"
    if not math.isnan(row.change):
        change = f"{100 * row.change:+.1f}".replace("-0.0", "+0.0")
        if not math.isnan(row.error):
            change += f" ± {100 * row.error:.1f}"
    more = "-" if math.isnan(row.more) else f"{round(row.more * row.photos)} of {row.photos}"
    return (
        str(row.layer),
        percent(row.with_crm),
        percent(row.evenly),
        percent(row.without_crm),
        percent(row.evenly_without),
        change,
        more,
    )
