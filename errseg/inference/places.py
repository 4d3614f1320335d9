"""The file of typical places beside the weights: small, and for these weights only.

Embeddings of places lie near few directions of the space: the file holds so many, and each place's
share of each, in 8 bits with a scale per row.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from errseg.checkpoints.quantized import dequantize, quantize
from errseg.checkpoints.sealed import WEIGHTS_KEY, read_sealed, write_sealed
from errseg.network.model import ERRSeg

DIRECTIONS = 96  # of 384: with 64 of them camvid loses half a point of mIoU, with 48 animals do
SHARES_KEY, DIRECTIONS_KEY = "shares", "directions"  # the tensors' names: (N, R) and (R, C)
NAMES_KEY = "names"


def read_places(path: Path, model: ERRSeg) -> Tensor | None:
    """Read embeddings (N, C), L2-normalised, as `write_places` wrote them; None for other weights.

    Raises:
        InputError: the file can't be read, or was changed after it was written.
    """
    found = read_sealed(path, _origin(model), "priors")
    if found is None:
        return None
    tensors = dequantize(found[0])
    places = tensors[SHARES_KEY] @ tensors[DIRECTIONS_KEY]
    return F.normalize(places, dim=1).to(model.device)


def write_places(path: Path, model: ERRSeg, places: Tensor, names: Mapping[str, int]) -> None:
    """Write embeddings (N, C) of a model, and how many of them each name has."""
    left, lengths, directions = torch.linalg.svd(places.cpu(), full_matrices=False)
    tensors = {
        **quantize(SHARES_KEY, (left * lengths)[:, :DIRECTIONS]),
        **quantize(DIRECTIONS_KEY, directions[:DIRECTIONS]),
    }
    write_sealed(path, tensors, {**_origin(model), NAMES_KEY: json.dumps(dict(names))})


def _origin(model: ERRSeg) -> dict[str, str]:
    return {WEIGHTS_KEY: model.weights_hash}
