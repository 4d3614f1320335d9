"""What the browser is sent of a sweep: all answers at once, through which a slider moves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from errseg.demo.backend import view
from errseg.demo.backend.side_by_side import colored_alike
from errseg.demo.backend.sweep import P, Step
from errseg.inference.result import Result
from errseg.pictures.export import crm_ranks

LONGEST_SIDE = 960
"""Pixels of a side of photo and labels: a sweep has up to a dozen of them."""
BELOW = 8  # classes of CRM's list that are told below the lowest line that P draws


def sweep_view(knob: str, steps: Sequence[Step]) -> dict:
    """Describe a sweep: the photo, and for each value labels, CRM's list and what was seen.

    Args:
        knob: what was swept, P or K.
        steps: in the order of their values, one or more.
    """
    answers = colored_alike([step.answer for step in steps])
    first = answers[0]
    rows = max(len(answer.result.kept) for answer in answers) + BELOW
    # CRM's scores don't depend on P: one list, in which the line moves.
    lists = [_crm_list(a.result, rows) for a in (answers[:1] if knob == P else answers)]
    seen = {entry.index for answer in answers for entry in answer.legend}
    told = seen | {index for listed in lists for index, _ in listed}
    return {
        "knob": knob,
        "photo": view.photo_picture(first.photo, LONGEST_SIDE),
        "classes": len(first.result.classes),
        "names": {index: first.result.classes[index] for index in sorted(told)},
        "colors": {index: list(first.colors[index]) for index in sorted(seen)},
        "lists": lists,
        "steps": [
            {
                "value": step.value,
                "kept": len(answer.result.kept),
                "seconds": round(step.seconds, 3),
                "changed": round(step.changed, 4) if place else None,
                "labels": view.label_picture(answer.result.labels, LONGEST_SIDE),
                "areas": {entry.index: round(entry.area, 4) for entry in answer.legend},
            }
            for place, (step, answer) in enumerate(zip(steps, answers, strict=True))
        ],
    }


def _crm_list(result: Result, rows: int) -> list[list]:
    """List the classes that CRM ranks first, best first: index and score."""
    order = np.argsort(crm_ranks(result), kind="stable")[:rows]
    return [[int(index), round(float(result.crm_scores[index]), 2)] for index in order]
