"""How many of the things that a photo shows are among the words that are suggested for it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from errseg.datasets.sets import SegmentationSet, samples, with_photos
from errseg.inference.predictor import Predictor
from errseg.inference.suggestion import suggest_classes
from errseg.words.union import is_named

LEAST_SHARE = 0.02  # of a photo's pixels that a class covers to count as shown
MISSES_SAID = 8  # classes that are named in a report


@dataclass(frozen=True)
class Recall:
    """What was suggested for a set's validation photos."""

    name: str
    photos: int
    shown: Counter[str]  # classes that cover more than `LEAST_SHARE` of a photo -> in how many
    found: Counter[str]  # the same -> in how many of those it was among the suggestions

    @property
    def share(self) -> float:
        """The share of what is shown that was found, in [0, 1]; NaN if nothing is shown."""
        return self.found.total() / self.shown.total() if self.shown else float("nan")


def recall(
    predictor: Predictor,
    sets: Sequence[SegmentationSet],
    count: int,
    limit: int | None = None,
) -> Iterator[Recall]:
    """Suggest words for every validation photo and look for its classes among them.

    A class is found if a suggestion has its name, or a synonym of it (`errseg.words.relations`).

    Args:
        predictor: a model's.
        sets: those without validation photos are left out.
        count: words that are suggested for a photo.
        limit: photos of each set.

    Raises:
        InputError: no set has validation photos, or a file isn't as its set says.
    """
    for sample_set in with_photos(sets, "validation"):
        names, shown, found = sample_set.class_names, Counter(), Counter()
        stems = sample_set.validation[:limit]
        bar = tqdm(stems, sample_set.name, unit="photo", leave=False)
        for photo, label in samples(sample_set, bar):
            pixels = np.bincount(label[label >= 0], minlength=len(names))
            present = [names[i] for i in np.flatnonzero(pixels > LEAST_SHARE * label.size)]
            suggested = suggest_classes(predictor, photo, count)
            shown.update(present)
            found.update(n for n in present if any(is_named(n, s.synonyms) for s in suggested))
        yield Recall(sample_set.name, len(stems), shown, found)


def as_text(recalls: Sequence[Recall], count: int) -> str:
    """Write a line a set: what share was found, and what was missed most."""
    lines = [f"Classes over {LEAST_SHARE:.0%} of a photo, found among {count} suggested words:"]
    for one in recalls:
        missed = (one.shown - one.found).most_common(MISSES_SAID)
        named = ", ".join(f"{name} {times}" for name, times in missed)
        lines.append(
            f"{one.name:16}{one.share:7.1%}  ({one.found.total()} of {one.shown.total()} in "
            f"{one.photos} photos)" + (f"  missed: {named}" if missed else "")
        )
    return "\n".join(lines)
