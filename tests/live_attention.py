"""What a browser makes of queries and keys that were sent, written out in numpy."""

import base64
import io

import numpy as np
from packed_arrays import unpack
from PIL import Image

MIDDLE = 128 * 256 + 128


def tiles(sent, count):
    """Unpack tiles (count, h, w) of bytes."""
    content = base64.b64decode(sent["picture"].split(",")[1])
    picture = np.asarray(Image.open(io.BytesIO(content))).astype(int)
    (height, width), columns = sent["grid"], sent["columns"]
    rows = picture.shape[0] // height
    parted = picture.reshape(rows, height, columns, width).swapaxes(1, 2)
    return parted.reshape(-1, height, width)[:count]


def vectors(sent, parts):
    """Unpack queries or keys (layers, heads, cells, channels) of parts = (layers, heads)."""
    count = parts["layers"] * parts["heads"] * sent["channels"]
    low, high = np.split(tiles(sent, 2 * count), 2)
    values = (low + 256 * high - MIDDLE) * parts["step"]
    shape = (parts["layers"], parts["heads"], sent["channels"], -1)
    return values.reshape(shape).swapaxes(2, 3)


def softmax(values):
    """Over the last axis."""
    weights = np.exp(values - values.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


def spatial_rows(parts):
    """SFM's weights of one class that was sent, (layers, heads, query cells, key cells)."""
    query, key = (vectors(parts[name], parts) for name in ("query", "key"))
    return softmax(query @ key.swapaxes(2, 3))


def class_rows(sent, layers, heads, kept):
    """CFM's weights of one class that was sent, (layers, heads, cells, P)."""
    squares = (tiles(sent, sent["count"]) / 255.0) ** 2
    rows = np.moveaxis(squares.reshape(layers, heads, kept, -1), 2, 3)
    return rows / rows.sum(axis=-1, keepdims=True)


def average_rows(parts):
    """The mean of SFM's weights over query cells, (layers, heads, h', w')."""
    return unpack(parts["average"])
