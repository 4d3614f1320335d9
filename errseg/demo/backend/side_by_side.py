"""Answers that stand beside each other."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from errseg.demo.backend.answers import Answer
from errseg.pictures.export import legend, shared_colors


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
