"""What the browser and programs make of packed arrays."""

import base64

import numpy as np


def unpack(packed: dict) -> np.ndarray:
    """Unpack `view.packed` as its docstring says."""
    words = np.frombuffer(base64.b64decode(packed["data"]), "<u2").reshape(packed["shape"])
    least, most = packed["range"]
    return least + words / 65535 * (most - least)
