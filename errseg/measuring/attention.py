"""What attention does over photos, with CRM and without: the paper's Fig. 2 and Proposition 1.

A photo's own figures are `errseg.inference.attended.figure2`; here they are measured over photos
and summed up. Every photo counts alike, however many of its cells ask.
"""

import math
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from math import nan
from pathlib import Path

import numpy as np
from tqdm import tqdm

from errseg.datasets.sets import SegmentationSet
from errseg.inference.attended import Attended, Figure2, Look, check_fuses, figure2
from errseg.inference.photo import load_image
from errseg.inference.predictor import Predictor
from errseg.measuring.metrics import share
from errseg.measuring.tables.photos import Asked, default_kept_classes, read_photos
from errseg.options import Options
from errseg.words.vocabulary import Vocabulary

ON_PRESENT = "on_present"
MEASURES = (*(measure.name for measure in fields(Look)), ON_PRESENT)
"""What is measured: SFM's by the fields of `Look`, and CFM's."""
PHOTOS = "photos"  # name of a study of several that are no set
TITLE = "Attention"  # of the bar that shows how far it got


@dataclass(frozen=True)
class Study:
    """Photos of which the same T classes were asked."""

    name: str  # of the set, or what the photos are
    true_labels: bool  # whether a cell's class is the true one, or the network's own
    classes: int  # T
    kept: int  # P
    photos: tuple[tuple[str, Figure2], ...]  # name and figures; those no cell of which asks too


@dataclass(frozen=True)
class Summary:
    """One measure of one layer, means over the photos; NaN where there is none."""

    measure: str  # of `MEASURES`
    layer: int  # from 1
    photos: int
    with_crm: float
    without_crm: float
    evenly: float  # what attention that is spread evenly would come to, with CRM
    evenly_without: float  # the same without
    change: float  # with CRM, less without
    error: float  # standard error of the change
    more: float  # share of the photos that have more of it with CRM


def study_set(
    predictor: Predictor,
    sample_set: SegmentationSet,
    options: Options,
    kept_classes: int | None = None,
    limit: int | None = None,
) -> Study:
    """Measure a set's validation photos, with its own classes and true labels.

    Args:
        predictor: of the model.
        sample_set: which photos.
        options: of the question.
        kept_classes: P; the paper's for the set by default.
        limit: photos at most, the first ones.

    Raises:
        InputError: the model has neither SFM nor CFM, or a file isn't as its set says.
    """
    check_fuses(predictor.model)
    options = options.changed(kept_classes=kept_classes or default_kept_classes(sample_set))
    stems = sample_set.validation[:limit]
    asked = Asked(limit=limit)
    read = ((p.photo, p.label) for p in read_photos(sample_set, asked, TITLE))
    found = _measured(predictor, read, sample_set.vocabulary(), options)
    return _study(sample_set.name, True, sample_set.vocabulary(), options, stems, found)


def study_photos(
    predictor: Predictor, files: Sequence[Path], vocabulary: Vocabulary, options: Options
) -> Study:
    """Measure photos; each pixel has the class that the network gives the highest score.

    Raises:
        InputError: the model has neither SFM nor CFM, or a photo or an option can't be used.
    """
    check_fuses(predictor.model)
    bar = tqdm(files, TITLE, unit="photo", leave=False, disable=len(files) < 2)
    found = _measured(predictor, ((load_image(file), None) for file in bar), vocabulary, options)
    name = files[0].name if len(files) == 1 else PHOTOS
    return _study(name, False, vocabulary, options, [file.name for file in files], found)


def summaries(study: Study) -> tuple[Summary, ...]:
    """Sum a study up: a measure's layers one after the other, those measured first that SFM has."""
    asked = [figures for _, figures in study.photos if figures.cells]
    found = []
    for measure in MEASURES:
        layers = [_figures(figures, measure) for figures in asked]
        for place, of in enumerate(zip(*layers, strict=True), start=1):
            found.append(_summed_up(measure, place, of))
    return tuple(found)


def _measured(
    predictor: Predictor,
    photos: Iterable[tuple[np.ndarray, np.ndarray | None]],
    vocabulary: Vocabulary,
    options: Options,
) -> Iterator[Figure2]:
    for photo, label in photos:
        yield figure2(predictor, photo, vocabulary, options, label)


def _study(
    name: str,
    true_labels: bool,
    vocabulary: Vocabulary,
    options: Options,
    names: Sequence[str],
    found: Iterable[Figure2],
) -> Study:
    figures = tuple(zip(names, found, strict=True))
    kept = figures[0][1].with_crm.classes if figures else options.kept_classes
    return Study(name, true_labels, len(vocabulary), kept, figures)


def _figures(figures: Figure2, measure: str) -> list[tuple[float, float, float, float]]:
    """List a measure of a photo by layer: with CRM, without, and both of even attention."""
    sides = (figures.with_crm, figures.without_crm)
    even = [_evenly(figures, side, measure) for side in sides]
    layers = [_by_layer(side, measure) for side in sides]
    layers[1] = layers[1] or [nan] * len(layers[0])
    return [(*values, *even) for values in zip(*layers, strict=True)]


def _by_layer(side: Attended | None, measure: str) -> list[float]:
    if side is None:
        return []
    if measure == ON_PRESENT:
        return list(side.on_present)
    return [getattr(look, measure) for look in side.sfm]


def _evenly(figures: Figure2, side: Attended | None, measure: str) -> float:
    if side is None:
        return nan
    return side.evenly_on_present if measure == ON_PRESENT else getattr(figures.evenly, measure)


def _summed_up(measure: str, layer: int, photos: Sequence[tuple[float, ...]]) -> Summary:
    with_crm, without, evenly, evenly_without = (
        statistics.mean(of) for of in zip(*photos, strict=True)
    )
    changes = [own - other for own, other, *_ in photos]
    count = len(changes)
    return Summary(
        measure=measure,
        layer=layer,
        photos=count,
        with_crm=with_crm,
        without_crm=without,
        evenly=evenly,
        evenly_without=evenly_without,
        change=statistics.mean(changes),
        error=statistics.stdev(changes) / math.sqrt(count) if count > 1 else nan,
        more=nan if math.isnan(without) else share(sum(c > 0 for c in changes), count),
    )
