"""Logits -> scores that mean something.

A class's score is a sigmoid of its logit, as published. A calibrated model's logit is first scaled,
shifted and, for the share `Calibration.competition`, lowered by what the other kept classes claim
of the pixel: at 1 the scores are a softmax over the kept classes and "none of these".
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from errseg.config import Calibration


def calibrate_logits(logits: Tensor, calibration: Calibration) -> Tensor:
    """Calibrate logits (B, P, ...); which class wins a pixel stays as it was.

    The scale is above 0, the bias is added to the scaled logits, where the logit of "none of these"
    is 0, and the competition is in [0, 1]. The sigmoid of the winner is then how often it is right.
    """
    logits = calibration.scale * logits + calibration.bias
    if not calibration.competition:
        return logits
    return _lowered(logits, logits.logsumexp(dim=1, keepdim=True), calibration.competition)


def calibrate_best(logits: Tensor, calibration: Calibration) -> Tensor:
    """Calibrate the best of logits (B, P, ...) alone: (B, 1, ...), in less time."""
    best = calibration.scale * logits.amax(dim=1, keepdim=True) + calibration.bias
    if not calibration.competition:
        return best
    total = (calibration.scale * logits).logsumexp(dim=1, keepdim=True) + calibration.bias
    return _lowered(best, total, calibration.competition)


def _lowered(logits: Tensor, total: Tensor, competition: float) -> Tensor:
    """Lower logits by a share of what the others claim; ``total`` is all logits' logsumexp."""
    # log(1 + sum of exp over the others) = softplus(logsumexp over all) + log(1 - own share)
    total = F.softplus(total)
    own = (logits - total).exp().clamp(max=1 - torch.finfo(logits.dtype).eps)
    # Not log1p, which takes five times as long: it is exact where own is small, and total isn't.
    return logits - competition * (total + torch.log(1 - own)).clamp(min=0)
