"""What the browser and programs make of packed arrays."""

import base64

import numpy as np


def unpack_runs(packed: dict) -> np.ndarray:
    """Unpack `packing.runs` as its docstring says."""
    labels, lengths = np.frombuffer(base64.b64decode(packed["runs"]), "<u2").reshape(-1, 2).T
    width, height = packed["size"]
    return np.repeat(labels.astype(int), lengths).reshape(height, width)


def unpack(packed: dict) -> np.ndarray:
    """Unpack `view.packed` as its docstring says."""
    words = np.frombuffer(base64.b64decode(packed["data"]), "<u2").reshape(packed["shape"])
    least, most = packed["range"]
    return least + words / 65535 * (most - least)
