"""Contact sheets: many photos with their masks on one page, to look at what a model does."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps

from errseg.inference.result import Result
from errseg.pictures.captions import labelled_overlay
from errseg.pictures.export import legend, result_colors
from errseg.pictures.overlay import resize_labels

if TYPE_CHECKING:  # torch takes seconds to import, and nothing here computes with it
    from errseg.inference.predictor import Predictor
    from errseg.words.vocabulary import Vocabulary

TILE = (360, 270)  # largest width and height of one picture on the sheet, in pixels
GAP = 8
PAPER = "white"
QUALITY = 88  # of a JPEG: no visible loss


def contact_sheet(
    predictor: Predictor,
    photos: Iterable[tuple[np.ndarray, str | Sequence[str] | Vocabulary]],
    columns: int = 2,
    **settings,
) -> Image.Image:
    """Segment photos (H, W, 3) with the words for each, and lay them out beside their masks.

    ``columns`` pairs of photo and masks stand side by side; the settings are the predictor's.

    Raises:
        InputError: a photo, its words or a setting can't be used.
    """
    results = ((photo, predictor(photo, classes, **settings)) for photo, classes in photos)
    return lay_out([sheet_pair(photo, result) for photo, result in results], columns)


def sheet_pair(photo: np.ndarray, result: Result) -> tuple[Image.Image, Image.Image]:
    """Draw a photo (H, W, 3) and its masks, both as large as a tile of a sheet holds."""
    small = np.array(ImageOps.contain(Image.fromarray(photo), TILE))
    # Labels are drawn at the tile's size, so that names and outlines stay readable.
    labels = resize_labels(result.labels, small.shape[1::-1])
    entries = legend(result, result_colors(result))
    shown = [entry for entry in entries if (labels == entry.index).any()]
    masks = labelled_overlay(small, labels, shown, legend_below=False)
    return Image.fromarray(small), masks


def lay_out(pairs: Sequence[tuple[Image.Image, Image.Image]], columns: int = 2) -> Image.Image:
    """Lay pairs from `sheet_pair` out on one page, ``columns`` side by side."""
    rows = -(-len(pairs) // columns)
    size = (columns * 2 * (TILE[0] + GAP) + GAP, rows * (TILE[1] + GAP) + GAP)
    sheet = Image.new("RGB", size, PAPER)
    for place, picture in enumerate(itertools.chain(*pairs)):
        row, column = divmod(place, 2 * columns)
        # Photo and masks touch in the middle, whatever their aspect.
        tile = ImageOps.pad(picture, TILE, color=PAPER, centering=(1 - column % 2, 0.5))
        sheet.paste(tile, (GAP + column * (TILE[0] + GAP), GAP + row * (TILE[1] + GAP)))
    return sheet
