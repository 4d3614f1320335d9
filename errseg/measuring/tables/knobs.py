"""Tables VII and XIII: what CRM's P, K and beta do to accuracy, to what is kept, and to latency.

A photo is encoded once. Settings that keep the same classes give the same labels, so each choice
of CRM's is decoded once, and what a class is by itself is remembered. Latency is measured apart
from that, with nothing remembered, on the first photos of each set: the settings take turns on a
photo, and each one's seconds, with those of encoding it, are divided by the default's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from errseg.config import BETA, VOTES_PER_PIXEL
from errseg.datasets.sets import SegmentationSet, with_photos
from errseg.errors import InputError
from errseg.inference.labelling import label_pixels
from errseg.inference.predictor import Predictor
from errseg.inference.token_memory import TokenMemory
from errseg.measuring.metrics import ConfusionMatrix, share
from errseg.measuring.tables.photos import (
    Asked,
    LabelledPhoto,
    default_kept_classes,
    embed_set,
    encode,
    read_photos,
)
from errseg.measuring.tables.timing import fastest_in_turn, median_ratio
from errseg.network.crm import count_votes, rank_vocabulary, score_votes, select_classes
from errseg.network.model import ERRSeg, ImageFeatures

Knob = Literal["P", "K", "beta"]
KEPT = (4, 8, 16, 24, 32, 40, 48, 64)  # P, besides T: Table XIII's are 16 to 48
VOTES = (1, 2, 3, 5, 10)  # K: Table VII's are 1, 3 and 5
BETAS = (0.0, 0.01, 0.1, 0.3, 0.5, 1.0)  # from "only the first counts" to "all ranks alike"


@dataclass(frozen=True)
class CRMSetting:
    """How CRM chooses."""

    kept_classes: int  # P
    votes_per_pixel: int = VOTES_PER_PIXEL  # K
    beta: float = BETA


@dataclass(frozen=True)
class KnobPoint:
    """What one value of a knob comes to; shares in [0, 1], NaN if of nothing."""

    value: float
    setting: CRMSetting
    miou: float
    class_recall: float  # of the classes present CRM keeps, mean over photos
    pixel_recall: float  # labelled pixels whose class CRM keeps, of all photos together
    latency: float  # seconds of a photo with cached text / the default's, median


@dataclass(frozen=True)
class KnobCurve:
    """One knob turned on one set, the others at their defaults."""

    name: str  # of the set
    classes: int  # T
    photos: int
    knob: Knob
    default: CRMSetting
    points: tuple[KnobPoint, ...]  # values ascending


def settings_of(knob: Knob, classes: int, default: CRMSetting) -> dict[float, CRMSetting]:
    """List a knob's values and what they set; none beyond T, which would be T again."""
    kept, votes, beta = default.kept_classes, default.votes_per_pixel, default.beta
    if knob == "P":
        values = {min(value, classes) for value in (*KEPT, kept, classes)}
        return {value: CRMSetting(value, votes, beta) for value in sorted(values)}
    if knob == "K":
        values = {min(value, classes) for value in (*VOTES, votes)}
        return {value: CRMSetting(kept, value, beta) for value in sorted(values)}
    return {value: CRMSetting(kept, votes, value) for value in sorted({*BETAS, beta})}


def choose(features: ImageFeatures, text: Tensor, setting: CRMSetting) -> tuple[int, ...]:
    """Choose the classes that CRM keeps of a photo, without decoding; ascending."""
    ranking = rank_vocabulary(features.dense16, text, setting.votes_per_pixel)
    scores = score_votes(count_votes(ranking, len(text)), setting.beta)
    return tuple(select_classes(scores, setting.kept_classes)[0].tolist())


class Recall:
    """How much of what photos show CRM keeps, added up over photos."""

    def __init__(self) -> None:
        self._shares: list[float] = []
        self._kept = self._pixels = 0

    def update(self, kept: Sequence[int], photo: LabelledPhoto) -> None:
        """Add a photo; one without labels doesn't count."""
        labelled = photo.label[photo.label >= 0]
        if labelled.size:
            self._shares.append(float(np.isin(photo.present, kept).mean()))
            self._kept += int(np.isin(labelled, kept).sum())
            self._pixels += labelled.size

    @property
    def of_classes(self) -> float:
        """Mean over photos of the share of the classes present that were kept."""
        return share(sum(self._shares), len(self._shares))

    @property
    def of_pixels(self) -> float:
        """Share of the labelled pixels whose class was kept."""
        return share(self._kept, self._pixels)


@torch.inference_mode()
def measure_knobs(
    predictor: Predictor, sets: Sequence[SegmentationSet], knobs: Sequence[Knob], asked: Asked
) -> tuple[KnobCurve, ...]:
    """Turn knobs on the sets' photos, one at a time.

    P's default is the paper's for a vocabulary of the set's size. K and beta are left alone where
    that keeps all T classes: CRM has nothing to choose there.

    Raises:
        InputError: the model has no CRM.
    """
    if not predictor.model.config.head.crm:
        raise InputError("This model has no CRM, so P, K and beta do nothing.")
    curves = []
    for sample_set in with_photos(sets, "validation"):
        curves += _measure_set(predictor, sample_set, knobs, asked)
    return tuple(curves)


def _measure_set(
    predictor: Predictor, sample_set: SegmentationSet, knobs: Sequence[Knob], asked: Asked
) -> list[KnobCurve]:
    model, text = predictor.model, embed_set(predictor, sample_set, asked)
    classes, default = len(text), CRMSetting(default_kept_classes(sample_set))
    turned = {
        knob: settings_of(knob, classes, default)
        for knob in knobs
        if knob == "P" or default.kept_classes < classes
    }
    settings = list(dict.fromkeys((default, *(s for of in turned.values() for s in of.values()))))
    confusion = {setting: ConfusionMatrix(classes) for setting in settings}
    recall = {setting: Recall() for setting in settings}
    seconds: dict[CRMSetting, list[float]] = {setting: [] for setting in settings}
    count = 0
    for photo in read_photos(sample_set, asked, f"CRM's {', '.join(knobs)}"):
        features, labels = encode(model, photo.photo), {}
        memory = TokenMemory.of_photo(model, features)
        for setting in settings:
            kept = choose(features, text, setting)
            if kept not in labels:
                labels[kept] = _label(model, features, text, setting, photo, memory)
            confusion[setting].update(labels[kept], photo.label)
            recall[setting].update(kept, photo)
        if count < asked.timed:
            calls = {
                setting: partial(_label, model, features, text, setting, photo)
                for setting in settings
            }
            calls[None] = partial(encode, model, photo.photo)
            taken = fastest_in_turn(calls, model.device)
            for setting in settings:
                seconds[setting].append(taken[None] + taken[setting])
        count += 1
    return [
        KnobCurve(
            name=sample_set.name,
            classes=classes,
            photos=count,
            knob=knob,
            default=default,
            points=tuple(
                KnobPoint(
                    value=value,
                    setting=setting,
                    miou=confusion[setting].miou(),
                    class_recall=recall[setting].of_classes,
                    pixel_recall=recall[setting].of_pixels,
                    latency=median_ratio(seconds[setting], seconds[default]),
                )
                for value, setting in points.items()
            ),
        )
        for knob, points in turned.items()
    ]


def _label(
    model: ERRSeg,
    features: ImageFeatures,
    text: Tensor,
    setting: CRMSetting,
    photo: LabelledPhoto,
    memory: TokenMemory | None = None,
) -> np.ndarray:
    """Label a photo's pixels, (H, W)."""
    asked = (setting.kept_classes, setting.votes_per_pixel, setting.beta)
    out = model.decode(features, text, *asked, tokens_of=memory)
    return label_pixels(out.kept_logits[0], out.kept[0], photo.label.shape)[0]
