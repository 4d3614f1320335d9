"""What SFM and CFM attend to: the network's own maps, nothing approximated.

The forward pass keeps no attention. `attend_from` walks through ESCF once more, from what each
class does alone to the last CFM, without CRM and GUD, and reads off every module's queries and
keys what one pixel looks at.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from errseg.network.escf import CFM, SFM
from errseg.network.layers import WEIGHTS_AT_ONCE, class_groups
from errseg.network.model import ERRSeg, ImageFeatures


@dataclass(frozen=True)
class Attention:
    """Attention of one photo, kept classes in ascending index; every row sums to one."""

    spatial: Tensor  # (layers, P, heads, h, w): from the query pixel to SFM's reduced grid
    classes: Tensor  # (layers, heads, P, P): at the query's cell, from each class to each class
    classes_mean: Tensor  # (layers, heads, P, P): the mean of the same over all cells

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
) -> Attention:
    """Read what ESCF attends to from one cell (row, column) of a photo's stride-16 grid.

    Args:
        model: whose ESCF it is.
        features: of one photo, from `ERRSeg.encode_image`.
        text: L2-normalised text embeddings of the classes that ESCF sees (1, P, C): those that
            CRM keeps, or all of them to see what CRM changes.
        cell: of the query.
        tokens_of: see `ERRSeg.decode`.

    Returns:
        attention on the CPU; an axis is empty where a module is off.
    """
    image_guidance, text_guidance = features.guidance.spatial, model.guide_classes(text)
    spatial, classes, means = [], [], []
    tokens = model.embed_classes(features, text)
    for layer in model.escf:
        if isinstance(layer.sfm, SFM):
            spatial.append(_spatial_rows(layer.sfm, tokens, image_guidance, cell))
        if layer is model.escf[0]:
            tokens = (tokens_of or model.class_tokens)(features, text)
        else:
            tokens = layer.sfm(tokens, image_guidance)
        if isinstance(layer.cfm, CFM):
            here, mean = _class_rows(layer.cfm, tokens, text_guidance, cell)
            classes.append(here)
            means.append(mean)
        if layer is not model.escf[-1]:  # what the last CFM gives is for GUD
            tokens = layer.cfm(tokens, text_guidance)
    return Attention(*(_stacked(rows) for rows in (spatial, classes, means)))


def class_queries_and_keys(
    model: ERRSeg, features: ImageFeatures, text: Tensor
) -> Iterator[tuple[Tensor, Tensor]]:
    """Walk through ESCF and give what each CFM's attention is made of, layer by layer.

    Args:
        model: whose ESCF it is, with CFM.
        features: of one photo, from `ERRSeg.encode_image`.
        text: L2-normalised text embeddings of the classes that ESCF sees (1, P, C).

    Yields:
        queries and keys (h' w', P, C) on CSR's grid, for `attention_weights`.
    """
    image_guidance, text_guidance = features.guidance.spatial, model.guide_classes(text)
    tokens = model.embed_classes(features, text)
    for layer in model.escf:
        tokens = layer.sfm(tokens, image_guidance)
        pixels, _ = layer.cfm.pool(tokens)
        query, key = layer.cfm.attention.project(layer.cfm.norm1(pixels), text_guidance)
        yield query[0], key[0]
        if layer is not model.escf[-1]:
            tokens = layer.cfm(tokens, text_guidance)


def _spatial_rows(
    sfm: SFM, tokens: Tensor, guidance: Tensor | None, cell: tuple[int, int]
) -> Tensor:
    """Read one cell's rows of SFM's attention, (P, heads, h', w')."""
    shared, rows = sfm.attention.guidance(guidance), []
    for group in class_groups(tokens):
        query, key = (x[0] for x in sfm.attention.project(sfm.norm1(group), shared))
        here = query[:, cell[0], cell[1], None]  # (P', 1, C)
        weights = attention_weights(here, key.flatten(1, 2), sfm.attention.heads)
        rows.append(weights[:, :, 0].unflatten(-1, key.shape[1:3]))
    return torch.cat(rows)


def _class_rows(
    cfm: CFM, tokens: Tensor, guidance: Tensor | None, cell: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Read CFM's attention at one cell, and its mean over all cells, (heads, P, P) each."""
    pixels, grid = cfm.pool(tokens)
    query, key = (x[0] for x in cfm.attention.project(cfm.norm1(pixels), guidance))
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
