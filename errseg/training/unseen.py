"""Names that training sees, met as if it had never seen them.

What no training labelled is less alike to its pixels' embeddings than what some did. A decoder that
only ever meets names whose pixels were drawn to them learns to distrust all others. Noise on text
embeddings is CapDec's (Nukrai et al. 2022, arXiv 2211.00575).
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

LIKENESS = (0.4, 0.8)
"""Range of the cosine of an embedding with noise to its own. Held-out animals have cosines of 0.27
to 0.53 to their own pixels, seen ones of 0.5 to 0.7 (errseg-lite 6, validation photos)."""


def as_if_unseen(text: Tensor, share: float, rng: np.random.Generator) -> Tensor:
    """Turn some of the L2-normalised text embeddings (T, C) each towards a direction of its own.

    A class drawn so, with the probability ``share``, is less like its own pixels and hardly more
    like any others; the rest of the embeddings are as they were.
    """
    count, width = text.shape
    drawn = torch.from_numpy(rng.random(count) < share).to(text.device)
    cosine = torch.from_numpy(rng.uniform(*LIKENESS, (count, 1))).to(text)
    noise = torch.from_numpy(rng.standard_normal((count, width))).to(text)
    away = F.normalize(noise - (noise * text).sum(dim=1, keepdim=True) * text, dim=1)
    turned = cosine * text + (1 - cosine.square()).sqrt() * away
    return torch.where(drawn[:, None], turned, text)
