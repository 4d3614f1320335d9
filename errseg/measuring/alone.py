"""One word alone: what it paints where it is not, and how much it finds where it is.

A person who types one word gets an honest answer if nothing is painted where the photo lacks it.
False paint is the share of the pixels that absent words are given: the mean over everyday words and
validation photos without them. A model that paints nothing has none, so the other side is measured
too: each class that a photo shows is asked alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from errseg.datasets.sets import SegmentationSet, at_even_distances, samples, with_photos
from errseg.inference.predictor import Predictor
from errseg.measuring.metrics import share
from errseg.options import Options
from errseg.words.nearness import are_near
from errseg.words.relations import synonyms, with_synonyms

EVERYDAY_WORDS = (
    *("dog", "cat", "horse", "cow", "sheep", "bird", "elephant", "zebra", "giraffe", "bear"),
    *("lion", "penguin", "airplane", "train", "boat", "motorcycle", "sofa", "bed", "toilet"),
    *("refrigerator", "bathtub", "laptop", "television", "piano", "guitar", "pizza", "banana"),
    *("cake", "sandwich", "carrot", "umbrella", "teddy bear", "skateboard", "surfboard"),
    *("tennis racket", "kite", "helicopter", "waterfall", "fire", "rabbit"),
)
"""Things that people type."""
PHOTOS_PER_WORD = 30
PHOTOS_PER_SET = 20  # that are drawn from
LABELLED = 0.9  # share of a photo's pixels from which on what is in it has a label
MUCH = 0.05  # share of the pixels that are false paint anybody sees
LIST_SIZES = (3, 6)  # absent words asked together
LEAST_SHARE = 0.01  # of a photo's pixels that a class covers to be asked alone
NOTICED = 0.1  # share of a class's pixels from which on it counts as found


@dataclass(frozen=True)
class Absent:
    """What words painted in photos that don't show them."""

    words: tuple[str, ...]
    shares: dict[str, float]  # word -> share of the pixels that it got alone, mean over photos
    questions: int  # words by photos
    often: float  # share of the questions whose word got `MUCH` of the photo or more
    lists: dict[int, float]  # length of a list of absent words -> share that all of it got, mean

    @property
    def false_paint(self) -> float:
        """The mean over the words, in [0, 1]; NaN if there is nothing."""
        return share(sum(self.shares.values()), len(self.shares))


@dataclass(frozen=True)
class Present:
    """What the classes of a set's photos got, each asked alone."""

    name: str
    questions: int  # photos by classes over `LEAST_SHARE`
    found: float  # share of a class's pixels that its word got, mean over the questions
    noticed: float  # share of the questions whose `found` is `NOTICED` or more
    spilled: float  # share of the other labelled pixels that the word got, mean


@dataclass(frozen=True)
class _Photo:
    pixels: np.ndarray  # (H, W, 3) uint8
    shown: tuple[str, ...]  # names of its labels
    listed: frozenset[str]  # words that its set would have labelled
    whole: bool  # whether nearly all of it is labelled

    def lacks(self, word: str) -> bool:
        """Say whether it surely doesn't show a thing."""
        would_be_labelled = self.whole or not self.listed.isdisjoint(synonyms(word))
        return would_be_labelled and not any(are_near(word, name) for name in self.shown)


def measure_absent(
    predictor: Predictor,
    sets: Sequence[SegmentationSet],
    words: Sequence[str] = EVERYDAY_WORDS,
    options: Options | None = None,
    photos: int = PHOTOS_PER_WORD,
) -> Absent:
    """Ask for words that photos don't show, one alone and several together.

    `PHOTOS_PER_SET` photos at even distances in each set's validation list are taken in turn, and a
    word is asked of the first of them that surely lack it: no label is near to it
    (`errseg.words.nearness`), and it would have one, because the set lists the word or because
    nearly all of the photo is labelled.

    Args:
        predictor: a model's.
        sets: those without validation photos are left out.
        words: that are asked.
        options: the model's own by default.
        photos: that a word is asked of at most.

    Raises:
        InputError: no set has validation photos, or a file isn't as its set says.
    """
    shares: dict[str, list[float]] = {word: [] for word in words}
    lists: dict[int, list[float]] = {size: [] for size in LIST_SIZES}
    pool = [*_drawn(with_photos(sets, "validation"))]
    for photo in tqdm(pool, "absent words", unit="photo", leave=False):
        lacked = [word for word in words if photo.lacks(word)]
        waiting = [word for word in lacked if len(shares[word]) < photos]
        for word in waiting:
            shares[word].append(_painted(predictor, photo, [word], options))
        for size in LIST_SIZES if waiting else ():
            # One list a photo, its words as far apart as the list of all allows.
            if apart := len(lacked) // size:
                some = lacked[len(lists[size]) % apart :: apart][:size]
                lists[size].append(_painted(predictor, photo, some, options))
    single = [value for values in shares.values() for value in values]
    return Absent(
        words=tuple(words),
        shares={word: float(np.mean(values)) for word, values in shares.items() if values},
        questions=len(single),
        often=share(sum(value >= MUCH for value in single), len(single)),
        lists={size: share(sum(values), len(values)) for size, values in lists.items()},
    )


def measure_present(
    predictor: Predictor,
    sets: Sequence[SegmentationSet],
    options: Options | None = None,
    limit: int | None = None,
) -> Iterator[Present]:
    """Ask for each class that a validation photo shows, alone.

    Args:
        predictor: a model's.
        sets: those without validation photos are left out.
        options: the model's own by default.
        limit: photos of each set.

    Raises:
        InputError: as `measure_absent`.
    """
    for sample_set in with_photos(sets, "validation"):
        found, spilled = [], []
        bar = tqdm(sample_set.validation[:limit], sample_set.name, unit="photo", leave=False)
        for photo, label in samples(sample_set, bar):
            for place, name in enumerate(sample_set.class_names):
                own = label == place
                if own.mean() < LEAST_SHARE:
                    continue
                painted = predictor(photo, [name], options).labels >= 0
                found.append(float(painted[own].mean()))
                others = (label >= 0) & ~own
                spilled.append(share(painted[others].sum(), others.sum()))
        yield Present(
            name=sample_set.name,
            questions=len(found),
            found=share(sum(found), len(found)),
            noticed=share(sum(value >= NOTICED for value in found), len(found)),
            spilled=float(np.nanmean(spilled)) if np.isfinite(spilled).any() else float("nan"),
        )


def _drawn(sets: Sequence[SegmentationSet]) -> Iterator[_Photo]:
    """Read some photos of each set, the sets in turn."""
    readers = []
    for sample_set in sets:
        chosen = at_even_distances(sample_set.validation, PHOTOS_PER_SET)
        readers.append((sample_set, samples(sample_set, chosen)))
    while readers:
        for reader in [*readers]:
            sample_set, photos = reader
            one = next(photos, None)
            if one is None:
                readers.remove(reader)
                continue
            pixels, label = one
            names = sample_set.class_names
            shown = tuple(names[place] for place in np.unique(label[label >= 0]))
            whole = bool((label >= 0).mean() >= LABELLED)
            yield _Photo(pixels, shown, with_synonyms(names), whole)


def _painted(
    predictor: Predictor, photo: _Photo, words: Sequence[str], options: Options | None
) -> float:
    return float((predictor(photo.pixels, [*words], options).labels >= 0).mean())
