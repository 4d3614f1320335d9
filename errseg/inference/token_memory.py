"""Tokens of the classes that a photo was decoded with before."""

from collections.abc import Callable
from typing import Self

import torch
from torch import Tensor

from errseg.inference.caches import BoundedCache
from errseg.network.model import ERRSeg, ImageFeatures

KNOWN_CLASSES = 64
"""Classes of which a photo remembers tokens: P = 32 and as many that were kept before."""


class TokenMemory:
    """One photo's tokens after the first layer's SFM, by class; `ERRSeg.decode` takes it.

    Until the first CFM compares the classes each goes its own way: what becomes of it depends on
    the photo and its own text embedding. So a new P, K or word needs the new classes only.

    Args:
        compute: `ERRSeg.class_tokens`.
        limit: bytes; those used longest ago are dropped.
    """

    def __init__(self, compute: Callable[[ImageFeatures, Tensor], Tensor], limit: int):
        self.limit = limit
        self._compute = compute
        self._tokens = BoundedCache(limit)

    @classmethod
    def of_photo(cls, model: ERRSeg, features: ImageFeatures) -> Self:
        """Make a photo's memory, which holds `KNOWN_CLASSES` classes at most."""
        cells = features.dense16.shape[-2:].numel()
        width, itemsize = model.config.head.width, model.dtype.itemsize
        return cls(model.class_tokens, KNOWN_CLASSES * cells * width * itemsize)

    def __call__(self, features: ImageFeatures, text: Tensor) -> Tensor:
        """Return some classes' tokens (1, P, h, w, C), computing those that are not known.

        The features are the photo's, always the same; the text embeddings are (1, P, C).
        """
        keys = [row.tobytes() for row in text[0].float().cpu().numpy()]
        tokens = [self._tokens.get(key) for key in keys]
        missing = [place for place, known in enumerate(tokens) if known is None]
        if missing:
            computed = self._compute(features, text[:, missing])
            for place, one in zip(missing, computed[0], strict=True):
                tokens[place] = one.clone()  # a view would hold all the others
                self._tokens.put(keys[place], tokens[place], one.nbytes)
            if len(missing) == len(keys):
                return computed
        return torch.stack(tokens)[None]

    @property
    def bytes(self) -> int:
        """What is kept now."""
        return self._tokens.bytes
