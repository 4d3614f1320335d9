"""Measuring a model on sets of photos with masks: every figure of a model card."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from errseg.config import KEPT_CLASSES, VOTES_PER_PIXEL
from errseg.datasets.folders import SegmentationSet, validation_samples
from errseg.inference.labelling import label_pixels
from errseg.inference.photo import network_size
from errseg.inference.predictor import Predictor
from errseg.measuring.metrics import CalibrationError, ConfusionMatrix, Rejection
from errseg.network.model import ERRSeg, ImageFeatures
from errseg.words.relations import synonyms
from errseg.words.vocabulary import parse_classes

SEED = 0  # of the classes that are left out


@dataclass(frozen=True)
class Scores:
    """How good one output is on one set's validation photos; shares in [0, 1], NaN if of nothing.

    Background and ignored pixels don't count.
    """

    miou: float  # over the classes that occur in the set's validation labels
    pixel_accuracy: float
    absent_share: float  # labelled pixels given to classes that are absent from their photo
    seen_iou: float  # mean over the occurring classes that training saw
    held_out_iou: float  # mean over the occurring classes that training never saw
    calibration_error: float = float("nan")  # expected calibration error of the winning scores
    refused: float = float("nan")  # pixels of a class left out of the vocabulary that become -1
    lost: float = float("nan")  # rightly labelled pixels that become -1 at the same threshold


@dataclass(frozen=True)
class SetScores:
    """One set's scores, for each output."""

    name: str
    photos: int
    classes: int  # of the set's vocabulary, T
    occurring: int  # of them in these photos' labels
    held_out: tuple[str, ...]  # occurring classes that training never saw
    threshold: float  # at which `refused` and `lost` were measured
    crm: Scores  # the final output, P classes kept
    all_classes: Scores | None  # the final output without CRM, if it was asked for
    raw_cost: Scores  # the stride-16 cost maps of the whole vocabulary


@dataclass(frozen=True)
class Protocol:
    """What a model is asked."""

    kept_classes: int = KEPT_CLASSES  # P
    votes_per_pixel: int = VOTES_PER_PIXEL  # K
    input_size: int | None = None  # see `Predictor`
    limit: int | None = None  # photos of each set
    threshold: float | None = None  # the model's own by default
    all_classes: bool = True  # also without CRM, which takes its time
    expand: bool = True  # see `Predictor`
    held_out: tuple[str, ...] = ()  # class names that training never saw


class _Output:
    """Running sums of one output's scores."""

    def __init__(self, classes: int):
        self.confusion, self.calibration = ConfusionMatrix(classes), CalibrationError()
        self.rejection = Rejection()
        self._absent = self._labelled = 0

    def update(self, labels: np.ndarray, scores: np.ndarray, label: np.ndarray) -> None:
        self.confusion.update(labels, label)
        self.calibration.update(scores, labels, label)
        counted = label >= 0
        self.rejection.add_right(scores[counted & (labels == label)])
        self._absent += int((~np.isin(labels[counted], np.unique(label[counted]))).sum())
        self._labelled += int(counted.sum())

    def scores(self, unseen: np.ndarray, threshold: float) -> Scores:
        iou = self.confusion.iou()
        return Scores(
            miou=self.confusion.miou(),
            pixel_accuracy=self.confusion.pixel_accuracy(),
            absent_share=self._absent / max(self._labelled, 1),
            seen_iou=_mean(iou[~unseen]),
            held_out_iou=_mean(iou[unseen]),
            calibration_error=self.calibration.expected_calibration_error(),
            refused=self.rejection.refused(threshold),
            lost=self.rejection.lost(threshold),
        )


def evaluate(
    model: ERRSeg, sets: Iterable[SegmentationSet], protocol: Protocol | None = None
) -> list[SetScores]:
    """Segment every validation photo under its set's whole vocabulary and score the labels.

    Args:
        model: from `load_model`.
        sets: from `load_sets`; those without validation photos are left out.
        protocol: what is asked, `Protocol()` by default.
    """
    predictor, protocol = Predictor(model), protocol or Protocol()
    return [_evaluate_set(predictor, s, protocol) for s in sets if s.validation]


@torch.inference_mode()
def _evaluate_set(
    predictor: Predictor, sample_set: SegmentationSet, protocol: Protocol
) -> SetScores:
    model, names = predictor.model, list(sample_set.class_names)
    threshold = (
        model.config.calibration.threshold if protocol.threshold is None else protocol.threshold
    )
    text, _ = predictor.embed(parse_classes(names), protocol.expand)
    crm, everything, raw = (_Output(len(names)) for _ in range(3))
    rng = np.random.default_rng(SEED)
    photos = 0
    for photo, label in tqdm(
        validation_samples(sample_set, protocol.limit),
        sample_set.name,
        len(sample_set.validation[: protocol.limit]),
        unit="photo",
        leave=False,
    ):
        size = network_size(photo.shape[:2], model.config, protocol.input_size)
        features = predictor.encode(photo, size)
        ours = _segment(model, features, text, protocol, protocol.kept_classes, label.shape)
        crm.update(*ours, label)
        if protocol.all_classes:
            whole = ours  # CRM keeps every class of a small vocabulary
            if protocol.kept_classes < len(names):
                whole = _segment(model, features, text, protocol, len(names), label.shape)
            everything.update(*whole, label)
        cost = model.cost_maps(features, text).stride16[0]
        raw.update(*label_pixels(cost, torch.arange(len(names)), label.shape), label)
        present = np.unique(label[label >= 0])
        if len(present) and len(names) > 1:
            left_out = rng.choice(present)
            rest = text[torch.arange(len(names)) != left_out]
            _, scores = _segment(
                model, features, rest, protocol, protocol.kept_classes, label.shape
            )
            crm.rejection.add_left_out(scores[label == left_out])
        photos += 1
    unseen_names = {other for name in protocol.held_out for other in synonyms(name)}
    unseen = np.array([name in unseen_names for name in names])
    occurring = np.isfinite(crm.confusion.iou())
    return SetScores(
        name=sample_set.name,
        photos=photos,
        classes=len(names),
        occurring=int(occurring.sum()),
        held_out=tuple(names[i] for i in np.flatnonzero(occurring & unseen)),
        threshold=threshold,
        crm=crm.scores(unseen, threshold),
        all_classes=everything.scores(unseen, threshold) if protocol.all_classes else None,
        # A cosine's sigmoid is no probability: it ranks, no more.
        raw_cost=dataclasses.replace(
            raw.scores(unseen, threshold), calibration_error=float("nan"), lost=float("nan")
        ),
    )


def _segment(
    model: ERRSeg,
    features: ImageFeatures,
    text: Tensor,
    protocol: Protocol,
    kept_classes: int,
    size: tuple[int, int],
) -> tuple[np.ndarray, np.ndarray]:
    out = model.decode(features, text, kept_classes, protocol.votes_per_pixel)
    return label_pixels(out.kept_logits[0], out.kept[0], size)


def as_table(scores: Iterable[SetScores]) -> str:
    """Lay scores out as a Markdown table, shares in percent; a dash where there is nothing."""
    rows = [
        "| set | photos | classes (occurring) | mIoU | without CRM | raw cost | pixel accuracy "
        "| given to absent classes | calibration error | IoU seen / held out | raw cost seen "
        "/ held out | left out: -1 | right: -1 |",
        "|---" * 13 + "|",
    ]
    for s in scores:
        rows.append(
            f"| {s.name} | {s.photos} | {s.classes} ({s.occurring}) | {_percent(s.crm.miou)} "
            f"| {_percent(s.all_classes.miou) if s.all_classes else '-'} "
            f"| {_percent(s.raw_cost.miou)} | {_percent(s.crm.pixel_accuracy)} "
            f"| {_percent(s.crm.absent_share)} | {s.crm.calibration_error:.3f} "
            f"| {_percent(s.crm.seen_iou)} / {_percent(s.crm.held_out_iou)} "
            f"| {_percent(s.raw_cost.seen_iou)} / {_percent(s.raw_cost.held_out_iou)} "
            f"| {_percent(s.crm.refused)} | {_percent(s.crm.lost)} |"
        )
    return "\n".join(rows)


def as_dict(scores: Iterable[SetScores]) -> list[dict]:
    """Describe scores in types that JSON has; None where there is nothing."""
    return [_without_nan(dataclasses.asdict(s)) for s in scores]


def _without_nan(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_nan(inner) for key, inner in value.items()}
    return None if isinstance(value, float) and np.isnan(value) else value


def _percent(share: float) -> str:
    return "-" if np.isnan(share) else f"{share:.1%}"


def _mean(values: np.ndarray) -> float:
    values = values[np.isfinite(values)]
    return float(values.mean()) if values.size else float("nan")
