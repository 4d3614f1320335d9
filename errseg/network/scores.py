"""Logits -> scores that mean something.

A class's score is a sigmoid of its logit, as published. A calibrated model's logit is first scaled,
shifted and, for the share ``competition``, lowered by what the other kept classes claim of the
pixel: at 1 the scores are a softmax over the kept classes and "none of these".
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def calibrate_logits(logits: Tensor, scale: float, bias: float, competition: float) -> Tensor:
    """Calibrate logits; which class wins a pixel stays as it was.

    Args:
        logits: (B, P, ...), classes in the second dimension.
        scale: above 0.
        bias: added to the scaled logits; the logit of "none of these" is 0.
        competition: in [0, 1].

    Returns:
        the same shape; the sigmoid of the winner is how often it is right, see `calibration`.
    """
    logits = scale * logits + bias
    if not competition:
        return logits
    # log(1 + sum of exp over the others) = softplus(logsumexp over all) + log(1 - own share)
    total = F.softplus(logits.logsumexp(dim=1, keepdim=True))
    own = (logits - total).exp().clamp(max=1 - torch.finfo(logits.dtype).eps)
    return logits - competition * (total + torch.log1p(-own)).clamp(min=0)
