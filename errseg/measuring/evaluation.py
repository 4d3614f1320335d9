"""Measuring a model on sets of photos with masks: every figure of a model card.

What a model is asked by default is the published evaluation's protocol: base and large see the
photo as a square (`errseg.inference.photo.resize_photo`), the sigmoids of the logits are resized to
the photo, and the greatest is the pixel's label (`errseg.inference.labelling.label_pixels`). They
are asked for a benchmark's classes in its own spelling, and CRM keeps as many as the paper's Table
XIII says for it. One thing differs: a resized photo is rounded to whole grey levels before the
network sees it, where the published code keeps their fractions.
errseg-lite sees the photo's own aspect, and reads the classes' plain names.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from errseg.config import KEPT_CLASSES, ClipConfig
from errseg.datasets.sets import SegmentationSet, samples, with_photos
from errseg.distributed import Processes
from errseg.errors import InputError
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
from errseg.words.vocabulary import Vocabulary

SEED = 0  # of the classes that are left out, with the photo's place in the set's list


@dataclass(frozen=True)
class Scores:
    """How good one output is on one set's validation photos; shares in [0, 1], NaN if of nothing.

    Background and ignored pixels don't count. Classes that occur are those in the set's validation
    labels, as in the published evaluation, see `ConfusionMatrix`.
    """

    class_iou: tuple[float, ...]  # (T,) of each class of the set's vocabulary
    miou: float  # over the classes that occur
    frequency_weighted_iou: float  # the same mean, weighted by the classes' labelled pixels
    mean_class_accuracy: float  # share of a class's pixels that got it, mean over those that occur
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
    class_names: tuple[str, ...]  # they, in label order
    kept_classes: int  # P, classes that CRM kept of them for each photo; T at most
    occurring: int  # classes in these photos' labels
    held_out: tuple[str, ...]  # occurring classes that training never saw
    threshold: float  # that the rejections are of
    crm: Scores  # the final output, P classes kept
    all_classes: Scores | None  # the final output without CRM, if it was asked for
    raw_cost: Scores  # the stride-16 cost maps of the whole vocabulary


@dataclass(frozen=True)
class Protocol(Options):
    """What a model is asked, in the precision that it computes in already."""

    # P. None: the set's own, which is Table XIII's for the paper's benchmarks: 48 for ADE20K 847
    # and PASCAL-Context 459, 32 for ADE20K 150, 24 for PASCAL-Context 59, 16 for PASCAL VOC 20.
    # 32 for a set that has none.
    kept_classes: int | None = None
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

    def merge(self, other: Self) -> None:
        """Add another's photos."""
        for name in ("confusion", "calibration", "left_out", "right"):
            getattr(self, name).merge(getattr(other, name))
        self._absent += other._absent

    def scores(self, unseen: np.ndarray, threshold: float) -> Scores:
        return Scores(
            class_iou=tuple(self.confusion.iou().tolist()),
            miou=self.confusion.miou(),
            frequency_weighted_iou=self.confusion.frequency_weighted_iou(),
            mean_class_accuracy=self.confusion.mean_class_accuracy(),
            pixel_accuracy=self.confusion.pixel_accuracy(),
            absent_share=share(self._absent, self.confusion.counts.sum()),
            seen_iou=self.confusion.miou(~unseen),
            held_out_iou=self.confusion.miou(unseen),
            calibration_error=self.calibration.expected_calibration_error(),
            true_rejection=self.left_out.share_below(threshold),
            false_rejection=self.right.share_below(threshold),
        )


class _Outputs:
    """Running sums of all outputs on one set."""

    def __init__(self, classes: int):
        self.crm, self.all_classes, self.raw_cost = (_Output(classes) for _ in range(3))

    def merge(self, other: Self) -> None:
        """Add another's photos."""
        for name, output in vars(self).items():
            output.merge(getattr(other, name))


def evaluate(
    model: ERRSeg,
    sets: Sequence[SegmentationSet],
    protocol: Protocol | None = None,
    processes: Processes | None = None,
) -> list[SetScores]:
    """Segment every validation photo under its set's whole vocabulary and score the labels.

    Args:
        model: from `load_model`.
        sets: those without validation photos are left out.
        protocol: what is asked, `Protocol()` by default.
        processes: those at this job, from `joined_processes`. Each segments its share of the
            photos, and all return the scores of all photos, which are what one alone would return.

    Raises:
        InputError: no set has validation photos, a file isn't as its set says, or the protocol
            asks for what can't be done.
    """
    predictor, protocol = Predictor(model), protocol or Protocol()
    processes = processes or Processes(model.device)
    measured = with_photos(sets, "validation")
    return [_evaluate_set(predictor, s, protocol, processes) for s in measured]


def _evaluate_set(
    predictor: Predictor, sample_set: SegmentationSet, protocol: Protocol, processes: Processes
) -> SetScores:
    config, names = predictor.model.config, sample_set.class_names
    kept = min(_kept_classes(sample_set, protocol), len(names))
    try:
        mine = _segment_share(predictor, sample_set, kept, protocol, processes)
    except InputError as error:  # the others wait for this process's sums, and stop with it
        mine = error
    sums = _Outputs(len(names))
    for one in processes.gather(mine):
        if isinstance(one, InputError):
            raise one
        sums.merge(one)

    own, asked = config.calibration.threshold, protocol.threshold
    threshold = own if asked is None else asked
    unseen_names = with_synonyms(config.held_out)
    unseen = np.array([name in unseen_names for name in names])
    occurring = np.isfinite(sums.crm.confusion.iou())
    return SetScores(
        name=sample_set.name,
        photos=len(sample_set.validation[: protocol.limit]),
        classes=len(names),
        class_names=names,
        kept_classes=kept if config.head.crm else len(names),
        occurring=int(occurring.sum()),
        held_out=tuple(names[i] for i in np.flatnonzero(occurring & unseen)),
        threshold=threshold,
        crm=sums.crm.scores(unseen, threshold),
        all_classes=sums.all_classes.scores(unseen, threshold) if protocol.all_classes else None,
        raw_cost=sums.raw_cost.scores(unseen, threshold),
    )


@torch.inference_mode()
def _segment_share(
    predictor: Predictor,
    sample_set: SegmentationSet,
    kept: int,
    protocol: Protocol,
    processes: Processes,
) -> _Outputs:
    """Segment this process's share of a set's photos, and sum up what came of them."""
    model, names = predictor.model, sample_set.class_names
    published = isinstance(model.config.towers, ClipConfig)
    vocabulary = sample_set.vocabulary(published)
    text, _ = predictor.embed(vocabulary, protocol.expand)
    against = predictor.rivals.against(vocabulary, text) if predictor.rivals else None
    sums = _Outputs(len(names))

    def segment(
        features: ImageFeatures,
        text: Tensor,
        kept: int,
        size: tuple[int, int],
        left_out: int | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        places = [place for place in range(len(names)) if place != left_out]
        calibrate = None
        if predictor.priors:
            asked = Vocabulary(tuple(vocabulary.classes[place] for place in places))
            calibrate = predictor.priors.of_words(asked, text)
        settings = kept, protocol.votes_per_pixel, protocol.beta
        out = model.decode(features, text, *settings, calibrate=calibrate)
        if predictor.rivals:
            out = predictor.rivals.judge(out, [(features, None)], text, against[places])
        return label_pixels(out.kept_logits[0], out.kept[0], size)

    stems = sample_set.validation[: protocol.limit]
    mine = processes.share(range(len(stems)))
    bar = tqdm(
        [stems[place] for place in mine],
        sample_set.name,
        unit="photo",
        leave=False,
        disable=not processes.first,
    )
    for place, (photo, label) in zip(mine, samples(sample_set, bar), strict=True):
        size = network_size(photo.shape[:2], model.config, protocol.input_size)
        features = predictor.encode(photo, size)
        ours = segment(features, text, kept, label.shape)
        sums.crm.update(*ours, label)
        if protocol.all_classes:
            # CRM keeps every class of a small vocabulary.
            few = kept == len(names)
            whole = ours if few else segment(features, text, len(names), label.shape)
            sums.all_classes.update(*whole, label)
        cost = model.cost_maps(features, text).stride16[0]
        labels, _ = label_pixels(cost, torch.arange(len(names)), label.shape)
        sums.raw_cost.update(labels, None, label)  # a cosine's sigmoid ranks, no more
        # Drawn by the photo, so that it doesn't matter which process has it.
        if left := leave_one_out(text, label, np.random.default_rng((SEED, place))):
            missing, rest = left
            _, scores = segment(features, rest, kept, label.shape, missing)
            sums.crm.left_out.add(scores[label == missing])
    return sums


def _kept_classes(sample_set: SegmentationSet, protocol: Protocol) -> int:
    """Choose P: what was asked, else the set's own, else the default."""
    choices = (protocol.kept_classes, sample_set.kept_classes, KEPT_CLASSES)
    return next(kept for kept in choices if kept is not None)
