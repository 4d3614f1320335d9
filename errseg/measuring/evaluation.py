"""Measuring a model on sets of photos with masks: every figure of a model card."""

import dataclasses
import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from errseg.datasets.sets import SegmentationSet, samples, with_photos
from errseg.inference.labelling import label_pixels
from errseg.inference.photo import network_size
from errseg.inference.predictor import Predictor
from errseg.measuring.metrics import (
    CalibrationError,
    ConfusionMatrix,
    ScoreCounts,
    leave_one_out,
    share,
)
from errseg.network.model import ERRSeg, ImageFeatures
from errseg.options import Options
from errseg.words.relations import with_synonyms

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
        self.confusion, self.calibration = ConfusionMatrix(classes), CalibrationError()
        self.left_out, self.right = ScoreCounts(), ScoreCounts()
        self._absent = 0

    def update(self, labels: np.ndarray, scores: np.ndarray | None, label: np.ndarray) -> None:
        """Add one photo; no scores if they are no probabilities."""
        self.confusion.update(labels, label)
        counted = label >= 0
        self._absent += int((~np.isin(labels[counted], label[counted])).sum())
        if scores is not None:
            self.calibration.update(scores, labels, label)
            self.right.add(scores[counted & (labels == label)])

    def scores(self, unseen: np.ndarray, threshold: float) -> Scores:
        return Scores(
            miou=self.confusion.miou(),
            pixel_accuracy=self.confusion.pixel_accuracy(),
            absent_share=share(self._absent, self.confusion.counts.sum()),
            seen_iou=self.confusion.miou(~unseen),
            held_out_iou=self.confusion.miou(unseen),
            calibration_error=self.calibration.expected_calibration_error(),
            true_rejection=self.left_out.share_below(threshold),
            false_rejection=self.right.share_below(threshold),
        )


def evaluate(
    model: ERRSeg, sets: Sequence[SegmentationSet], protocol: Protocol | None = None
) -> list[SetScores]:
    """Segment every validation photo under its set's whole vocabulary and score the labels.

    Args:
        model: from `load_model`.
        sets: those without validation photos are left out.
        protocol: what is asked, `Protocol()` by default.

    Raises:
        InputError: no set has validation photos, or a file isn't as its set says.
    """
    predictor, protocol = Predictor(model), protocol or Protocol()
    measured = with_photos(sets, "validation")
    return [_evaluate_set(predictor, s, protocol) for s in measured]


@torch.inference_mode()
def _evaluate_set(
    predictor: Predictor, sample_set: SegmentationSet, protocol: Protocol
) -> SetScores:
    model, names, kept = predictor.model, sample_set.class_names, protocol.kept_classes
    own, asked = model.config.calibration.threshold, protocol.threshold
    threshold = own if asked is None else asked
    text, _ = predictor.embed(sample_set.vocabulary(), protocol.expand)
    crm, everything, raw = (_Output(len(names)) for _ in range(3))
    rng = np.random.default_rng(SEED)

    def segment(
        features: ImageFeatures, text: Tensor, kept: int, size: tuple[int, int]
    ) -> tuple[np.ndarray, np.ndarray]:
        out = model.decode(features, text, kept, protocol.votes_per_pixel, protocol.beta)
        return label_pixels(out.kept_logits[0], out.kept[0], size)

    stems = sample_set.validation[: protocol.limit]
    bar = tqdm(stems, sample_set.name, unit="photo", leave=False)
    for photo, label in samples(sample_set, bar):
        size = network_size(photo.shape[:2], model.config, protocol.input_size)
        features = predictor.encode(photo, size)
        ours = segment(features, text, kept, label.shape)
        crm.update(*ours, label)
        if protocol.all_classes:
            # CRM keeps every class of a small vocabulary.
            few = kept >= len(names)
            whole = ours if few else segment(features, text, len(names), label.shape)
            everything.update(*whole, label)
        cost = model.cost_maps(features, text).stride16[0]
        labels, _ = label_pixels(cost, torch.arange(len(names)), label.shape)
        raw.update(labels, None, label)  # a cosine's sigmoid ranks, no more
        if left := leave_one_out(text, label, rng):
            missing, rest = left
            _, scores = segment(features, rest, kept, label.shape)
            crm.left_out.add(scores[label == missing])
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


def _percent(*shares: float) -> str:
    return " / ".join("-" if math.isnan(share) else f"{share:.1%}" for share in shares)


COLUMNS: dict[str, Callable[[SetScores], str]] = {
    "set": lambda s: s.name,
    "photos": lambda s: f"{s.photos}",
    "classes (occurring)": lambda s: f"{s.classes} ({s.occurring})",
    "mIoU": lambda s: _percent(s.crm.miou),
    "without CRM": lambda s: _percent(s.all_classes.miou) if s.all_classes else "-",
    "raw cost": lambda s: _percent(s.raw_cost.miou),
    "pixel accuracy": lambda s: _percent(s.crm.pixel_accuracy),
    "given to absent classes": lambda s: _percent(s.crm.absent_share),
    "calibration error": lambda s: f"{s.crm.calibration_error:.3f}",
    "IoU seen / held out": lambda s: _percent(s.crm.seen_iou, s.crm.held_out_iou),
    "raw cost seen / held out": lambda s: _percent(s.raw_cost.seen_iou, s.raw_cost.held_out_iou),
    "left out: -1": lambda s: _percent(s.crm.true_rejection),
    "right: -1": lambda s: _percent(s.crm.false_rejection),
}


def as_table(scores: Iterable[SetScores]) -> str:
    """Lay scores out as a Markdown table, shares in percent; a dash where there is nothing."""
    rows = [COLUMNS, *([cell(s) for cell in COLUMNS.values()] for s in scores)]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|---" * len(COLUMNS) + "|", *lines[1:]])


def as_dict(scores: Iterable[SetScores]) -> list[dict]:
    """Describe scores in types that JSON has; None where there is nothing."""
    text = json.dumps([dataclasses.asdict(s) for s in scores])
    return json.loads(text, parse_constant=lambda nan: None)
