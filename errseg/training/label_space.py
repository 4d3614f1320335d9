"""One list of class names for several sets, and what each label teaches about any name.

Sets label different names, and few label every pixel, so what a pixel teaches about a name is one
of three: the name is right there, wrong there, or unknown (`errseg.words.relations`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor

from errseg.datasets.sets import BACKGROUND, SegmentationSet
from errseg.words.relations import Relation, broader_names, plain_name, relation, synonyms


@dataclass
class Sample:
    """One training crop."""

    image: Tensor  # (3, S, S) uint8 RGB
    label: Tensor  # (S, S) int64 indices into `LabelSpace.names`, or `IGNORE`, or `BACKGROUND`
    listed: frozenset[str]  # names whose absence `BACKGROUND` means: those of the crop's set

    def present(self, least_pixels: int = 1) -> Tensor:
        """Return the indices of the names labelled in the crop, ascending, (n,) int64."""
        values, counts = self.label[self.label >= 0].unique(return_counts=True)
        return values[counts >= least_pixels]


class LabelSpace:
    """The class names of several sets as one list, and what their labels say about any name."""

    def __init__(self, sets: Sequence[SegmentationSet]) -> None:
        # Sorted; equal names of different sets are one. The index has each one's place.
        self.names: tuple[str, ...] = tuple(sorted({n for s in sets for n in s.class_names}))
        self.index: dict[str, int] = {name: i for i, name in enumerate(self.names)}

    def lookup(self, sample_set: SegmentationSet) -> np.ndarray:
        """Return the label of each value that a mask of a set may hold, (256 or more,) int64."""
        return sample_set.table([self.index[n] for n in sample_set.class_names], BACKGROUND)

    def relations(self, classes: Sequence[str], listed: frozenset[str]) -> Tensor:
        """Say what every label means for every class asked about.

        Args:
            classes: P names, those of the space or any others (for example ImageNet's).
            listed: See `Sample`. Names that one set lists exclude each other even where one is
                broader (`wall`, `brick wall`), as a benchmark's argmax takes them.

        Returns:
            (P, N + 2) int8 of `Relation` values: a column per name of the space, then one each for
            `BACKGROUND` and `IGNORE`, so that a label is a valid (negative) index.
        """
        rows = [_row(self.names, plain_name(name), listed) for name in classes]
        return torch.cat(rows or [torch.empty(0, dtype=torch.int8)]).view(-1, len(self.names) + 2)

    def targets(
        self, label: Tensor, classes: Sequence[str], sample: Sample, unsafe: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Turn a label map into binary targets for the classes asked about.

        A class is right where the label is it, a synonym, a kind or a part of it. It's wrong where
        the label is a name it's told apart from, and on background if the sample's set lists it, a
        synonym of it or what it's a kind of. Elsewhere the target isn't valid.

        Args:
            label: (S, S) int64, the sample's at any resolution.
            classes: P names, see `relations`.
            sample: The crop that the label is of.
            unsafe: (P, N) bool, negative pairs of class and label to leave undecided.

        Returns:
            target (P, S, S) float32 in {0, 1} and valid (P, S, S) bool.
        """
        table = self.relations(classes, sample.listed)
        if unsafe is not None:
            names = table[:, : len(self.names)]
            names[unsafe & (names == Relation.NEGATIVE)] = Relation.UNKNOWN
        # index_select is the fastest gather here; the modulo turns IGNORE into the last column.
        columns = (label % table.shape[1]).flatten()
        mapped = table.index_select(1, columns).unflatten(1, label.shape)  # (P, S, S)
        return (mapped == Relation.POSITIVE).float(), mapped != Relation.UNKNOWN


@cache
def _row(labels: tuple[str, ...], name: str, listed: frozenset[str]) -> Tensor:
    """Return what a set's labels, its background and its gaps mean for a name, (N + 2,) int8."""
    row, own = _across_sets(labels, name), synonyms(name)
    if listed & own:  # its annotators told the name apart from all others of their list
        told = {n: Relation.POSITIVE if n in own else Relation.NEGATIVE for n in listed}
        row = [told.get(label, said) for label, said in zip(labels, row, strict=True)]
    absent = listed & (own | broader_names(name))
    ends = (Relation.NEGATIVE if absent else Relation.UNKNOWN, Relation.UNKNOWN)
    return torch.tensor((*row, *ends), dtype=torch.int8)


@cache
def _across_sets(labels: tuple[str, ...], name: str) -> tuple[Relation, ...]:
    """Return what each label says about a name that its set doesn't list."""
    return tuple(relation(label, name) for label in labels)
