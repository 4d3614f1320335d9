"""Arrays and pictures as text that a browser unpacks; ``shared.js`` and its fellows do."""

import base64
import io
import math
import zlib

import numpy as np
from PIL import Image

LONGEST_RUN = 65_535  # pixels, of 16 bits
QUICK = {"compress_level": 1, "compress_type": zlib.Z_RLE}
"""How zlib packs PNG: a map's filtered rows are noise and runs, so to look for more than runs takes
three times as long, and at level 3 a quarter more room."""


def packed(values: np.ndarray) -> dict:
    """Pack an array as 16-bit integers in base64: ``least + integer / 65535 * (most - least)``.

    Whole numbers that fit keep their exact values.
    """
    whole = np.issubdtype(values.dtype, np.integer)
    least, most = 0.0, 65535.0
    if not whole and values.size:  # an ablated module's attention is empty
        least, most = float(values.min()), float(values.max())
    scaled = values if whole else (values - least) * (65535 / ((most - least) or 1))
    packed = np.asarray(scaled).round().astype("<u2").tobytes()
    return {
        "shape": list(values.shape),
        "range": [least, most],
        "data": base64.b64encode(packed).decode(),
    }


def runs(labels: np.ndarray) -> dict:
    """Pack labels (H, W), whole numbers below 65,536, as runs of equal ones along the rows.

    A browser lays them out in a millisecond or two, where a picture would have to be decoded while
    other things go on. A run that is longer than 65,535 pixels is told as several.

    Returns:
        ``size`` [W, H], and ``runs``: in base64 pairs of 16-bit integers, label and length.
    """
    flat = np.ascontiguousarray(labels, np.uint16).ravel()
    starts = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    starts = np.union1d(starts, np.arange(0, flat.size, LONGEST_RUN))
    pairs = np.stack([flat[starts], np.diff(starts, append=flat.size)], axis=1).astype("<u2")
    height, width = labels.shape
    return {"size": [width, height], "runs": base64.b64encode(pairs.tobytes()).decode()}


def tiled(tiles: np.ndarray) -> dict:
    """Put tiles (n, h, w) uint8 side by side into one grey picture, about as wide as high."""
    count, height, width = tiles.shape
    columns = math.ceil(math.sqrt(count * height / width))
    rows = math.ceil(count / columns)
    filled = np.zeros((rows * columns, height, width), np.uint8)
    filled[:count] = tiles
    picture = filled.reshape(rows, columns, height, width).transpose(0, 2, 1, 3)
    picture = Image.fromarray(picture.reshape(rows * height, columns * width))
    uri = as_uri(picture, "PNG", **QUICK)
    return {"picture": uri, "grid": [height, width], "columns": columns}


def as_uri(picture: Image.Image, kind: str, **settings: object) -> str:
    """A picture as a data URI; nothing of the photo's file is in it, so no EXIF either."""
    file = io.BytesIO()
    picture.save(file, kind, **settings)
    encoded = base64.b64encode(file.getvalue()).decode()
    return f"data:image/{kind.lower()};base64,{encoded}"
