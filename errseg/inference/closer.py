"""A closer look at a photo: its tiles go through the network as the whole photo does."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from errseg.inference.tiles import OVERLAP, Span, Tiles
from errseg.inference.token_memory import TokenMemory
from errseg.network.crm import count_votes, rank_vocabulary, score_votes, select_classes
from errseg.network.layers import resize
from errseg.network.model import ERRSeg, ImageFeatures, Segmentation
from errseg.options import Options

WHOLE_SHARE = 0.15
"""Of the whole photo's logits, beside the tiles': it knows what surrounds a tile."""

Look = tuple[ImageFeatures, TokenMemory]
"""What the towers made of the whole photo or of a tile, and its classes' tokens."""


@dataclass(frozen=True)
class LookAtPlace(Segmentation):
    """What the looks at a photo and at one place in it say."""

    whole_logits: Tensor  # (B, P, H/4, W/4) of the kept classes, by the look at the whole alone


def look_closer(
    model: ERRSeg,
    looks: Sequence[Look],
    tiles: Tiles,
    text: Tensor,
    options: Options,
    calibrate: Callable[[Tensor, Tensor], Tensor] | None = None,
) -> tuple[Segmentation, Segmentation]:
    """Segment a photo by its tiles and the whole of it.

    CRM counts the votes of all looks together, so that a class is kept that only a tile shows, and
    each look is decoded with the same classes. The ranking is the whole photo's.

    Args:
        model: the network.
        looks: at the whole photo, then at the tiles in their order.
        tiles: where they lie.
        text: L2-normalised text embeddings (T, C).
        options: P, K and beta.
        calibrate: each look's logits, as for `ERRSeg.decode`.

    Returns:
        what all looks say, with logits on the tiles' grid, which is finer than the whole photo's,
        and what the look at the whole photo alone says of the same classes.
    """
    rankings = [
        rank_vocabulary(features.dense16, text, options.votes_per_pixel) for features, _ in looks
    ]
    votes = sum(count_votes(ranking, len(text)) for ranking in rankings)
    scores = score_votes(votes, options.beta)
    kept = select_classes(scores, options.kept_classes if model.config.head.crm else len(text))
    parts = [
        model.decode_kept(features, text, kept, memory, calibrate) for features, memory in looks
    ]
    blended = blend(parts[0], parts[1:], tiles)
    both = (Segmentation(own, kept, scores, rankings[0], votes) for own in (blended, parts[0]))
    return tuple(both)


def blend(whole: Tensor, parts: Sequence[Tensor], tiles: Tiles) -> Tensor:
    """Blend logits of a whole photo (B, P, h, w) with those of its tiles, on the tiles' grid.

    Every tile counts by a window that falls to zero towards its neighbours, or, of one around a
    place, towards the rest of the photo; where two overlap their windows add up to one, so that
    there are no seams. What no tile shows is the whole photo's.
    """
    both = (tiles.rows, tiles.columns)
    rows, columns = (_windows(*side, whole.device) for side in zip(both, tiles.grid, strict=True))
    shown = sum(rows)[:, None] * sum(columns)
    blended = (1 - (1 - WHOLE_SHARE) * shown) * resize(whole, tiles.grid)
    weights = ((1 - WHOLE_SHARE) * down[:, None] * across for down in rows for across in columns)
    for part, weight, place in zip(parts, weights, tiles.places(), strict=True):
        inside = tuple(slice(*span) for span in place)
        weight = weight[inside]
        blended[..., *inside] += weight * resize(part, tuple(weight.shape))
    return blended


def _windows(spans: Sequence[Span], cells: int, device: torch.device) -> list[Tensor]:
    """Weigh a side's cells for each tile: one in it, and a straight line where two overlap.

    A tile without a neighbour on some side falls there too, unless the photo ends.
    """
    windows = [torch.zeros(cells, device=device) for _ in spans]
    for place, (start, stop) in enumerate(spans):
        alone = round(OVERLAP * (stop - start))
        before = spans[place - 1][1] - start if place else alone * (start > 0)
        after = stop - spans[place + 1][0] if place + 1 < len(spans) else alone * (stop < cells)
        own = windows[place]
        own[start:stop] = 1
        own[start : start + before] = _rising(before, device)
        own[stop - after : stop] = 1 - _rising(after, device)
    return windows


def _rising(cells: int, device: torch.device) -> Tensor:
    return (torch.arange(cells, device=device) + 0.5) / max(cells, 1)
