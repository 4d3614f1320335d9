"""Measuring a model on sets of photos with masks: every figure of a model card."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from errseg.datasets.folders import SegmentationSet, samples
from errseg.inference.labelling import label_pixels
from errseg.inference.photo import network_size
from errseg.inference.predictor import Predictor
from errseg.measuring.metrics import CalibrationError, ConfusionMatrix, Rejection, leave_one_out
from errseg.network.model import ERRSeg, ImageFeatures
from errseg.options import Options
from errseg.words.relations import with_synonyms
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
    calibration_error: float  # expected calibration error of the winning scores
    true_rejection: float  # pixels of a class left out of the vocabulary that become -1
    false_rejection: float  # rightly labelled pixels that become -1 at the same threshold


@dataclass(frozen=True)
class SetScores:
    """One set's scores, for each output."""

    name: str
    photos: int
    classes: int  # of the set's vocabulary, T
    occurring: int  # of them in these photos' labels
    held_out: tuple[str, ...]  # occurring classes that training never saw
    threshold: float  # that the rejections are of
    crm: Scores  # the final output, P classes kept
    all_classes: Scores | None  # the final output without CRM, if it was asked for
    raw_cost: Scores  # the stride-16 cost maps of the whole vocabulary


@dataclass(frozen=True)
class Protocol(Options):
    """What a model is asked, in the precision that it computes in already."""

    limit: int | None = None  # photos of each set
    all_classes: bool = True  # also without CRM, which takes its time


class _Output:
    """Running sums of one output's scores."""

    def __init__(self, classes: int):
        self.confusion = ConfusionMatrix(classes)
        self.calibration, self.rejection = CalibrationError(), Rejection()
        self._absent = 0

    def update(self, labels: np.ndarray, scores: np.ndarray | None, label: np.ndarray) -> None:
        """Add one photo; no scores if they are no probabilities."""
        self.confusion.update(labels, label)
        counted = label >= 0
        self._absent += int((~np.isin(labels[counted], np.unique(label[counted]))).sum())
        if scores is not None:
            self.calibration.update(scores, labels, label)
            self.rejection.add_right(scores[counted & (labels == label)])

    def scores(self, unseen: np.ndarray, threshold: float) -> Scores:
        labelled = int(self.confusion.counts.sum())
        return Scores(
            miou=self.confusion.miou(),
            pixel_accuracy=self.confusion.pixel_accuracy(),
            absent_share=self._absent / labelled if labelled else float("nan"),
            seen_iou=self.confusion.miou(~unseen),
            held_out_iou=self.confusion.miou(unseen),
            calibration_error=self.calibration.expected_calibration_error(),
            true_rejection=self.rejection.true_rate(threshold),
            false_rejection=self.rejection.false_rate(threshold),
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
    model, names = predictor.model, sample_set.class_names
    threshold = protocol.threshold
    if threshold is None:
        threshold = model.config.calibration.threshold
    text, _ = predictor.embed(parse_classes(names), protocol.expand)
    crm, everything, raw = (_Output(len(names)) for _ in range(3))
    rng = np.random.default_rng(SEED)
    stems = sample_set.validation[: protocol.limit]
    for photo, label in tqdm(
        samples(sample_set, stems), sample_set.name, len(stems), unit="photo", leave=False
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
        labels, _ = label_pixels(cost, torch.arange(len(names)), label.shape)
        raw.update(labels, None, label)  # a cosine's sigmoid ranks, no more
        if left := leave_one_out(text, label, rng):
            missing, rest = left
            kept = protocol.kept_classes
            _, scores = _segment(model, features, rest, protocol, kept, label.shape)
            crm.rejection.add_left_out(scores[label == missing])
    unseen_names = with_synonyms(model.config.held_out)
    unseen = np.array([name in unseen_names for name in names])
    occurring = np.isfinite(crm.confusion.iou())
    return SetScores(
        name=sample_set.name,
        photos=len(stems),
        classes=len(names),
        occurring=int(occurring.sum()),
        held_out=tuple(names[i] for i in np.flatnonzero(occurring & unseen)),
        threshold=threshold,
        crm=crm.scores(unseen, threshold),
        all_classes=everything.scores(unseen, threshold) if protocol.all_classes else None,
        raw_cost=raw.scores(unseen, threshold),
    )


def _segment(
    model: ERRSeg,
    features: ImageFeatures,
    text: Tensor,
    protocol: Protocol,
    kept_classes: int,
    size: tuple[int, int],
) -> tuple[np.ndarray, np.ndarray]:
    votes, beta = protocol.votes_per_pixel, protocol.beta
    out = model.decode(features, text, kept_classes, votes, beta)
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
        cells = (
            s.name,
            f"{s.photos}",
            f"{s.classes} ({s.occurring})",
            _percent(s.crm.miou),
            _percent(s.all_classes.miou) if s.all_classes else "-",
            _percent(s.raw_cost.miou),
            _percent(s.crm.pixel_accuracy),
            _percent(s.crm.absent_share),
            f"{s.crm.calibration_error:.3f}",
            _percent(s.crm.seen_iou, s.crm.held_out_iou),
            _percent(s.raw_cost.seen_iou, s.raw_cost.held_out_iou),
            _percent(s.crm.true_rejection),
            _percent(s.crm.false_rejection),
        )
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def as_dict(scores: Iterable[SetScores]) -> list[dict]:
    """Describe scores in types that JSON has; None where there is nothing."""
    text = json.dumps([dataclasses.asdict(s) for s in scores])
    return json.loads(text, parse_constant=lambda nan: None)


def _percent(*shares: float) -> str:
    return " / ".join("-" if math.isnan(share) else f"{share:.1%}" for share in shares)
