"""What SFM and CFM attend to: the network's own maps, from the pass that makes the masks.

Nothing is approximated and nothing is kept unless asked for: a `Recorder` handed to
`ERRSeg.decode` takes the queries and keys that the layers compute anyway and turns the rows of
one pixel into attention maps.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Attention:
    """Attention of one photo, kept classes in ascending index; every row sums to one."""

    spatial: Tensor  # (layers, P, heads, h, w): from the query pixel to SFM's reduced grid
    classes: Tensor  # (layers, heads, P, P): at the query's cell, from each class to each class
    classes_mean: Tensor  # (layers, heads, P, P): the mean of the same over all cells

    def share_on(self, present: Tensor) -> float:
        """Measure the share of class attention that goes to some of the classes.

        The left side of the paper's Proposition 1, which says that the share on the classes
        really present can only grow when redundant ones are removed: the mean over layers,
        heads, cells and the present classes' rows.

        Args:
            present: (P,) bool.

        Returns:
            A share in [0, 1]; NaN if no class is present.
        """
        rows = self.classes_mean[:, :, present]
        return rows[..., present].sum(dim=-1).mean().item()


class Recorder:
    """Collects attention of the first photo of a batch while `ERRSeg.decode` runs.

    Args:
        row: the query pixel's row on the stride-16 grid.
        column: its column.
    """

    def __init__(self, row: int, column: int):
        self.row, self.column = row, column
        self._spatial: list[list[Tensor]] = []
        self._classes: list[Tensor] = []
        self._means: list[Tensor] = []

    def start_layer(self) -> None:
        """Begin a layer of ESCF."""
        self._spatial.append([])

    def record_spatial(self, query: Tensor, key: Tensor, heads: int, grid: tuple[int, int]) -> None:
        """Take a group of classes' SFM attention.

        Args:
            query: (P', h16, w16, C).
            key: (P', sources, C).
            heads: number of heads that part C.
            grid: h, w of the sources.
        """
        weights = attention_weights(query[:, self.row, self.column, None], key, heads)
        self._spatial[-1].append(weights[:, :, 0].unflatten(-1, grid))  # (P', heads, h, w)

    def record_classes(
        self, query: Tensor, key: Tensor, heads: int, grid: tuple[int, int], reduction: int
    ) -> None:
        """Take CFM's attention.

        Args:
            query: (h w, P, C) of the reduced grid.
            key: the same shape.
            heads: number of heads that part C.
            grid: h, w of the reduced grid.
            reduction: CSR's factor.
        """
        weights = attention_weights(query, key, heads)  # (h w, heads, P, P)
        row = min(self.row // reduction, grid[0] - 1)
        column = min(self.column // reduction, grid[1] - 1)
        self._classes.append(weights[row * grid[1] + column])
        self._means.append(weights.mean(dim=0))

    def attention(self) -> Attention:
        """Return what was collected, on the CPU; an axis is empty where a module is off."""
        spatial = [torch.cat(groups) for groups in self._spatial if groups]
        return Attention(*(_stacked(x) for x in (spatial, self._classes, self._means)))


def attention_weights(query: Tensor, key: Tensor, heads: int) -> Tensor:
    """Softmax of scaled dot products: (N, tokens, C), (N, sources, C) -> (N, heads, ...)."""
    query, key = (x.float().unflatten(-1, (heads, -1)).transpose(1, 2) for x in (query, key))
    return (query @ key.transpose(2, 3) / query.shape[-1] ** 0.5).softmax(dim=-1)


def _stacked(layers: list[Tensor]) -> Tensor:
    return torch.stack(layers).cpu() if layers else torch.empty(0)
