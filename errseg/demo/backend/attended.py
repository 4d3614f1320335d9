"""What pixels of a photo attend to, as the page and files show it, and what is refused."""

from __future__ import annotations

import functools
import hashlib
from typing import TYPE_CHECKING

import numpy as np

from errseg.demo.backend.answers import AttentionAnswer
from errseg.demo.backend.live_attention import live_class
from errseg.demo.backend.request import Request
from errseg.errors import InputError
from errseg.pictures.overlay import seen_classes

if TYPE_CHECKING:  # torch takes seconds to import; the page paints before it is there
    from errseg.inference.predictor import Predictor

MOST_WITHOUT_CRM = 171
"""Classes up to which ESCF's attention without CRM is shown: COCO-Stuff's. Time and memory of CFM's
maps grow with the square of the classes."""
MOST_ATTENDED = 100
"""Kept classes up to which attention is shown: as many as the page's slider of P has."""


def attended(
    predictor: Predictor,
    request: Request,
    photo: np.ndarray,
    pixel: tuple[int, int],
    without_crm: bool,
    everywhere: tuple[int, ...],
) -> AttentionAnswer:
    """Compute the attention from a pixel of a photo, see `Service.attention`.

    Args:
        predictor: whose network attends.
        request: the question; its photo is the next one.
        photo: (H, W, 3) uint8.
        pixel: (x, y) of the query.
        without_crm: also compute what it would be with P = T.
        everywhere: kept classes of which the attention from every pixel is told too.

    Raises:
        InputError: one of those classes is not kept.
    """
    names = request.vocabulary.names
    asked = (photo, request.vocabulary)
    out = predictor.segment(*asked, request.options)  # the one that is attended to
    kept = out.kept[0].cpu()
    places = {index: place for place, index in enumerate(kept.tolist())}
    if dropped := [index for index in everywhere if index not in places]:
        raise InputError(f"CRM kept no class number {dropped[0]} here.")
    attend = functools.partial(predictor.attention, *asked, pixel, request.options)
    attention = attend(everywhere=[places[index] for index in everywhere])
    best = out.kept_logits[0].argmax(dim=0).cpu()  # (h4, w4) places
    winners = kept[best]  # class indices
    seen = seen_classes(predictor(*asked, request.options).labels, len(names))
    present = kept.new_zeros(len(names)).index_fill(0, kept.new_tensor(seen), 1).bool()
    everything = None
    if without_crm:
        every = len(kept) == len(names)
        everything = attention if every else attend(everything=True, everywhere=everywhere)
    (x, y), (height, width), (rows, columns) = pixel, photo.shape[:2], winners.shape
    return AttentionAnswer(
        pixel=pixel,
        size=photo.shape[:2],
        classes=names,
        kept=tuple(kept.tolist()),
        best=int(winners[y * rows // height, x * columns // width]),
        attention=attention,
        costs=predictor.cost_view(*asked, kept.tolist(), request.options),
        present=tuple(seen),
        share=attention.share_on(present[kept]),
        everything=everything,
        share_without_crm=everything and everything.share_on(present),
        key=_key(predictor, request, photo, kept.tolist()),
        winners=best.numpy().astype(np.uint8),
        class_reduction=predictor.model.config.head.class_reduction,
        live=tuple(
            live_class(index, attention.everywhere, place, everything and everything.everywhere)
            for place, index in enumerate(everywhere)
        ),
    )


def _key(predictor: Predictor, request: Request, photo: np.ndarray, kept: list[int]) -> str:
    """Tell a question's attention from others'; figures would depend on the machine as well."""
    options = request.options
    asked = predictor.model.weights_hash, request.vocabulary.text, kept, options.input_size
    digest = hashlib.blake2b(repr((*asked, options.expand, photo.shape)).encode(), digest_size=8)
    digest.update(np.ascontiguousarray(photo))
    return digest.hexdigest()


def without_crm_refusal(size: int) -> str | None:
    """Say why attention without CRM isn't told of so many classes, if it isn't."""
    if size <= MOST_WITHOUT_CRM:
        return None
    return (
        f"Attention without CRM is possible for up to {MOST_WITHOUT_CRM} classes; "
        f"here are {size:,}."
    )


def check_attended(request: Request, remedy: str = "lower P") -> None:
    """Refuse a question whose attention can't be shown.

    Raises:
        InputError: CRM keeps too many classes; the sentence ends with the remedy.
    """
    kept = min(request.options.kept_classes, len(request.vocabulary))
    if kept > MOST_ATTENDED:
        raise InputError(
            f"Attention is shown for up to {MOST_ATTENDED} kept classes, not for {kept:,}; "
            f"{remedy}."
        )
