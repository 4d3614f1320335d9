"""What the browser is sent of an answer: compact data, from which the page's scripts draw.

Hovering, hiding a class, the opacity, probability maps and the choice of layer and head need
nothing further from the server. Names travel as JSON and become text in the browser, never HTML.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from errseg.demo.backend.answers import Answer, AttentionAnswer
from errseg.demo.backend.attended import without_crm_refusal
from errseg.demo.backend.live_attention import ONE_ANSWER, in_answers
from errseg.demo.backend.packing import as_uri, packed, runs, tiled
from errseg.inference.result import CostView
from errseg.pictures.captions import name_plates
from errseg.pictures.colors import ink_color
from errseg.pictures.export import crm_ranks
from errseg.pictures.overlay import resize_labels

if TYPE_CHECKING:  # torch takes seconds to import
    from collections.abc import Sequence

    from torch import Tensor

    from errseg.demo.backend.pipeline import Stage
    from errseg.inference.suggestion import Suggestion

LONGEST_SHOWN = 1280
"""Pixels of a side of what the browser shows; files and endpoints have every pixel."""
NO_CLASS = 0xFFFF  # pixels without a class in the label picture
MOST_MAP_VALUES = 2_000_000
"""Values of all probability maps together; more are sent at half their resolution."""
JPEG_QUALITY = 88
MOST_IN_PALETTE = 256  # colours of a picture in mode P
MOST_PACKED = 16_384
"""Labels of a stage that are sent as numbers: those of any grid at stride 16."""


def as_html(data: dict) -> str:
    """Put a panel's data into an element that shows nothing; the panel's script reads it."""
    text = json.dumps(data, ensure_ascii=True, separators=(",", ":"))
    return f'<div data-view="{escape(text)}" hidden></div>'


def masks(answer: Answer) -> dict:
    """Describe the masks panel: photo, labels, votes and probability maps at every pixel."""
    result = answer.result
    height, width = result.labels.shape
    return {
        "subject": answer.subject,
        "size": [width, height],
        "photo": photo_picture(answer.photo),
        "names": list(result.classes),
        **_settled(answer),
    }


def masks_changes(answer: Answer, only_threshold: bool) -> dict:
    """Describe what other settings change in the masks panel, for who has the rest of it.

    Args:
        answer: the new one.
        only_threshold: whether that alone is another one; else photo and words are the same.
    """
    if only_threshold:
        return {"needs": {"of": answer.key}, "changes": _over_threshold(answer)}
    return {"needs": {"subject": answer.subject}, "changes": _settled(answer)}


def _settled(answer: Answer) -> dict:
    """Describe all that settings have a say in."""
    result = answer.result
    return {
        "of": answer.key,
        "ranking": packed(result.ranking),
        "maps": {"kept": list(result.kept), **_mosaic(result.class_scores)},
        "closer": result.closer_box and [round(share, 4) for share in result.closer_box],
        **_over_threshold(answer),
    }


def _over_threshold(answer: Answer) -> dict:
    """Describe the classes that reach the threshold, and where."""
    result, seen = answer.result, [entry.index for entry in answer.legend]
    return {
        "labels": runs(_shown_labels(result.labels)),
        "colors": {index: list(answer.colors[index]) for index in {*result.kept, *seen}},
        "inks": {index: list(ink_color(answer.colors[index])) for index in seen},
        "legend": [[e.index, _share(e.area), round(e.score, 3)] for e in answer.legend],
        "none": _share((result.labels < 0).mean()),
        "plates": _plates(answer),
    }


def photo_picture(photo: np.ndarray, longest: int = LONGEST_SHOWN) -> str:
    """A photo (H, W, 3) as a JPEG's data URI, of the size that is shown."""
    size = _shown_size(*photo.shape[:2], longest)
    shown = Image.fromarray(photo).resize(size, Image.Resampling.BILINEAR, reducing_gap=2)
    return as_uri(shown, "JPEG", quality=JPEG_QUALITY)


def label_picture(labels: np.ndarray, longest: int = LONGEST_SHOWN) -> str:
    """Labels (H, W), -1 or a class, as a PNG's data URI: red + 256 x green, `NO_CLASS` for -1."""
    return as_uri(_two_bytes(_shown_labels(labels, longest)), "PNG")


def _shown_labels(labels: np.ndarray, longest: int = LONGEST_SHOWN) -> np.ndarray:
    """Labels (H, W), -1 or a class, of the size that is shown, uint16: `NO_CLASS` for -1."""
    size = _shown_size(*labels.shape, longest)
    shown = labels if size == labels.shape[::-1] else resize_labels(labels, size)
    return shown.astype(np.uint16)  # of 16 bits, -1 is `NO_CLASS`


def ranking(answer: Answer) -> dict:
    """Describe the CRM panel: every prompted class with score, rank, votes and pixel share."""
    result = answer.result
    ranks = crm_ranks(result)
    order = np.argsort(ranks)
    return {
        "of": answer.key,
        "asked": result.settings.kept_classes,
        "kept": len(result.kept),
        "beta": result.settings.beta,
        "rows": [
            {
                "index": int(index),
                "name": result.classes[index],
                "rank": int(ranks[index]),
                "score": round(float(result.crm_scores[index]), 2),
                "votes": result.votes[index].tolist(),
            }
            for index in order
        ],
        "areas": _areas(answer),
    }


def ranking_changes(answer: Answer) -> dict:
    """Describe what another threshold changes in the CRM panel, for who has the rest of it."""
    return {"needs": {"of": answer.key}, "changes": {"areas": _areas(answer)}}


def _areas(answer: Answer) -> list[list]:
    """List the classes that have pixels, each with its share of them."""
    return [[entry.index, _share(entry.area)] for entry in answer.legend]


def suggestions(
    found: Sequence[Suggestion], first: int, photo: str, fill: tuple[str, str] | None = None
) -> dict:
    """Describe the words found in a photo.

    Args:
        found: the best first.
        first: how many show at first.
        photo: where they were found.
        fill: words in the box, and those that take their place while they stand there.
    """
    words = [list(suggestion.synonyms) for suggestion in found]
    return {"photo": photo, "first": first, "fill": fill, "words": words}


def cost(name: str, view: CostView) -> dict:
    """Describe the cost maps of one class, the only one in a view."""
    return {"name": name, "maps": [packed(maps[0]) for maps in (view.stride16, view.stride32)]}


def attention(answer: AttentionAnswer) -> dict:
    """Describe the attention panel: all that it needs beside the queries and keys of classes."""
    spatial, classes = (v.numpy() for v in (answer.attention.spatial, answer.attention.classes))
    grid, total = answer.costs.stride16.shape[1:], len(answer.classes)
    unavailable = without_crm_refusal(total)
    if len(answer.kept) == total:
        unavailable = f"All {total} classes are kept here, so CRM changes nothing."
    return {
        "of": answer.key,
        "pixel": list(answer.pixel),
        "size": list(answer.size[::-1]),
        "names": list(answer.classes),
        "kept": list(answer.kept),
        "between": _between(answer.attention.classes_mean),
        "unavailable": unavailable,
        "layers": {"spatial": len(spatial), "classes": len(classes)},
        "heads": spatial.shape[2] if len(spatial) else classes.shape[1] if len(classes) else 0,
        "grids": {
            "query": list(grid),
            "key": list(spatial.shape[3:]),
            "classes": [max(side // answer.class_reduction, 1) for side in grid],
        },
        "reduction": answer.class_reduction,
        "winners": tiled(answer.winners[None]),
        "costs": [packed(maps) for maps in (answer.costs.stride16, answer.costs.stride32)],
    }


def queries(answer: AttentionAnswer, most: float = ONE_ANSWER) -> list[dict]:
    """Describe what the browser computes attention from, of the classes that were asked for.

    Args:
        answer: with attention from every pixel.
        most: characters of a part; a class that is longer is a part by itself.

    Returns:
        parts, in the order in which the classes were asked for.
    """
    common = {"of": answer.key}
    if answer.everything is not None:
        common["between_without"] = _between(answer.everything.classes_mean, answer.kept)
    return [{**common, "classes": part} for part in in_answers(answer.live, most)]


def refused_queries(sentence: str) -> dict:
    """Describe why the classes that were asked for can't be told, for the attention panel."""
    return {"message": sentence, "asked": time.time_ns()}  # two refusals are told twice


def pipeline(answer: Answer, stages: Sequence[Stage]) -> dict:
    """Describe the strip of stages: what each says at every cell, and how much of the photo."""
    *before, masks = [_stage(stage, len(answer.colors)) for stage in stages]
    colors = _stage_colors(answer)
    names = {index: answer.result.classes[index] for index in colors}
    return {"of": answer.key, "names": names, "colors": colors, "stages": before, "masks": masks}


def pipeline_changes(answer: Answer, masks: Stage) -> dict:
    """Describe what another threshold changes in the strip, for who has the rest of it."""
    changes = {"colors": _stage_colors(answer), "masks": _stage(masks, len(answer.colors))}
    return {"needs": {"of": answer.key}, "changes": changes}


def _stage_colors(answer: Answer) -> dict[int, list[int]]:
    """Tell the colours of all classes that some stage may show."""
    seen = {*answer.result.kept, *np.unique(answer.result.ranking[0]).tolist()}
    return {index: list(answer.colors[index]) for index in sorted(seen)}


def _stage(stage: Stage, classes: int) -> dict:
    return {
        "name": stage.name,
        "title": stage.title,
        "line": stage.line,
        "labels": _labels(stage.labels),
        "legend": [[index, round(share, 4)] for index, share in stage.areas(classes)],
    }


def _labels(labels: np.ndarray) -> dict | str:
    """Labels (h, w), -1 as `NO_CLASS`: packed where they are few, else a picture as it is shown."""
    if labels.size <= MOST_PACKED:
        return packed(np.where(labels < 0, NO_CLASS, labels))
    return label_picture(labels)


def _plates(answer: Answer) -> list[list]:
    """Where names stand on the segments: class, and the plate's centre as shares of the photo."""
    height, width = answer.result.labels.shape
    plates = name_plates(answer.result.labels, answer.legend)
    centres = [(p.entry.index, p.box[0] + p.box[2] / 2, p.box[1] + p.box[3] / 2) for p in plates]
    return [[index, round(x / width, 4), round(y / height, 4)] for index, x, y in centres]


def _shown_size(height: int, width: int, longest: int = LONGEST_SHOWN) -> tuple[int, int]:
    scale = min(1.0, longest / max(height, width))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _two_bytes(values: np.ndarray) -> Image.Image:
    """Whole numbers (H, W) below 65,536 as red (low byte) and green (high byte).

    Where they are few the picture has them as its palette: to a browser that is the same, and it is
    written in a third of the time.
    """
    seen = np.flatnonzero(np.bincount(values.ravel(), minlength=1))
    if len(seen) <= MOST_IN_PALETTE:
        places = np.zeros(seen[-1] + 1, np.uint8)
        places[seen] = np.arange(len(seen))
        picture = Image.fromarray(places[values])
        palette = np.stack([seen & 0xFF, seen >> 8, np.zeros_like(seen)], axis=-1)
        picture.putpalette(palette.astype(np.uint8).tobytes())  # turns mode L into P
        return picture
    bytes_ = np.zeros((*values.shape, 3), np.uint8)
    bytes_[..., 0], bytes_[..., 1] = values & 0xFF, values >> 8
    return Image.fromarray(bytes_)


def _mosaic(maps: np.ndarray) -> dict:
    """Maps (P, h, w) in [0, 1] as one grey picture of 8 bits, in rows of tiles."""
    if maps.size > MOST_MAP_VALUES:
        maps = maps[:, ::2, ::2]
    return tiled((maps * 255).round().astype(np.uint8))


def _share(part: float) -> float:
    """Shorten a share, however small: a class of one pixel has more than none."""
    return float(f"{part:.4g}")


def _between(weights: Tensor, places: Sequence[int] | None = None) -> dict:
    """Tell CFM's mean attention from each class to each, over layers, heads and cells.

    Proposition 1's share follows from it for whichever classes have pixels.

    Args:
        weights: (layers, heads, P, P), or empty.
        places: of the classes to tell of, all if None.
    """
    if not weights.numel():
        return packed(weights.numpy())
    mean = weights.mean(dim=(0, 1)).numpy()
    return packed(mean if places is None else mean[np.ix_(places, places)])
