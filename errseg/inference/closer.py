"""A closer look at a large photo: its tiles go through the network as the whole photo does."""

from collections.abc import Sequence

import torch
from torch import Tensor

from errseg.inference.tiles import Span, Tiles
from errseg.inference.token_memory import TokenMemory
from errseg.network.crm import count_votes, rank_vocabulary, score_votes, select_classes
from errseg.network.layers import resize
from errseg.network.model import ERRSeg, ImageFeatures, Segmentation
from errseg.options import Options

WHOLE_SHARE = 0.15
"""Of the whole photo's logits, beside the tiles': it knows what surrounds a tile."""

Look = tuple[ImageFeatures, TokenMemory]
"""What the towers made of the whole photo or of a tile, and its classes' tokens."""


def look_closer(
    model: ERRSeg,
    looks: Sequence[Look],
    tiles: Tiles,
    text: Tensor,
    options: Options,
) -> Segmentation:
    """Segment a photo by its tiles and the whole of it.

    CRM counts the votes of all looks together, so that a class is kept that only a tile shows, and
    each look is decoded with the same classes. The ranking is the whole photo's.

    Args:
        model: the network.
        looks: at the whole photo, then at the tiles in their order.
        tiles: where they lie.
        text: L2-normalised text embeddings (T, C).
        options: P, K and beta.

    Returns:
        logits on the tiles' grid, which is finer than the whole photo's.
    """
    rankings = [
        rank_vocabulary(features.dense16, text, options.votes_per_pixel) for features, _ in looks
    ]
    votes = sum(count_votes(ranking, len(text)) for ranking in rankings)
    scores = score_votes(votes, options.beta)
    kept = select_classes(scores, options.kept_classes if model.config.head.crm else len(text))
    parts = [model.decode_kept(features, text[kept], memory) for features, memory in looks]
    return Segmentation(blend(parts[0], parts[1:], tiles), kept, scores, rankings[0], votes)


def blend(whole: Tensor, parts: Sequence[Tensor], tiles: Tiles) -> Tensor:
    """Blend logits of a whole photo (B, P, h, w) with those of its tiles, on the tiles' grid.

    Every tile counts by a window that falls to zero towards its neighbours; where two overlap their
    windows add up to one, so that there are no seams.
    """
    blended = WHOLE_SHARE * resize(whole, tiles.grid)
    windows = (_windows(spans, whole.device) for spans in (tiles.rows, tiles.columns))
    rows, columns = windows
    weights = ((1 - WHOLE_SHARE) * down[:, None] * across for down in rows for across in columns)
    for part, weight, (down, across) in zip(parts, weights, tiles.places(), strict=True):
        blended[..., slice(*down), slice(*across)] += weight * resize(part, tuple(weight.shape))
    return blended


def _windows(spans: Sequence[Span], device: torch.device) -> list[Tensor]:
    """Weigh each tile's cells along a side: one, and a straight line where two overlap."""
    windows = [torch.ones(stop - start, device=device) for start, stop in spans]
    for place in range(len(spans) - 1):
        shared = spans[place][1] - spans[place + 1][0]
        rising = (torch.arange(shared, device=device) + 0.5) / shared
        windows[place + 1][:shared] = rising
        windows[place][-shared:] = 1 - rising
    return windows
