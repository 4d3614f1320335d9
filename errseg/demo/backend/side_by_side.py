"""Answers that stand beside each other."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from errseg.demo.backend import view
from errseg.demo.backend.answers import Answer
from errseg.pictures.export import legend, shared_colors
from errseg.pictures.overlay import summarize


def colored_alike(
    answers: Sequence[Answer], labels: Sequence[np.ndarray] | None = None
) -> list[Answer]:
    """Give a name the same colour in all answers.

    Args:
        answers: in the order in which they are shown.
        labels: what is shown of each (H, W); the answers' own by default.

    Returns:
        copies in the same order, with other colours and legends.
    """
    shown = [answer.result.labels for answer in answers] if labels is None else labels
    colors = shared_colors([answer.result.classes for answer in answers], shown)
    return [
        dataclasses.replace(answer, colors=own, legend=legend(answer.result, own))
        for answer, own in zip(answers, colors, strict=True)
    ]


def comparison_view(
    answers: Sequence[Answer], labels: Sequence[np.ndarray], titles: Sequence[str]
) -> dict:
    """Describe answers to one photo for the browser, which lays one over the other.

    Args:
        answers: in the order in which they are shown.
        labels: what is shown of each (H, W).
        titles: what each is.
    """
    sides = []
    for answer, shown, title in zip(colored_alike(answers, labels), labels, titles, strict=True):
        result = answer.result
        entries = summarize(shown, result.scores, result.classes, answer.colors)
        sides.append(
            {
                "title": title,
                "labels": view.label_picture(shown),
                "names": {entry.index: entry.name for entry in entries},
                "colors": {entry.index: list(entry.color) for entry in entries},
                "legend": [[entry.index, round(entry.area, 4)] for entry in entries],
                "none": round(float((shown < 0).mean()), 4),
            }
        )
    return {"photo": view.photo_picture(answers[0].photo), "sides": sides}
