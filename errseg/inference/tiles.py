"""Where the tiles of a large photo lie, in which it is looked at closer. No torch."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from errseg.config import SMALLEST_INPUT, STRIDES, ModelConfig
from errseg.device import AUTOMATIC
from errseg.inference.photo import network_size
from errseg.inference.photo_files import shrunk_size
from errseg.options import MOST_TILES

OVERLAP = 0.25  # of a tile's side, with each of its neighbours
FINER = 2
"""Cells of the blended logits along a side, to one of the whole photo's at stride 4."""
LONGEST_COUNTED = 2048
"""Pixels of a side that "auto" counts: the page reads photos no larger, and chooses as Python and
the command line do."""
LEAST_TILED = 2_200_000
"""Pixels from which "auto" looks closer: above a screen of 1920 x 1080, below all photos of 8
megapixels in the shapes that cameras have."""
AUTO_TILES = 2
AUTO_SHARE = 0.62
"""Of the input's pixels, for each tile that "auto" chooses: 4 of them and the whole take at most 4
times as long as the whole alone."""

Span = tuple[int, int]


@dataclass(frozen=True)
class Tiles:
    """The tiles along each side of a photo, and what the network sees of each.

    Spans are in cells of the grid on which the tiles' logits are blended.
    """

    rows: tuple[Span, ...]
    columns: tuple[Span, ...]
    grid: tuple[int, int]  # H, W in cells
    size: tuple[int, int]  # H, W of the network's input for a tile

    def places(self) -> Iterator[tuple[Span, Span]]:
        """List the tiles' rows and columns, line by line."""
        return ((rows, columns) for rows in self.rows for columns in self.columns)

    def boxes(self, photo: tuple[int, int]) -> Iterator[tuple[slice, slice]]:
        """List what the tiles cut from a photo (H, W), in the order of `places`."""
        for spans in self.places():
            yield tuple(
                slice(round(start * side / cells), round(stop * side / cells))
                for (start, stop), side, cells in zip(spans, photo, self.grid, strict=True)
            )


def said_of(count: int) -> str:
    """Say that a photo was looked at closer, in so many tiles along each side."""
    closer = (
        f"The photo was looked at closer, in {count} x {count} tiles beside the whole; attention "
        "and cost maps are the whole photo's."
    )
    if count == MOST_TILES:
        return closer
    return (
        f"{closer} Things smaller than a tenth of its width may be missed; {MOST_TILES} x "
        f"{MOST_TILES} tiles look closer still."
    )


def chosen_tiles(
    photo: tuple[int, int],
    config: ModelConfig,
    tiles: int | str = AUTOMATIC,
    input_size: int | None = None,
) -> Tiles | None:
    """Lay out the tiles of a photo (H, W).

    Args:
        photo: its size.
        config: the model's.
        tiles: along each side, or "auto"; checked.
        input_size: as for `network_size`.

    Returns:
        the tiles, or None where the whole photo is all that is looked at.

    Raises:
        InputError: the input size is out of range.
    """
    whole = network_size(photo, config, input_size)
    side = config.input_size if input_size is None else input_size
    count = tiles
    if tiles == AUTOMATIC:
        side = math.isqrt(round(AUTO_SHARE * side**2))
        counted = math.prod(shrunk_size(photo[::-1], LONGEST_COUNTED))
        count = AUTO_TILES if counted >= LEAST_TILED and side >= SMALLEST_INPUT else 1
    if count == 1:
        return None
    grid = tuple(FINER * length // STRIDES[0] for length in whole)
    rows, columns = (_spans(cells, count) for cells in grid)
    height, width = (
        (spans[0][1] - spans[0][0]) / cells * length
        for spans, cells, length in zip((rows, columns), grid, photo, strict=True)
    )
    return Tiles(rows, columns, grid, network_size((height, width), config, side))


def _spans(cells: int, count: int) -> tuple[Span, ...]:
    """Part a side into tiles of one length that share `OVERLAP` of it with their neighbours."""
    length = round(cells / (count - (count - 1) * OVERLAP))
    starts = (round(place * (cells - length) / (count - 1)) for place in range(count))
    return tuple((start, start + length) for start in starts)
