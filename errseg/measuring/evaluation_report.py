"""Scores as tables and as JSON."""

import dataclasses
import json
import math
from collections.abc import Callable, Iterable, Sequence

from errseg.measuring.evaluation import Scores, SetScores

OUTPUTS = {"crm": "with CRM", "all_classes": "without CRM", "raw_cost": "raw cost"}
"""What `SetScores` has scores of -> what the tables call it."""


def _percent(*shares: float) -> str:
    return " / ".join("-" if math.isnan(share) else f"{share:.1%}" for share in shares)


COLUMNS: dict[str, Callable[[SetScores], str]] = {
    "set": lambda s: s.name,
    "photos": lambda s: f"{s.photos}",
    "classes (occurring)": lambda s: f"{s.classes} ({s.occurring})",
    "mIoU": lambda s: _percent(s.crm.miou),
    "without CRM": lambda s: _percent(s.all_classes.miou) if s.all_classes else "-",
    "raw cost": lambda s: _percent(s.raw_cost.miou),
    "pixel accuracy": lambda s: _percent(s.crm.pixel_accuracy),
    "given to absent classes": lambda s: _percent(s.crm.absent_share),
    "calibration error": lambda s: f"{s.crm.calibration_error:.3f}",
    "IoU seen / held out": lambda s: _percent(s.crm.seen_iou, s.crm.held_out_iou),
    "raw cost seen / held out": lambda s: _percent(s.raw_cost.seen_iou, s.raw_cost.held_out_iou),
    "left out: -1": lambda s: _percent(s.crm.true_rejection),
    "right: -1": lambda s: _percent(s.crm.false_rejection),
}
OUTPUT_COLUMNS: dict[str, Callable[[Scores], str]] = {
    "mIoU": lambda s: _percent(s.miou),
    "frequency-weighted IoU": lambda s: _percent(s.frequency_weighted_iou),
    "mean class accuracy": lambda s: _percent(s.mean_class_accuracy),
    "pixel accuracy": lambda s: _percent(s.pixel_accuracy),
}


def as_table(scores: Iterable[SetScores]) -> str:
    """Lay scores out as a Markdown table, shares in percent; a dash where there is nothing."""
    return _lay_out(COLUMNS, ([cell(s) for cell in COLUMNS.values()] for s in scores))


def as_output_table(scores: Iterable[SetScores]) -> str:
    """Lay the published measures of every output out as a Markdown table, and the P of each."""
    rows = []
    for s in scores:
        kept = {"crm": f"{s.kept_classes}", "all_classes": f"{s.classes}", "raw_cost": "-"}
        for name, title in OUTPUTS.items():
            if (output := getattr(s, name)) is not None:
                cells = [cell(output) for cell in OUTPUT_COLUMNS.values()]
                rows.append([s.name, title, kept[name], *cells])
    return _lay_out(["set", "output", "P", *OUTPUT_COLUMNS], rows)


def as_text(scores: Sequence[SetScores]) -> str:
    """Lay out both tables, the summary first."""
    return f"{as_table(scores)}\n\n{as_output_table(scores)}"


def as_dict(scores: Iterable[SetScores]) -> list[dict]:
    """Describe scores in types that JSON has; None where there is nothing.

    The IoUs of an output's classes are named.
    """
    described = []
    for s in scores:
        fields = dataclasses.asdict(s)
        for name in OUTPUTS:
            if output := fields[name]:
                named = zip(fields["class_names"], output["class_iou"], strict=True)
                output["class_iou"] = [{"class": n, "iou": iou} for n, iou in named]
        described.append(fields)
    return json.loads(json.dumps(described), parse_constant=lambda nan: None)


def _lay_out(head: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in ([*head], *rows)]
    return "\n".join([lines[0], "|---" * len([*head]) + "|", *lines[1:]])
