"""Proposition 1, measured: attention on the classes really present, with and without the redundant.

CFM attends from class to class at every cell of its grid. What is measured is the share of the rows
of the classes present that goes to the classes present: with all T classes in ESCF, and with the P
that CRM keeps. A class that is present and that CRM drops counts on neither side, so that both are
shares of the same attention.

For one input of a layer the proposition is certain: a softmax over fewer keys gives each of those
that are left as much or more. The first CFM has one input, since no class knows of another before
it. Those after it see what the classes made of each other, so their inputs differ, and that their
shares grow as well is no theorem. Both are measured: with the inputs that P classes give, and with
those that T classes give, of which all but the P are left out of the softmax.
"""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import nan

import numpy as np
import torch
from torch import Tensor

from errseg.datasets.sets import SegmentationSet, with_photos
from errseg.errors import InputError
from errseg.inference.attended import share_on
from errseg.inference.predictor import Predictor
from errseg.measuring.metrics import share
from errseg.measuring.tables.knobs import CRMSetting, choose
from errseg.measuring.tables.photos import (
    Asked,
    default_kept_classes,
    embed_set,
    encode,
    read_photos,
)
from errseg.network.attention import class_queries_and_keys, walk_escf
from errseg.network.model import ERRSeg, ImageFeatures

ROUNDING = 1e-5  # of a share in float32: sums over hundreds of weights


@dataclass(frozen=True)
class LayerShares:
    """One layer of ESCF on one set; shares in [0, 1], means over photos, NaN without any."""

    with_all: float  # of the attention on the classes present, all T classes in ESCF
    same_input: float  # the same layer input, the softmax over the P kept classes
    with_kept: float  # the P kept classes in ESCF from its start
    grew_same_input: float  # share of cells, heads and rows whose share didn't fall, same input
    grew: float  # the same, from the start
    photos_grew: float  # share of the photos whose mean didn't fall, from the start


@dataclass(frozen=True)
class Proposition:
    """One set's measurement."""

    name: str
    classes: int  # T
    kept: int  # P
    photos: int  # on which a class is present that CRM keeps
    layers: tuple[LayerShares, ...]


@dataclass(frozen=True)
class _Photo:
    """One photo's shares of one layer, (h' w', heads, rows)."""

    with_all: Tensor
    same_input: Tensor
    with_kept: Tensor


@torch.inference_mode()
def measure_proposition(
    predictor: Predictor, sets: Sequence[SegmentationSet], asked: Asked
) -> tuple[Proposition, ...]:
    """Measure the sets' photos, P as the paper has it for the set's vocabulary.

    Sets of whose T classes CRM keeps all are left out: nothing is removed there.

    Raises:
        InputError: the model has no CFM or no CRM.
    """
    head = predictor.model.config.head
    if not (head.cfm and head.crm):
        raise InputError("This model has no CFM or no CRM; Proposition 1 is about both.")
    chosen = (
        s for s in with_photos(sets, "validation") if default_kept_classes(s) < len(s.class_names)
    )
    return tuple(_measure_set(predictor, sample_set, asked) for sample_set in chosen)


def _measure_set(predictor: Predictor, sample_set: SegmentationSet, asked: Asked) -> Proposition:
    model, text = predictor.model, embed_set(predictor, sample_set, asked)
    setting, photos = CRMSetting(default_kept_classes(sample_set)), []
    for photo in read_photos(sample_set, asked, "Proposition 1"):
        features = encode(model, photo.photo)
        kept = choose(features, text, setting)
        present = [index for index in photo.present.tolist() if index in kept]
        if present:
            photos.append(_shares(model, features, text, kept, present))
    layers = zip(*photos, strict=True) if photos else ((),) * model.config.head.layers
    return Proposition(
        name=sample_set.name,
        classes=len(text),
        kept=setting.kept_classes,
        photos=len(photos),
        layers=tuple(_layer(list(of)) for of in layers),
    )


def _shares(
    model: ERRSeg,
    features: ImageFeatures,
    text: Tensor,
    kept: Sequence[int],
    present: Sequence[int],
) -> list[_Photo]:
    """Measure every layer on one photo."""
    heads, kept = model.config.head.heads, list(kept)
    places = [kept.index(index) for index in present]  # of the classes present among the kept
    layers = zip(
        _queries_and_keys(model, features, text[None]),
        _queries_and_keys(model, features, text[None, kept]),
        strict=True,
    )
    return [
        _Photo(
            with_all=share_on(query, key, present, heads),
            same_input=share_on(query[:, kept], key[:, kept], places, heads),
            with_kept=share_on(own_query, own_key, places, heads),
        )
        for (query, key), (own_query, own_key) in layers
    ]


def _queries_and_keys(
    model: ERRSeg, features: ImageFeatures, text: Tensor
) -> Iterator[tuple[Tensor, Tensor]]:
    """Give what each CFM's attention is made of, text being (1, P, C); see `walk_escf`."""
    guidance = model.guide_classes(text)
    for layer, _, tokens in walk_escf(model, features, text):
        yield class_queries_and_keys(layer.cfm, tokens, guidance)


def _layer(photos: list[_Photo]) -> LayerShares:
    """Sum up one layer over photos."""
    means = {
        name: [getattr(photo, name).mean().item() for photo in photos]
        for name in ("with_all", "same_input", "with_kept")
    }
    grew = np.array(means["with_kept"]) >= np.array(means["with_all"]) - ROUNDING

    def share_grown(name: str) -> float:
        held = [getattr(photo, name) >= photo.with_all - ROUNDING for photo in photos]
        return share(sum(h.sum().item() for h in held), sum(h.numel() for h in held))

    return LayerShares(
        **{name: statistics.mean(of) if of else nan for name, of in means.items()},
        grew_same_input=share_grown("same_input"),
        grew=share_grown("with_kept"),
        photos_grew=share(grew.sum(), grew.size),
    )
