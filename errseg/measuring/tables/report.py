"""The measured tables as Markdown, each beside the paper's own figures, and as JSON."""

import dataclasses
import json
import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from errseg.measuring.tables import paper
from errseg.measuring.tables.input_size import SizeCurve
from errseg.measuring.tables.knobs import Knob, KnobCurve, KnobPoint
from errseg.measuring.tables.measure import KNOBS, Tables
from errseg.measuring.tables.proposition import Proposition
from errseg.measuring.tables.redundancy import Redundancy
from errseg.measuring.tables.similarity import COSINES, Similarity

HASH_SHOWN = 12  # digits of a weights file's SHA-256
QUOTED = "Quoted from the paper, not reproduced"
LEFT_OUT = "Sets of which CRM keeps all T classes are left out."
NOTHING_REMOVED = "Nothing to measure: CRM keeps all T classes of each of these sets."
UNKNOWN = "The paper's own figures are not quoted here: they were not at hand."
TITLES: dict[Knob, str] = {
    "K": "Table VII: K, the classes that vote at one pixel",
    "P": "Table XIII: P, the classes that CRM keeps",
    "beta": "CRM's score coefficient, beta",
}
MEASURES: dict[str, Callable[[KnobPoint], str]] = {
    "mIoU": lambda point: percent(point.miou),
    "classes kept": lambda point: percent(point.class_recall),
    "pixels kept": lambda point: percent(point.pixel_recall),
    "latency": lambda point: number(point.latency),
}


def as_markdown(tables: Tables) -> str:
    """Write all that was measured as sections of a page."""
    asked, machine = tables.asked, tables.machine
    photos = "all validation" if asked.limit is None else f"at most {asked.limit} validation"
    timed = f"; those of P, K and beta over the first {asked.timed} of each set"
    weights = f" (weights {tables.weights_hash[:HASH_SHOWN]})" if tables.weights_hash else ""
    parts = [
        f"{tables.model}{weights}, {photos} photos of each set, {machine['precision']} on "
        f"{machine['device']}, threads: {machine['threads']}. Latencies are of a photo with cached "
        "text, as ratios to the default's on the same photo, measured in turn, medians over "
        f"photos{timed if tables.knobs else ''}."
    ]
    knobs = {table: _of_knob(tables, knob) for table, knob in KNOBS.items()}
    sections = {
        "I": lambda: _redundancy(tables.redundancy),
        "IV": lambda: _similarity(tables.similarity),
        **{table: partial(_knob, *of) for table, of in knobs.items()},
        "XIV": lambda: _sizes(tables.sizes),
        "proposition": lambda: _propositions(tables.propositions),
    }
    for name, section in sections.items():
        if name in tables.names:
            parts += section()
    minutes = ", ".join(f"{part} {taken / 60:.1f}" for part, taken in tables.seconds.items())
    parts.append(f"Minutes that measuring took: {minutes}.")
    return "\n\n".join(parts)


def as_dict(tables: Tables) -> dict:
    """Describe all figures in types that JSON has; None where there is nothing."""
    text = json.dumps(dataclasses.asdict(tables))
    return json.loads(text, parse_constant=lambda nan: None)


def percent(share: float, digits: int = 1) -> str:
    """Write a share in percent; a dash for NaN."""
    return "-" if math.isnan(share) else f"{share:.{digits}%}"


def number(value: float, digits: int = 2) -> str:
    """Write a number; a dash for NaN."""
    return "-" if math.isnan(value) else f"{value:.{digits}f}"


def lay_out(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Lay rows out as a Markdown table."""
    lines = [f"| {' | '.join(row)} |" for row in (columns, *rows)]
    return "\n".join([lines[0], "|---" * len(columns) + "|", *lines[1:]])


def _redundancy(rows: Sequence[Redundancy]) -> list[str]:
    columns = ("set", "photos", "T", "present", "T / present", "redundant")
    measured = [
        (
            row.name,
            str(row.photos),
            str(row.classes),
            number(row.present, 1),
            number(row.per_present, 1),
            percent(row.redundant),
        )
        for row in rows
    ]
    quoted = [
        (
            f"{b.name} (quoted)",
            "",
            str(b.classes),
            number(b.present, 1),
            number(b.classes / b.present, 1),
            percent(1 - b.present / b.classes),
        )
        for b in paper.BENCHMARKS
    ]
    return [
        "## Table I: classes really present in a photo",
        "Present is the mean number of classes that label a pixel of a photo or more; redundant is "
        "the share of the vocabulary that a photo doesn't show, 1 - present / T.",
        lay_out(columns, [*measured, *quoted]),
        f"{QUOTED}: the classes present; the two columns behind them follow from it.",
    ]


def _similarity(rows: Sequence[Similarity]) -> list[str]:
    columns = ("of", "among", "T", "equal", *(f"≥ {c:g}" for c in COSINES), "mean of nearest")
    cells = [
        (
            row.of,
            row.among,
            str(row.classes),
            percent(row.equal),
            *(percent(row.above[c]) for c in COSINES),
            number(row.nearest, 3),
        )
        for row in rows
    ]
    return [
        "## Table IV: similarity of two vocabularies",
        "Share of a vocabulary's classes of which the other has one of the same name (equal), or "
        "one whose text embedding has at least this cosine to theirs, by this model's text tower. "
        f"The released models' training is coco171. {UNKNOWN}",
        lay_out(columns, cells),
    ]


def _of_knob(tables: Tables, knob: Knob) -> tuple[Knob, Sequence[KnobCurve]]:
    return knob, [curve for curve in tables.knobs if curve.knob == knob]


def _knob(knob: Knob, curves: Sequence[KnobCurve]) -> list[str]:
    title = f"## {TITLES[knob]}"
    if not curves:
        return [title, NOTHING_REMOVED]

    # What is all of T classes stands in one column, whatever T is.
    def column(curve: KnobCurve, value: float) -> float:
        return math.inf if knob == "P" and value == curve.classes else value

    values = sorted({column(curve, point.value) for curve in curves for point in curve.points})
    heads = ["T" if math.isinf(value) else f"{value:g}" for value in values]
    rows = []
    for curve in curves:
        points = {column(curve, point.value): point for point in curve.points}
        for name, write in MEASURES.items():
            first = f"{curve.name}, T = {curve.classes}" if name == "mIoU" else ""
            cells = [_cell(points.get(value), curve, write) for value in values]
            rows.append((first, name, *cells))
    return [
        title,
        "Kept is how much of what is really present CRM keeps: of the classes (mean over photos), "
        "and of the labelled pixels. The default is bold; P's is the paper's for the size of the "
        f"vocabulary.{'' if knob == 'P' else ' ' + LEFT_OUT}",
        lay_out(("set", f"{knob} =", *heads), rows),
        _quoted_knob(knob),
    ]


def _cell(point: KnobPoint | None, curve: KnobCurve, write: Callable[[KnobPoint], str]) -> str:
    if point is None:
        return ""
    return f"**{write(point)}**" if point.setting == curve.default else write(point)


def _quoted_knob(knob: Knob) -> str:
    if knob == "P":
        by_kept = ", ".join(f"{miou} at P = {p}" for p, miou in paper.MIOU_BY_KEPT.items())
        whole = ", ".join(
            f"{b.name} {b.miou} at P = {b.kept_classes} and {b.miou_without_crm} without CRM"
            for b in paper.BENCHMARKS
        )
        slow = ", ".join(f"{ms} ms at T = {t}" for t, ms in paper.MILLISECONDS.items())
        return f"{QUOTED} (mIoU in percent): A-150 {by_kept}; {whole}. Latency: {slow}."
    if knob == "K":
        return f"{QUOTED}: K = 1, 3 and 5 differ by at most {paper.VOTES_SPREAD} percentage points."
    return UNKNOWN


def _sizes(curves: Sequence[SizeCurve]) -> list[str]:
    sizes = [point.size for point in curves[0].points]
    rows = []
    for curve in curves:
        for name, write in (
            ("mIoU", lambda point: percent(point.miou)),
            ("latency", lambda point: number(point.latency)),
        ):
            cells = [
                f"**{write(point)}**" if point.size == curve.own else write(point)
                for point in curve.points
            ]
            first = f"{curve.name}, T = {curve.classes}" if name == "mIoU" else ""
            rows.append((first, name, *cells))
    best = ", ".join(f"{model} is best at {side}" for model, side in paper.BEST_SIZES.items())
    return [
        "## Table XIV: size of the network's input",
        "Pixels of a side, or of the square root of the area where the photo's aspect is kept; the "
        "model's own is bold.",
        lay_out(("set", "size =", *map(str, sizes)), rows),
        f"{QUOTED}: {best} pixels.",
    ]


def _propositions(rows: Sequence[Proposition]) -> list[str]:
    title = "## Proposition 1: class-level attention on the classes present"
    if not rows:
        return [title, NOTHING_REMOVED]
    columns = (
        "set",
        "layer",
        "all T",
        "P, same input",
        "P",
        "no less, same input",
        "no less",
        "photos no less",
    )
    cells = [
        (
            f"{row.name}, T = {row.classes}, P = {row.kept}" if place == 1 else "",
            str(place),
            *(percent(s) for s in (layer.with_all, layer.same_input, layer.with_kept)),
            *(percent(s) for s in (layer.grew_same_input, layer.grew, layer.photos_grew)),
        )
        for row in rows
        for place, layer in enumerate(row.layers, start=1)
    ]
    return [
        title,
        "Share of CFM's attention, from the classes present and kept, that goes to them, a mean "
        "over cells, heads and photos: with all T classes in ESCF; with the same input of the "
        "layer, but the softmax over the P kept classes; with P classes in ESCF from its start. "
        "Then how often it is no less than with all T: of cells, heads and rows, and of photos' "
        "means. The paper's statement is that it can only grow. With the same input that is "
        "certain, and in layer 1 the input is the same; in later layers it is not. "
        f"{LEFT_OUT}",
        lay_out(columns, cells),
    ]
