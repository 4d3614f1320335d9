"""Tokens of the classes that a photo was decoded with before."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from errseg.cache import BoundedCache


class TokenMemory:
    """One photo's tokens after the first layer's SFM, by class.

    Until the first CFM compares the classes each goes its own way: what becomes of it depends on
    the photo and its own text embedding. So a new P, K or word needs the new classes only.

    Args:
        limit: bytes; those used longest ago are dropped.
    """

    def __init__(self, limit: int):
        self.limit = limit
        self._tokens = BoundedCache(limit)

    def complete(self, text: Tensor, compute: Callable[[Tensor], Tensor]) -> Tensor:
        """Return the classes' tokens, computing those that are not known.

        Args:
            text: text embeddings (P, C).
            compute: from text embeddings (N, C) to tokens (N, h, w, C).

        Returns:
            (P, h, w, C).
        """
        keys = [row.tobytes() for row in text.float().cpu().numpy()]
        tokens = [self._tokens.get(key) for key in keys]
        missing = [place for place, known in enumerate(tokens) if known is None]
        if missing:
            for place, computed in zip(missing, compute(text[missing]), strict=True):
                tokens[place] = computed.clone()  # a view would hold all the others
                self._tokens.put(keys[place], tokens[place], computed.nbytes)
        return torch.stack(tokens)

    @property
    def bytes(self) -> int:
        """What is kept now."""
        return self._tokens.bytes
