"""Where the tiles of a photo lie, in which it is looked at closer. No torch."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from errseg.config import SMALLEST_INPUT, STRIDES, ModelConfig
from errseg.device import AUTOMATIC
from errseg.errors import InputError
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
TIMES_CLOSER = 3.0
"""Than the whole look is the one at a place, at least, where the photo has pixels for it; else the
network sees each of the photo's pixels as one of its own."""
MOST_ENLARGED = 2.0  # of the network's pixels, along a side, for one of the photo's around a place
LEAST_CLOSER = 1.25  # times closer than the whole look, below which nothing new is seen

SEEN_WHOLLY = (
    "A closer look at that place would show no more: the network saw the whole photo about as "
    "closely as its pixels allow."
)

Span = tuple[int, int]


@dataclass(frozen=True)
class Tiles:
    """The tiles along each side of a photo, or the one around a place, and what is seen of each.

    Spans are in cells of the grid on which the tiles' logits are blended.
    """

    rows: tuple[Span, ...]
    columns: tuple[Span, ...]
    grid: tuple[int, int]  # H, W in cells
    size: tuple[int, int]  # H, W of the network's input for a tile

    @property
    def is_one(self) -> bool:
        """Whether there is one tile, around a place, and not one for each part of the photo."""
        return len(self.rows) == len(self.columns) == 1

    @property
    def shares(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of the first tile, in parts of the photo."""
        (top, bottom), (left, right) = next(self.places())
        height, width = self.grid
        return left / width, top / height, right / width, bottom / height

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


def said_of(count: int, closer_at: tuple[float, float] | None = None) -> str:
    """Say that a photo was looked at closer, in so many tiles along each side or at a place."""
    if closer_at:
        x, y = closer_at
        return (
            f"The photo was looked at closer around the place {100 * x:.0f} % from its left and "
            f"{100 * y:.0f} % from its top; elsewhere, and for attention and cost maps, the look "
            "at the whole counts alone."
        )
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
    closer_at: tuple[float, float] | None = None,
) -> Tiles | None:
    """Lay out the tiles of a photo (H, W), or the one around a place.

    Args:
        photo: its size.
        config: the model's.
        tiles: along each side, or "auto"; checked.
        input_size: as for `network_size`.
        closer_at: x, y of the place in parts of the photo, if there is to be one tile around it.

    Returns:
        the tiles, or None where the whole photo is all that is looked at.

    Raises:
        InputError: the input size is out of range, or both tiles and a place were chosen.
    """
    if closer_at:
        if tiles not in (AUTOMATIC, 1):
            raise InputError(
                f"Look closer at one place or everywhere, in {tiles} x {tiles} tiles: leave out "
                "one of both."
            )
        return _tile_at(closer_at, photo, config, input_size)
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


def _tile_at(
    place: tuple[float, float],
    photo: tuple[int, int],
    config: ModelConfig,
    input_size: int | None,
) -> Tiles | None:
    """Lay out one tile of the network's own size around a place (x, y) of a photo (H, W).

    It lies inside the photo. Where the network has seen the photo's pixels as a whole, or nearly,
    there is none.
    """
    whole = network_size(photo, config, input_size)
    side = config.input_size if input_size is None else input_size
    counted = shrunk_size(photo[::-1], LONGEST_COUNTED)[::-1]
    seen = math.sqrt(math.prod(whole) / math.prod(counted))  # network's pixels to one of the photo
    enlarged = min(max(1.0, TIMES_CLOSER * seen), MOST_ENLARGED)
    if enlarged < LEAST_CLOSER * seen:
        return None
    lengths = [min(side / enlarged, length) for length in counted]
    grid = tuple(FINER * length // STRIDES[0] for length in whole)
    spans = (
        _span_around(centre, max(1, round(length / pixels * cells)), cells)
        for centre, length, pixels, cells in zip(place[::-1], lengths, counted, grid, strict=True)
    )
    rows, columns = ((span,) for span in spans)
    return Tiles(rows, columns, grid, network_size(tuple(lengths), config, side))


def _span_around(centre: float, length: int, cells: int) -> Span:
    """Place a span of a length around a centre, in parts of the cells of a side, inside of it."""
    start = min(max(round(centre * cells - length / 2), 0), cells - length)
    return start, start + length


def _spans(cells: int, count: int) -> tuple[Span, ...]:
    """Part a side into tiles of one length that share `OVERLAP` of it with their neighbours."""
    length = round(cells / (count - (count - 1) * OVERLAP))
    starts = (round(place * (cells - length) / (count - 1)) for place in range(count))
    return tuple((start, start + length) for start in starts)
