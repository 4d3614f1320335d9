"""What SFM and CFM attend to: the network's own maps, nothing approximated.

The forward pass keeps no attention. `attend_from` walks through ESCF once more, from what each
class does alone to the last CFM, without CRM and GUD, and reads off every module's queries and
keys what one pixel looks at.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from errseg.network.escf import CFM, SFM, ESCFLayer
from errseg.network.layers import WEIGHTS_AT_ONCE, class_groups
from errseg.network.model import ERRSeg, ImageFeatures


@dataclass(frozen=True)
class Everywhere:
    """What some classes attend to from every cell of a photo, n of the P that ESCF sees.

    SFM's weights from all cells to all would be a hundred times what they are made of: from cell y
    to cell x ``attention_weights(query[y], key)``. An axis is empty where a module is off.
    """

    query: Tensor  # (layers, n, h, w, C)
    key: Tensor  # (layers, n, h', w', C), on SSR's grid
    average: Tensor  # (layers, n, heads, h', w'): SFM's weights, the mean over all query cells
    classes: Tensor  # (layers, n, heads, h'', w'', P): CFM's weights, on CSR's grid


@dataclass(frozen=True)
class Attention:
    """Attention of one photo, kept classes in ascending index; every row sums to one."""

    spatial: Tensor  # (layers, P, heads, h, w): from the query pixel to SFM's reduced grid
    classes: Tensor  # (layers, heads, P, P): at the query's cell, from each class to each class
    classes_mean: Tensor  # (layers, heads, P, P): the mean of the same over all cells
    everywhere: Everywhere | None = None  # of the classes that it was asked for

    def share_on(self, present: Tensor) -> float:
        """Measure the share of class attention that goes to the classes present, (P,) bool.

        The left side of the paper's Proposition 1, which says that the share on the classes really
        present can only grow when redundant ones are removed: the mean over layers, heads, cells
        and the present classes' rows, in [0, 1]; NaN if no class is present.
        """
        rows = self.classes_mean[:, :, present]
        return rows[..., present].sum(dim=-1).mean().item()


def attend_from(
    model: ERRSeg,
    features: ImageFeatures,
    text: Tensor,
    cell: tuple[int, int],
    tokens_of: Callable[[ImageFeatures, Tensor], Tensor] | None = None,
    everywhere: Sequence[int] = (),
) -> Attention:
    """Read what ESCF attends to from one cell (row, column) of a photo's stride-16 grid.

    Args:
        model: whose ESCF it is.
        features: of one photo, from `ERRSeg.encode_image`.
        text: L2-normalised text embeddings of the classes that ESCF sees (1, P, C): those that
            CRM keeps, or all of them to see what CRM changes.
        cell: of the query.
        tokens_of: see `ERRSeg.decode`.
        everywhere: places among the P of classes whose attention from every cell is read too.

    Returns:
        attention on the CPU; an axis is empty where a module is off.
    """
    image_guidance, text_guidance = features.guidance.spatial, model.guide_classes(text)
    places = list(everywhere)
    spatial, classes, means, queries, keys, averages, rows = ([] for _ in range(7))
    for layer, before, after in walk_escf(model, features, text, tokens_of):
        if isinstance(layer.sfm, SFM):
            own, parts = _spatial_rows(layer.sfm, before, image_guidance, cell, places)
            spatial.append(own)
            for kind, of in zip((queries, keys, averages), zip(*parts, strict=True), strict=False):
                kind.append(torch.stack(of))
        if isinstance(layer.cfm, CFM):
            here, mean = _class_rows(layer.cfm, after, text_guidance, cell)
            classes.append(here), means.append(mean)
            if places:
                rows.append(_class_weights(layer.cfm, after, text_guidance, places))
    parts = (_stacked(each) for each in (queries, keys, averages, rows))
    return Attention(
        *(_stacked(each) for each in (spatial, classes, means)),
        Everywhere(*parts) if places else None,
    )


def walk_escf(
    model: ERRSeg,
    features: ImageFeatures,
    text: Tensor,
    tokens_of: Callable[[ImageFeatures, Tensor], Tensor] | None = None,
) -> Iterator[tuple[ESCFLayer, Tensor, Tensor]]:
    """Walk through ESCF as the network does, up to the last CFM, whose output is for GUD.

    Args:
        model: whose ESCF it is.
        features: of one photo, from `ERRSeg.encode_image`.
        text: L2-normalised text embeddings of the classes that ESCF sees (1, P, C).
        tokens_of: see `ERRSeg.decode`.

    Yields:
        each layer with the tokens that its SFM gets and those that its CFM gets, (1, P, h, w, C).
    """
    image_guidance, text_guidance = features.guidance.spatial, model.guide_classes(text)
    tokens = model.embed_classes(features, text)
    for layer in model.escf:
        if tokens_of and layer is model.escf[0]:
            fused = tokens_of(features, text)
        else:
            fused = layer.sfm(tokens, image_guidance)
        yield layer, tokens, fused
        if layer is not model.escf[-1]:
            tokens = layer.cfm(fused, text_guidance)


def class_queries_and_keys(
    cfm: CFM, tokens: Tensor, guidance: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Return what one CFM's attention is made of, for `attention_weights`.

    Args:
        cfm: whose attention it is.
        tokens: that it gets, (1, P, h, w, C), see `walk_escf`.
        guidance: of the same classes, from `ERRSeg.guide_classes`.

    Returns:
        queries and keys (h' w', P, C) on CSR's grid.
    """
    pixels, _ = cfm.pool(tokens)
    query, key = cfm.attention.project(cfm.norm1(pixels), guidance)
    return query[0], key[0]


def _spatial_rows(
    sfm: SFM, tokens: Tensor, guidance: Tensor | None, cell: tuple[int, int], places: list[int]
) -> tuple[Tensor, list[tuple[Tensor, Tensor, Tensor]]]:
    """Read one cell's rows of SFM's attention, and what all rows of some classes are made of.

    Returns:
        rows (P, heads, h', w'); and for each of the places queries (h, w, C), keys (h', w', C) and
        the mean of the weights (heads, h', w').
    """
    heads, shared = sfm.attention.heads, sfm.attention.guidance(guidance)
    rows, parts, start = [], {}, 0
    for group in class_groups(tokens):
        query, key = (x[0] for x in sfm.attention.project(sfm.norm1(group), shared))
        here = query[:, cell[0], cell[1], None]  # (P', 1, C)
        weights = attention_weights(here, key.flatten(1, 2), heads)
        rows.append(weights[:, :, 0].unflatten(-1, key.shape[1:3]))
        for place in {*places}.intersection(range(start, start + len(query))):
            q, k = query[place - start].float(), key[place - start].float()
            weights = attention_weights(q.flatten(0, 1)[None], k.flatten(0, 1)[None], heads)[0]
            parts[place] = q, k, weights.mean(dim=1).unflatten(-1, k.shape[:2])
        start += len(query)
    return torch.cat(rows), [parts[place] for place in places]


def _class_weights(cfm: CFM, tokens: Tensor, guidance: Tensor | None, places: list[int]) -> Tensor:
    """Read CFM's weights from some classes at every cell, (n, heads, h'', w'', P)."""
    query, key = class_queries_and_keys(cfm, tokens, guidance)
    grid = tuple(side // cfm.reduction for side in tokens.shape[2:4])
    weights = attention_weights(query[:, places], key, cfm.attention.heads)
    return weights.permute(2, 1, 0, 3).unflatten(2, grid)  # from (h'' w'', heads, n, P)


def _class_rows(
    cfm: CFM, tokens: Tensor, guidance: Tensor | None, cell: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Read CFM's attention at one cell, and its mean over all cells, (heads, P, P) each."""
    query, key = class_queries_and_keys(cfm, tokens, guidance)
    grid = tuple(side // cfm.reduction for side in tokens.shape[2:4])
    heads, (cells, classes) = cfm.attention.heads, query.shape[:2]
    row, column = (min(c // cfm.reduction, side - 1) for c, side in zip(cell, grid, strict=True))
    here = slice(row * grid[1] + column, row * grid[1] + column + 1)
    # (h' w', heads, P, P) for all cells at once would be gigabytes for some hundred classes.
    at_once = max(1, WEIGHTS_AT_ONCE // (heads * classes**2))
    parts = zip(query.split(at_once), key.split(at_once), strict=True)
    total = sum(attention_weights(q, k, heads).sum(dim=0) for q, k in parts)
    return attention_weights(query[here], key[here], heads)[0], total / cells


def attention_weights(query: Tensor, key: Tensor, heads: int) -> Tensor:
    """Softmax of scaled dot products: (N, tokens, C), (N, sources, C) -> (N, heads, ...)."""
    query, key = (x.float().unflatten(-1, (heads, -1)).transpose(1, 2) for x in (query, key))
    return (query @ key.transpose(2, 3) / query.shape[-1] ** 0.5).softmax(dim=-1)


def _stacked(layers: list[Tensor]) -> Tensor:
    return torch.stack(layers).cpu() if layers else torch.empty(0)
