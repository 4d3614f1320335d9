"""Measuring a model on sets of photos with masks: every figure of a model card."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from tqdm import tqdm

from errseg.config import KEPT_CLASSES, VOTES_PER_PIXEL
from errseg.data import SegmentationSet, validation_samples
from errseg.metrics import Calibration, ConfusionMatrix
from errseg.model import ERRSeg, Segmentation
from errseg.predictor import Predictor, label_pixels, network_size
from errseg.reduction import rank_classes
from errseg.vocabulary import parse_classes


@dataclass(frozen=True)
class SetScores:
    """How good a model is on one set's validation photos; shares in [0, 1]."""

    name: str
    photos: int
    classes: int  # of the set's vocabulary
    occurring: int  # of them in these photos' labels
    miou: float  # of the final output
    pixel_accuracy: float
    miou_raw_cost: float  # of the stride-16 cost maps alone
    calibration_error: float  # expected calibration error of the winning scores
    absent_share: float  # labelled pixels given to classes that are absent from their photo
    confusion: ConfusionMatrix = dataclasses.field(repr=False, compare=False)


def evaluate(
    model: ERRSeg,
    sets: Iterable[SegmentationSet],
    kept_classes: int = KEPT_CLASSES,
    votes_per_pixel: int = VOTES_PER_PIXEL,
    input_size: int | None = None,
    limit: int | None = None,
) -> list[SetScores]:
    """Segment every validation photo under its set's whole vocabulary and score the labels.

    Background and ignored pixels don't count. mIoU is the mean over the classes that occur in
    the set's validation labels.

    Args:
        model: from `load_model`.
        sets: from `load_sets`; those without validation photos are left out.
        kept_classes: P; the vocabulary's size or more is "without CRM".
        votes_per_pixel: K.
        input_size: see `Predictor`.
        limit: photos of each set, all by default.
    """
    predictor = Predictor(model)
    return [
        _evaluate_set(predictor, s, kept_classes, votes_per_pixel, input_size, limit)
        for s in sets
        if s.validation
    ]


@torch.inference_mode()
def _evaluate_set(
    predictor: Predictor,
    sample_set: SegmentationSet,
    kept_classes: int,
    votes_per_pixel: int,
    input_size: int | None,
    limit: int | None,
) -> SetScores:
    names = list(sample_set.class_names)
    text, _ = predictor.embed(parse_classes(names))
    final, raw = ConfusionMatrix(len(names)), ConfusionMatrix(len(names))
    calibration = Calibration()
    photos, absent, labelled = 0, 0, 0
    total = len(sample_set.validation[:limit])
    for photo, label in tqdm(
        validation_samples(sample_set, limit), sample_set.name, total, unit="photo", leave=False
    ):
        size = network_size(photo.shape[:2], predictor.model.config, input_size)
        features = predictor.encode(photo, size)
        out = predictor.model.decode(features, text, kept_classes, votes_per_pixel)
        labels, scores = label_pixels(out, label.shape)
        final.update(labels, label)
        calibration.update(scores, labels, label)
        raw.update(label_pixels(_raw_cost(predictor.model, features, text), label.shape)[0], label)
        counted = label >= 0
        absent += int((~np.isin(labels[counted], np.unique(label[counted]))).sum())
        labelled += int(counted.sum())
        photos += 1
    return SetScores(
        name=sample_set.name,
        photos=photos,
        classes=len(names),
        occurring=int(np.isfinite(final.iou()).sum()),
        miou=final.miou(),
        pixel_accuracy=final.pixel_accuracy(),
        miou_raw_cost=raw.miou(),
        calibration_error=calibration.expected_calibration_error(),
        absent_share=absent / max(labelled, 1),
        confusion=final,
    )


def _raw_cost(model: ERRSeg, features, text: torch.Tensor) -> Segmentation:
    """Take the stride-16 cost maps of the whole vocabulary for logits: what no decoder touched."""
    cost = model.cost_maps(features, text).stride16
    kept = torch.arange(len(text), device=cost.device)[None]
    none = cost.new_zeros(1, len(text))
    return Segmentation(
        kept_logits=cost,
        kept=kept,
        crm_scores=none,
        ranking=rank_classes(cost, 1),
        votes=none.long()[..., None],
    )


def as_table(scores: Iterable[SetScores]) -> str:
    """Lay scores out as a Markdown table, shares in percent."""
    rows = [
        "| set | photos | classes (occurring) | mIoU | raw cost mIoU | pixel accuracy "
        "| calibration error | given to absent classes |",
        "|---|---|---|---|---|---|---|---|",
    ]
    rows += [
        f"| {s.name} | {s.photos} | {s.classes} ({s.occurring}) | {s.miou:.1%} "
        f"| {s.miou_raw_cost:.1%} | {s.pixel_accuracy:.1%} | {s.calibration_error:.3f} "
        f"| {s.absent_share:.1%} |"
        for s in scores
    ]
    return "\n".join(rows)
