"""One list of class names for several sets, and what each label teaches about any name.

Sets label different names, and few label every pixel, so what a pixel teaches about a name is one
of three: the name is right there, wrong there, or unknown (`errseg.words.relations`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from errseg.datasets.folders import BACKGROUND, IGNORE, MASK_IGNORE, SegmentationSet
from errseg.words.relations import Relation, broader_names, plain_name, relation, synonyms

__all__ = ["LabelSpace", "Sample"]


@dataclass
class Sample:
    """One training crop.

    Attributes:
        image: (3, S, S) uint8 RGB.
        label: (S, S) int64 indices into `LabelSpace.names`, or `IGNORE`, or `BACKGROUND`.
        set_index: Which of the data set's sets the crop is from.
        listed: (N,) bool, the names of the label space whose absence `BACKGROUND` means.
        exhaustive: Whether the set labels every pixel.
    """

    image: Tensor
    label: Tensor
    set_index: int
    listed: Tensor
    exhaustive: bool

    def present(self, least_pixels: int = 1) -> Tensor:
        """Return the indices of the names labelled in the crop, ascending, (n,) int64."""
        values, counts = self.label[self.label >= 0].unique(return_counts=True)
        return values[counts >= least_pixels]


class LabelSpace:
    """The class names of several sets as one list, and what their labels say about any name.

    Attributes:
        names: Every class name of the sets, sorted; equal names of different sets are one.
        index: Name -> place in `names`.
    """

    def __init__(self, sets: Sequence[SegmentationSet]) -> None:
        self.names: tuple[str, ...] = tuple(sorted({n for s in sets for n in s.class_names}))
        self.index: dict[str, int] = {name: i for i, name in enumerate(self.names)}
        self._columns: dict[tuple[str, bool, bool], Tensor] = {}
        self._spread: dict[str, tuple[Tensor, Tensor]] = {}
        self._rows: dict[tuple[bytes, bool], dict[str, Tensor]] = {}  # by listed and exclusive

    def listed(self, sample_set: SegmentationSet) -> Tensor:
        """Return which names a set lists, (N,) bool."""
        listed = torch.zeros(len(self.names), dtype=torch.bool)
        listed[[self.index[name] for name in sample_set.class_names]] = True
        return listed

    def lookup(self, sample_set: SegmentationSet) -> np.ndarray:
        """Return the label of each mask value of a set, (256,) int64."""
        table = np.full(MASK_IGNORE + 1, IGNORE, dtype=np.int64)
        for value, name in sample_set.classes.items():
            table[value] = self.index[name]
        if sample_set.has_background:
            table[0] = BACKGROUND
        return table

    def relations(
        self, classes: Sequence[int | str], listed: Tensor, *, exclusive: bool = False
    ) -> Tensor:
        """Say what every label means for every class asked about.

        Args:
            classes: P classes: indices into `names`, or any names.
            listed: (N,) bool, see `Sample`.
            exclusive: See `targets`.

        Returns:
            (P, N + 2) int8 of `Relation` values: a column per name, then one each for
            `BACKGROUND` and `IGNORE`, so that a label is a valid (negative) index.
        """
        names = [plain_name(c) if isinstance(c, str) else self.names[c] for c in classes]
        known = self._rows.setdefault((listed.numpy().tobytes(), exclusive), {})
        for name in names:
            if name not in known:
                known[name] = self._row(name, listed, exclusive)
        rows = [known[name] for name in names]
        if not rows:
            return torch.empty(0, len(self.names) + 2, dtype=torch.int8)
        return torch.stack(rows)

    def targets(
        self,
        label: Tensor,
        classes: Sequence[int | str],
        sample: Sample,
        *,
        exclusive: bool = False,
        unsafe: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Turn a label map into binary targets for the classes asked about.

        A class is right where the label is it, a synonym, a kind or a part of it. It's wrong
        where the label is a name it's told apart from, and on background if the sample's set
        lists it, a synonym of it or what it's a kind of. Elsewhere the target isn't valid.

        Args:
            label: (S, S) int64, `sample.label` at any resolution.
            classes: P classes: indices into `names`, or any names (for example ImageNet's).
            sample: The crop that the label is of.
            exclusive: Take the names one set lists as exclusive of each other even where one is
                broader (`wall`, `brick wall`), as a benchmark's argmax does.
            unsafe: (P, N) bool, further pairs of class and label to leave undecided, for example
                by the similarity of their text embeddings. Positive pairs stay positive.

        Returns:
            target (P, S, S) float32 in {0, 1} and valid (P, S, S) bool.
        """
        table = self.relations(classes, sample.listed, exclusive=exclusive)
        if unsafe is not None:
            doubt = torch.zeros_like(table, dtype=torch.bool)
            doubt[:, : len(self.names)] = unsafe
            table = table.masked_fill(doubt & (table == Relation.NEGATIVE), Relation.UNKNOWN)
        # index_select is the fastest gather here; the modulo turns IGNORE into the last column.
        columns = (label % table.shape[1]).flatten()
        mapped = table.index_select(1, columns).unflatten(1, label.shape)  # (P, S, S)
        return (mapped == Relation.POSITIVE).float(), mapped != Relation.UNKNOWN

    def _row(self, name: str, listed: Tensor, exclusive: bool) -> Tensor:
        """Return what every label of a set means for `name`, (N + 2,) int8."""
        same, kinds_of = self._spread_of(name)
        row = self._column(name, False, False)
        if bool((listed & same).any()):
            row = torch.where(listed, self._column(name, True, exclusive), row)
        absent = bool((listed & kinds_of).any())
        ends = (Relation.NEGATIVE if absent else Relation.UNKNOWN, Relation.UNKNOWN)
        return torch.cat((row, torch.tensor(ends, dtype=torch.int8)))

    def _column(self, name: str, same_set: bool, exclusive: bool) -> Tensor:
        """Return what each name as a label says about `name`, (N,) int8."""
        key = (name, same_set, exclusive)
        if key not in self._columns:
            values = [
                relation(label, name, same_set=same_set, exclusive=exclusive)
                for label in self.names
            ]
            self._columns[key] = torch.tensor(values, dtype=torch.int8)
        return self._columns[key]

    def _spread_of(self, name: str) -> tuple[Tensor, Tensor]:
        """Return the names that mean `name`, and those plus what it's a kind of, (N,) bool."""
        if name not in self._spread:
            same = torch.tensor([other in synonyms(name) for other in self.names])
            broad = torch.tensor([other in broader_names(name) for other in self.names])
            self._spread[name] = (same, same | broad)
        return self._spread[name]
