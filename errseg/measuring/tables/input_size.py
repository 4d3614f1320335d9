"""Table XIV: what the size of the network's input does to accuracy and latency."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from errseg.config import LARGEST_INPUT, SMALLEST_INPUT
from errseg.datasets.sets import SegmentationSet, with_photos
from errseg.inference.labelling import label_pixels
from errseg.inference.predictor import Predictor
from errseg.measuring.metrics import ConfusionMatrix
from errseg.measuring.tables.photos import (
    Asked,
    default_kept_classes,
    embed_set,
    encode,
    read_photos,
)
from errseg.measuring.tables.timing import median_ratio, seconds_now

STEP = 128  # pixels of a side between the sizes that are measured: Table XIV's
STEPS = (-2, -1, 0, 1, 2)  # from the model's own size


@dataclass(frozen=True)
class SizePoint:
    """What one size comes to."""

    size: int  # pixels of a side, or of the square root of the area where the aspect is kept
    miou: float
    latency: float  # seconds of a photo with cached text / those at the model's own size, median


@dataclass(frozen=True)
class SizeCurve:
    """One set at several sizes."""

    name: str
    classes: int  # T
    photos: int
    own: int  # the model's own size
    points: tuple[SizePoint, ...]  # sizes ascending


def sizes_around(own: int) -> tuple[int, ...]:
    """List the sizes that are measured for a model whose own size is given."""
    sizes = {min(max(own + STEP * step, SMALLEST_INPUT), LARGEST_INPUT) for step in STEPS}
    return tuple(sorted(sizes))


@torch.inference_mode()
def measure_input_sizes(
    predictor: Predictor, sets: Sequence[SegmentationSet], asked: Asked
) -> tuple[SizeCurve, ...]:
    """Segment the sets' photos at several sizes, which take turns on every photo.

    P is the paper's for the set's vocabulary.
    """
    own = predictor.model.config.input_size
    sizes = sizes_around(own)
    return tuple(
        _measure_set(predictor, s, own, sizes, asked) for s in with_photos(sets, "validation")
    )


def _measure_set(
    predictor: Predictor,
    sample_set: SegmentationSet,
    own: int,
    sizes: tuple[int, ...],
    asked: Asked,
) -> SizeCurve:
    model, text = predictor.model, embed_set(predictor, sample_set, asked)
    kept = default_kept_classes(sample_set)
    confusion = {size: ConfusionMatrix(len(text)) for size in sizes}
    seconds: dict[int, list[float]] = {size: [] for size in sizes}
    photos = 0
    for photo in read_photos(sample_set, asked, "Table XIV"):
        for size in sizes:
            started = seconds_now(model.device)
            out = model.decode(encode(model, photo.photo, size), text, kept)
            labels, _ = label_pixels(out.kept_logits[0], out.kept[0], photo.label.shape)
            seconds[size].append(seconds_now(model.device) - started)
            confusion[size].update(labels, photo.label)
        photos += 1
    return SizeCurve(
        name=sample_set.name,
        classes=len(text),
        photos=photos,
        own=own,
        points=tuple(
            SizePoint(size, confusion[size].miou(), median_ratio(seconds[size], seconds[own]))
            for size in sizes
        ),
    )
