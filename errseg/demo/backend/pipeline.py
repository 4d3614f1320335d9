"""The paper's figure for one photo: which class is best at each place, stage by stage.

HSM and CRM have cost maps, GUD has logits. ESCF has neither: it gives each class an embedding at
each cell, and only GUD's head makes a number of it. What is shown for ESCF is therefore GUD's
scores, averaged over ESCF's own cells.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from errseg.demo.backend.answers import Answer
from errseg.demo.backend.price import Prices
from errseg.demo.backend.request import Request
from errseg.demo.backend.service import Service
from errseg.pictures.overlay import class_sums

if TYPE_CHECKING:  # torch takes seconds to import
    from errseg.inference.predictor import Predictor


@dataclass(frozen=True)
class Stage:
    """The best classes after one box of the paper's figure."""

    name: str  # the box
    title: str  # what it says, in a few words
    line: str  # how it comes about, in one sentence
    labels: np.ndarray  # (h, w) int, index into the classes, -1 for none

    def areas(self, classes: int) -> list[tuple[int, float]]:
        """List the classes that are seen with their shares of the photo, the largest first."""
        counts = class_sums(self.labels, classes)
        order = np.argsort(-counts, kind="stable")
        return [(int(i), float(counts[i] / self.labels.size)) for i in order if counts[i]]


def pipeline(service: Service, request: Request) -> tuple[Answer, list[Stage]]:
    """Answer a question, and tell the best classes after HSM, CRM, ESCF and GUD.

    Only the kept classes' cost maps are computed for it; the rest is in the answer.

    Raises:
        InputError: as `Service.answer`.
        GoneError: nobody waits for it any more.
    """
    answer = service.answer(request)
    result = answer.result
    kept, total = np.array(result.kept), len(result.classes)
    compute = functools.partial(best_places, kept=result.kept)
    best = kept[service.ask(request, Prices.costs, compute)]
    same = "" if len(kept) < total else " All are kept here, so it is the same."
    fused = kept[cell_sums(result.class_scores, best.shape).argmax(axis=0)]
    return answer, [
        Stage(
            "HSM",
            "cost maps",
            f"Of all {total:,} words the one most like each cell of 16 pixels (cosine).",
            result.ranking[0],
        ),
        Stage(
            "CRM",
            f"the {len(kept):,} kept",
            f"The same cost maps, among the {len(kept):,} classes with the most votes.{same}",
            best,
        ),
        Stage(
            "ESCF",
            "fused",
            "After attention over space and classes. ESCF gives embeddings, no scores: what GUD "
            "reads from them, averaged over cells of 16 pixels.",
            fused,
        ),
        masks_stage(answer),
    ]


def masks_stage(answer: Answer) -> Stage:
    """Tell the last stage of an answer, the only one that depends on the threshold."""
    line = "Upsampled under the photo's guidance; below the threshold none of these."
    return Stage("GUD", "masks", line, answer.result.labels)


def best_places(
    predictor: Predictor, request: Request, photo: np.ndarray, kept: Sequence[int]
) -> np.ndarray:
    """Tell whose stride-16 cost map is the highest, (h16, w16), as a place in the kept classes."""
    return predictor.cost_view(photo, request.vocabulary, kept, request.options).stride16.argmax(
        axis=0
    )


def cell_sums(maps: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """Add up maps (P, H, W) over the cells of a coarser grid (h, w), whether or not it divides."""
    for axis, cells in enumerate(grid, start=1):
        starts = np.arange(cells) * maps.shape[axis] // cells
        maps = np.add.reduceat(maps, starts, axis=axis)
    return maps
