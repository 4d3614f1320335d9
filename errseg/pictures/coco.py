"""A COCO file: the masks of one photo or of many, for annotation tools and `pycocotools`.

An annotation is a class of a photo, with all of its pixels as in COCO-Stuff: not one object.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from errseg.config import ARXIV
from errseg.inference.result import Result
from errseg.pictures.export import RUN_LENGTHS, run_lengths
from errseg.pictures.overlay import nearest

_BITS, _SIGN, _MORE, _FIRST = 5, 0x10, 0x20, ord("0")
"""Of a letter of COCO's run lengths: bits of a number, sign, if more follow; the letter of 0."""
_DECIMALS = 6


COMPRESSED_RUN_LENGTHS = f"{RUN_LENGTHS} Written in COCO's compressed form."
"""How the masks of a COCO file are read, for whoever has only the file."""


@dataclass(frozen=True)
class CocoPhoto:
    """One photo's part of a COCO file."""

    file_name: str
    size: tuple[int, int]  # H, W
    annotations: tuple[dict, ...]  # without ``id`` and ``image_id``


def coco_photo(result: Result, file_name: str) -> CocoPhoto:
    """Describe the classes that are present in a result, in label order, and name its photo.

    An annotation has ``category_id`` (the class's index + 1), ``segmentation`` (``size`` [H, W] and
    ``counts``, see `compressed`), ``area`` in pixels, ``bbox`` [left, top, width, height],
    ``iscrowd`` 0 and ``score``, the mean over its pixels.
    """
    annotations = []
    for index in np.unique(result.labels[result.labels >= 0]).tolist():
        mask = result.labels == index
        encoded = run_lengths(mask, result.mask_size)
        annotations.append(
            {
                "category_id": index + 1,
                "segmentation": {"size": encoded["size"], "counts": compressed(encoded["counts"])},
                "area": sum(encoded["counts"][1::2]),
                "bbox": _enlarged_box(box_of(mask), mask.shape, result.mask_size),
                "iscrowd": 0,
                "score": round(float(result.scores[mask].mean()), _DECIMALS),
            }
        )
    name = Path(file_name).name.encode("utf-8", "replace").decode()  # bytes that are no letters
    return CocoPhoto(name, result.mask_size, tuple(annotations))


def coco_file(classes: Sequence[str], photos: Iterable[CocoPhoto]) -> dict:
    """Put photos that were asked for the same classes (T) into what a COCO file holds.

    Ids of images, categories and annotations count from 1, which every reader takes.
    """
    content = {
        "info": {
            "description": f"Masks by ERR-Seg (arXiv {ARXIV})",
            "run_lengths": COMPRESSED_RUN_LENGTHS,
        },
        "licenses": [],
        "images": [],
        "categories": [
            {"id": number, "name": name, "supercategory": ""}
            for number, name in enumerate(classes, start=1)
        ],
        "annotations": [],
    }
    images, annotations = content["images"], content["annotations"]
    for number, photo in enumerate(photos, start=1):
        height, width = photo.size
        images.append(
            {"id": number, "file_name": photo.file_name, "width": width, "height": height}
        )
        for annotation in photo.annotations:
            ids = {"id": len(annotations) + 1, "image_id": number}
            annotations.append(ids | annotation)
    return content


def write_coco(file: Path, classes: Sequence[str], photos: Iterable[CocoPhoto]) -> None:
    """Write `coco_file` as JSON."""
    text = json.dumps(coco_file(classes, photos), ensure_ascii=False, separators=(",", ":"))
    file.write_text(text + "\n", encoding="utf-8")


def compressed(counts: Sequence[int]) -> str:
    """Write run lengths as the text that COCO's files have.

    From the fourth on each is told as the difference to the one two places before; a number is
    five bits a letter, the lowest first.
    """
    letters = bytearray()
    for place, count in enumerate(counts):
        number = count - counts[place - 2] if place > 2 else count
        more = True
        while more:
            part = number & (_MORE - 1)
            number >>= _BITS
            more = number != (-1 if part & _SIGN else 0)
            letters.append(_FIRST + part + (_MORE if more else 0))
    return letters.decode("ascii")


def _enlarged_box(box: list[int], size: tuple[int, int], wanted: tuple[int, int]) -> list[int]:
    """Bring a box in a mask (H, W) to the mask's larger size (H, W)."""
    ends = []
    for first, length, count, large in zip(box[:2], box[2:], size[::-1], wanted[::-1], strict=True):
        shown = nearest(count, large)
        ends.append([int(np.searchsorted(shown, place)) for place in (first, first + length)])
    (left, right), (top, bottom) = ends
    return [left, top, right - left, bottom - top]


def box_of(mask: np.ndarray) -> list[int]:
    """Find the smallest box around a mask's pixels: left, top, width and height.

    The mask (H, W) of bools has at least one.
    """
    columns, rows = (np.flatnonzero(mask.any(axis=axis)) for axis in (0, 1))
    left, top = int(columns[0]), int(rows[0])
    return [left, top, int(columns[-1]) - left + 1, int(rows[-1]) - top + 1]
