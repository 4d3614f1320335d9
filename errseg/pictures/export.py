"""A result as files and as JSON: the same for the command line and the demo.

Nothing is copied from the photo's file, so no EXIF (place, camera, time) leaves with a result.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from errseg.inference.result import Result
from errseg.pictures.captions import labelled_overlay
from errseg.pictures.colors import Color, class_colors, hex_color
from errseg.pictures.files import MASK_FILE, OVERLAY_FILE, write_json
from errseg.pictures.overlay import (
    DEFAULT_OPACITY,
    NONE_INDEX,
    LegendEntry,
    class_sums,
    nearest,
    palette_mask,
    summarize,
)

FORMAT = "errseg-result-1"
"""What `as_dict` writes; a reader that knows another number should refuse it."""
RUN_LENGTHS = (
    "Lengths of the runs of pixels outside of and in the class in turn, beginning with outside, "
    "down the columns from left to right (column-major), as in COCO; size is [height, width]."
)
"""How `run_lengths` are read, for whoever has only the file."""
_DECIMALS = 6


def result_colors(result: Result) -> tuple[Color, ...]:
    """Colour every class of a vocabulary (T), so that those which are seen are told apart.

    Classes that win some pixel take their colours first, see `class_colors`: words that aren't in
    the photo change nothing.
    """
    return shared_colors([result.classes], [result.labels])[0]


def shared_colors(
    classes: Sequence[Sequence[str]], labels: Sequence[np.ndarray]
) -> list[tuple[Color, ...]]:
    """Colour pictures that are shown beside each other: one name has one colour in all of them.

    Args:
        classes: the names of each picture, T; the pictures may have different ones.
        labels: the label map (H, W) that is shown of each, -1 where there is no class.

    Returns:
        the T colours of each picture.
    """
    names = [name for own in classes for name in own]
    areas = [
        class_sums(map_, len(own)) / map_.size for own, map_ in zip(classes, labels, strict=True)
    ]
    colors = iter(class_colors(names, np.concatenate(areas).tolist()))
    return [tuple(itertools.islice(colors, len(own))) for own in classes]


def legend(result: Result, colors: tuple[Color, ...]) -> list[LegendEntry]:
    """List the classes that are present, largest first, with areas and mean scores."""
    return summarize(result.labels, result.scores, result.classes, colors)


def crm_ranks(result: Result) -> np.ndarray:
    """Rank every class (T) by its CRM score, from 1; ties as CRM breaks them, lower index first."""
    return np.argsort(np.argsort(-result.crm_scores, kind="stable")) + 1


def run_lengths(mask: np.ndarray, size: tuple[int, int] | None = None) -> dict:
    """Encode a mask (h, w) of bools as COCO's uncompressed run lengths.

    It is told at a size (H, W), the mask's own if None, as `enlarged` would bring it to: the runs
    are stretched, and the large mask is never made.

    Returns:
        ``size`` [H, W] and ``counts``: lengths of the runs of False and True in turn, beginning
        with False, down the columns one after the other.
    """
    height, width = size or mask.shape
    rows = len(mask)
    flat = mask[:, nearest(mask.shape[1], width)].ravel(order="F")
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    first = np.searchsorted(nearest(rows, height), np.arange(rows))  # large row -> its small one
    changes = changes // rows * height + first[changes % rows]
    counts = np.diff([0, *changes.tolist(), height * width]).tolist()
    return {"size": [height, width], "counts": [0, *counts] if flat[0] else counts}


def as_dict(result: Result, colors: tuple[Color, ...], masks: bool = False) -> dict:
    """Describe a result and its colours, from `result_colors`, in types that JSON has.

    With `masks` every class that is present has ``rle`` too, see `run_lengths`, and
    ``run_lengths`` says how it is read.

    Returns:
        ``format``; ``photo`` (its own ``width`` and ``height``); ``classes``, one entry per class
        of the vocabulary in label order (``index``, ``name``, ``color`` as #rrggbb, ``area`` as a
        share of the photo, ``mean_score`` over the class's pixels or None if it has none, ``kept``,
        ``crm_score``, ``crm_rank`` from 1, ``votes`` at rank 1..K); ``none_area``, the share of
        pixels without a class; ``mask``, how to read the palette mask (``file``, ``none_index``
        and ``class_of_index``: None if a pixel's index is its class, otherwise, for vocabularies
        of more than 255 classes, the class of each index); ``settings``; ``notices``;
        ``timings`` in seconds by stage.
    """
    present = {entry.index: entry for entry in legend(result, colors)}
    ranks, kept = crm_ranks(result).tolist(), set(result.kept)
    height, width = result.mask_size
    index_is_class = len(result.classes) <= NONE_INDEX
    class_of_index = None if index_is_class else list(palette_mask(result.labels, colors)[1])

    def encoded(index: int) -> dict:
        return run_lengths(result.labels == index, result.mask_size)

    return {
        "format": FORMAT,
        "photo": {"width": width, "height": height},
        "classes": [
            {
                "index": index,
                "name": name,
                "color": hex_color(colors[index]),
                "area": _round(present[index].area) if index in present else 0.0,
                "mean_score": _round(present[index].score) if index in present else None,
                "kept": index in kept,
                "crm_score": _round(result.crm_scores[index]),
                "crm_rank": ranks[index],
                "votes": result.votes[index].tolist(),
            }
            | ({"rle": encoded(index)} if masks and index in present else {})
            for index, name in enumerate(result.classes)
        ],
        "none_area": _round(np.mean(result.labels < 0)),
        "mask": {"file": MASK_FILE, "none_index": NONE_INDEX, "class_of_index": class_of_index},
        **({"run_lengths": RUN_LENGTHS} if masks else {}),
        "settings": _settings(result),
        "notices": list(result.notices),
        "timings": {stage: _round(seconds) for stage, seconds in result.timings.items()},
    }


def write_result(
    result: Result,
    photo: np.ndarray,
    folder: Path,
    opacity: float = DEFAULT_OPACITY,
    others: Sequence[Path] = (),
) -> list[Path]:
    """Write `OVERLAY_FILE`, `MASK_FILE` and `RESULT_FILE` and return their paths.

    An earlier result in the folder is replaced, see `write_json`. The photo is what was segmented,
    (H, W, 3) uint8; the opacity is that of the class colours; the folder is made if it isn't there.
    Others are files of this result that are there already; the JSON lists them too.

    Raises:
        OSError: the folder can't be made or written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    colors = result_colors(result)
    paths = [folder / name for name in (OVERLAY_FILE, MASK_FILE)]
    labelled_overlay(photo, result.labels, legend(result, colors), opacity).save(paths[0])
    palette_mask(result.labels, colors, result.mask_size)[0].save(paths[1])
    return [*paths, write_json(as_dict(result, colors), folder, (*paths, *others))]


def _settings(result: Result) -> dict:
    settings = dataclasses.asdict(result.settings)
    del settings["input_size"]  # the network's size says more
    pairs = ("network_size", "tile_size", "closer_at")
    return {**settings, **{name: settings[name] and list(settings[name]) for name in pairs}}


def _round(value: float) -> float:
    return round(float(value), _DECIMALS)
