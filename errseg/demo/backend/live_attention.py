"""What a browser computes attention from: some classes' queries and keys, in about a byte a value.

SFM's weights from cell y to cell x are the softmax over x of q(y) · k(x) / sqrt(C). That stays the
same if a vector is added to all keys, and if queries are multiplied by a matrix and keys by its
inverse. So each head's keys are centred, and both are turned to where their channels are the
products' own, largest first: rounded to one step everywhere, the first channels get most of the
bits, the last few almost none, and a PNG has the rest of the saving. ``attention_maths.js`` is the
other end.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from errseg.demo.backend.packing import packed, tiled

if TYPE_CHECKING:  # torch takes seconds to import
    from errseg.network.attention import Everywhere

STEP = 0.0018
"""Of a rounded channel, where a query times a key is the softmax's exponent: no weight of the
examples is then farther from the network's than 1 % of its row's largest."""
MIDDLE = 128 * 256 + 128
"""Code of zero in two bytes: small values of either sign differ in the low byte only."""
ONE_ANSWER = 1_200_000
"""Characters of the classes in one answer; with all else of attention it stays under 1.5 MB."""
AT_FIRST = 2 * ONE_ANSWER
"""Characters of the classes that come behind a result without being asked for."""
CHARACTERS = 1.45  # of a number that was rounded to `STEP`, as it is sent
ROOT_LEVELS = 255  # of the root of a CFM weight's share of its row's largest: within 0.4 % of that


def live_class(index: int, of: Everywhere, place: int, without_crm: Everywhere | None) -> dict:
    """Describe for the browser what one class attends to from every pixel.

    Args:
        index: of the class in the vocabulary.
        of: what some kept classes attend to.
        place: of the class among them.
        without_crm: the same with P = T, if that was asked for.
    """
    told = {"index": index, "spatial": None, "classes": None, "without": None}
    if len(of.query):
        heads = of.average.shape[2]
        told["spatial"] = _spatial_parts(of, place, heads)
        if without_crm and len(of.query) > 1:  # the first SFM sees no other class: it is the same
            told["without"] = _spatial_parts(without_crm, place, heads, first=1)
    if len(of.classes):
        told["classes"] = _class_rows(of, place)
    return told


def in_answers(live: Sequence[dict], most: float) -> list[list[dict]]:
    """Part classes' descriptions into answers of at most some characters, a class at the least."""
    parts, room = [], 0.0
    for told in live:
        length = len(json.dumps(told))
        if length > room:
            parts.append([])
            room = most
        parts[-1].append(told)
        room -= length
    return parts


def _spatial_parts(everywhere: Everywhere, place: int, heads: int, first: int = 0) -> dict:
    """Describe SFM's queries and keys of one class, without the layers before the first."""
    query, key = (
        values[first:, place].numpy().astype(np.float64)  # (layers, h, w, C)
        for values in (everywhere.query, everywhere.key)
    )
    layers, channels = len(query), query.shape[-1] // heads
    turned = [
        _turned(q[:, head], k[:, head])
        for q, k in zip(
            *(v.reshape(layers, -1, heads, channels) for v in (query, key)), strict=True
        )
        for head in range(heads)
    ]
    queries, keys = (np.stack(parts) for parts in zip(*turned, strict=True))
    return {
        "layers": layers,
        "heads": heads,
        "first": first,
        "step": STEP,
        "query": _codes(queries, query.shape[1:3]),
        "key": _codes(keys, key.shape[1:3]),
        "average": packed(everywhere.average[first:, place].numpy()),
    }


def _class_rows(everywhere: Everywhere, place: int) -> dict:
    """Describe CFM's attention of one class: a tile a layer, head and kept class."""
    weights = everywhere.classes[:, place].numpy()  # (layers, heads, h'', w'', P)
    shares = weights / weights.max(axis=-1, keepdims=True)
    codes = np.moveaxis((np.sqrt(shares) * ROOT_LEVELS).round().astype(np.uint8), -1, 2)
    tiles = codes.reshape(-1, *codes.shape[-2:])
    return {"count": len(tiles), **tiled(tiles)}


def _turned(query: np.ndarray, key: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Turn one head's queries (n, C) and keys (m, C) to their products' own min(n, m, C) channels.

    Both come back so scaled that a product is the softmax's exponent, up to what is the same for
    all keys, and that rounding either to one step costs the exponents as much.
    """
    key = key - key.mean(axis=0)
    q_rest, k_rest = (np.linalg.qr(values, "r") for values in (query, key))
    # A small grid has fewer cells than a head has channels, and then fewer channels are enough.
    left, sizes, right = np.linalg.svd(
        q_rest @ k_rest.T / math.sqrt(query.shape[1]), full_matrices=False
    )
    # query = Q q_rest and key = K k_rest with orthonormal columns Q and K, so the exponents are
    # Q left diag(sizes) right K'.
    roots = np.sqrt(sizes)
    queries = query @ (np.linalg.pinv(q_rest) @ left * roots)
    keys = key @ (np.linalg.pinv(k_rest) @ right.T * roots)
    return queries, keys


def _codes(values: np.ndarray, grid: tuple[int, int]) -> dict:
    """Round values (parts, cells, C) to steps, as tiles of low bytes and then of high ones."""
    codes = (values / STEP).round().astype(np.int32) + MIDDLE
    planes = np.moveaxis(codes, -1, 1).reshape(-1, *grid)
    tiles = np.concatenate([planes & 0xFF, planes >> 8]).astype(np.uint8)
    return {"channels": values.shape[-1], **tiled(tiles)}
