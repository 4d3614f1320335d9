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

from errseg.checkpoints.sealed import read_sealed, write_sealed
from errseg.network.model import ERRSeg

DIRECTIONS = 96  # of 384: with 64 of them camvid loses half a point of mIoU, with 48 animals do
SHARES_KEY, DIRECTIONS_KEY = "shares", "directions"  # the tensors' names: (N, R) and (R, C)
SCALE_SUFFIX = ".row_scale"
WEIGHTS_KEY, NAMES_KEY = "weights", "names"
REMEDY = "get it again with: git checkout -- assets, or write it anew with: python -m errseg priors"
_LEVELS = 127  # of 8 bits, each side of zero


def read_places(path: Path, model: ERRSeg) -> Tensor | None:
    """Read embeddings (N, C), L2-normalised, as `write_places` wrote them; None for other weights.

    Raises:
        InputError: the file can't be read, or was changed after it was written.
    """
    tensors, metadata = read_sealed(path, REMEDY)
    if metadata.get(WEIGHTS_KEY) != model.weights_hash:
        return None
    shares, directions = (
        tensors[key].float() * tensors[key + SCALE_SUFFIX] for key in (SHARES_KEY, DIRECTIONS_KEY)
    )
    return F.normalize(shares @ directions, dim=1).to(model.device)


def write_places(path: Path, model: ERRSeg, places: Tensor, names: Mapping[str, int]) -> None:
    """Write embeddings (N, C) of a model, and how many of them each name has."""
    left, lengths, directions = torch.linalg.svd(places.cpu(), full_matrices=False)
    parts = {
        SHARES_KEY: (left * lengths)[:, :DIRECTIONS],
        DIRECTIONS_KEY: directions[:DIRECTIONS],
    }
    tensors = {}
    for key, rows in parts.items():
        scale = rows.abs().amax(dim=1, keepdim=True) / _LEVELS
        tensors[key] = (rows / scale).round().to(torch.int8)
        tensors[key + SCALE_SUFFIX] = scale
    metadata = {WEIGHTS_KEY: model.weights_hash, NAMES_KEY: json.dumps(dict(names))}
    write_sealed(path, tensors, metadata)
