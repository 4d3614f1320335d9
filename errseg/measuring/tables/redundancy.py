"""Table I: how many of a vocabulary's classes a photo really shows, and how many are redundant."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from math import nan

from errseg.datasets.sets import SegmentationSet, with_photos
from errseg.measuring.tables.photos import Asked, read_photos


@dataclass(frozen=True)
class Redundancy:
    """One set's row."""

    name: str
    photos: int  # with a labelled pixel
    classes: int  # T
    present: float  # mean over photos of the classes that label a pixel or more

    @property
    def per_present(self) -> float:
        """Classes of the vocabulary for each that is present, T / present."""
        return self.classes / self.present

    @property
    def redundant(self) -> float:
        """Share of the vocabulary that a photo doesn't show, 1 - present / T."""
        return 1 - self.present / self.classes


def measure_redundancy(sets: Sequence[SegmentationSet], asked: Asked) -> tuple[Redundancy, ...]:
    """Count the classes present in each photo of the sets; photos without any don't count."""
    rows = []
    for sample_set in with_photos(sets, "validation"):
        counts = [len(photo.present) for photo in read_photos(sample_set, asked, "Table I")]
        counts = [count for count in counts if count]
        mean = statistics.mean(counts) if counts else nan
        rows.append(Redundancy(sample_set.name, len(counts), len(sample_set.class_names), mean))
    return tuple(rows)
