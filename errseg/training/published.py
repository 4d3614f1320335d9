"""The published training of errseg-base and errseg-large, exactly: its loss, and what it trains."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from errseg.network.model import DROPPED_LOGIT, ERRSeg
from errseg.network.towers import Part
from errseg.words.vocabulary import fill_templates

IGNORED = 255
"""Label of a pixel without a class; its targets are all zero."""
KEPT_CLASSES = 32
"""P in training (published configuration)."""
RATE_FACTORS: dict[Part, float] = {"head": 1.0, "clip": 0.01, "frozen": 0.0}
"""A parameter's learning rate relative to the run's (published configuration)."""
WEIGHT_DECAY = 1e-4
"""Of all that trains but the parameters of norms and embeddings (published configuration)."""
UNDECAYED = (nn.LayerNorm, nn.GroupNorm, nn.Embedding)
TOWERS = "towers."


def trained_parameters(model: ERRSeg) -> dict[str, tuple[float, float]]:
    """Say what trains under the published recipe, and how.

    Args:
        model: errseg-base or errseg-large, or another with CLIP's towers.

    Returns:
        released tensor name -> (learning rate relative to the run's, weight decay); everything
        else is frozen. `ERRSeg.released_parameters` has the parameters under the same names.
    """
    undecayed = {
        id(parameter)
        for module in model.modules()
        if isinstance(module, UNDECAYED)
        for parameter in module.parameters(recurse=False)
    }
    ours = {id(parameter): name for name, parameter in model.named_parameters()}
    trained = {}
    for released, parameter in model.released_parameters().items():
        name = ours[id(parameter)]
        part = model.towers.part(name.removeprefix(TOWERS)) if name.startswith(TOWERS) else "head"
        if factor := RATE_FACTORS[part]:
            decay = 0.0 if id(parameter) in undecayed else WEIGHT_DECAY
            trained[released] = (factor, decay)
    return trained


def published_loss(
    model: ERRSeg,
    images: Tensor,
    labels: Tensor,
    classes: Sequence[str],
    kept_classes: int = KEPT_CLASSES,
) -> Tensor:
    """Compute the published loss of a batch, with its gradient into the text tower too.

    A binary cross-entropy per class between the labels and the logits resized (bilinear) to them,
    the mean over all T channels: dropped ones stand at -100. The classes present are kept whatever
    CRM says, see `keep_as_published`.

    Args:
        model: in `train()` with drop path, in `eval()` without.
        images: uint8 RGB (B, 3, H, W).
        labels: int64 (B, H, W), indices of ``classes``, 255 where there is none.
        classes: T names; of synonyms parted by commas the first is prompted.
        kept_classes: P.

    Returns:
        a scalar.
    """
    labels, classes = labels.to(model.device), [name.split(",")[0].strip() for name in classes]
    template = model.config.towers.templates[:1]
    text = model.encode_text([prompt for c in classes for prompt in fill_templates(c, template)])
    features = model.encode_image(images, learning=True)
    counts = torch.stack([_count(label, len(classes)) for label in labels])  # (B, T)
    select = functools.partial(keep_as_published, present=counts > 0)
    out = model.decode(features, text, kept_classes, select=select)
    logits = F.interpolate(out.kept_logits, labels.shape[-2:], mode="bilinear")
    target = (labels[:, None] == out.kept[:, :, None, None]).to(logits.dtype)
    loss = F.binary_cross_entropy_with_logits(logits, target, reduction="sum")
    # A dropped channel costs nothing, but for the pixels that have its label: those its logit.
    dropped = torch.ones_like(counts, dtype=torch.bool).scatter(1, out.kept, False)
    loss = loss - DROPPED_LOGIT * counts[dropped].sum()
    return loss / (labels.numel() * len(classes))


def keep_as_published(scores: Tensor, kept_classes: int, present: Tensor) -> Tensor:
    """Keep the classes present, and fill up from CRM's choice as the published code does.

    CRM's P best are ordered by class index, those present are taken out and put first, and the
    list is cut at P: so the highest indices fall out, not the lowest scores.

    Args:
        scores: CRM's, (B, T).
        kept_classes: P.
        present: (B, T) bool.

    Returns:
        (B, min(P, T)) ascending class indices.
    """
    best = torch.zeros_like(present)
    count = min(kept_classes, scores.shape[1])
    order = scores.sort(dim=1, descending=True, stable=True).indices[:, :count]
    best.scatter_(1, order, True)
    # Present ones come first, then CRM's, then the rest; each in the order of their indices.
    rank = 2 - 2 * present.long() - (best & ~present).long()
    first = rank.sort(dim=1, stable=True).indices[:, :count]
    return first.sort(dim=1).values


def _count(label: Tensor, classes: int) -> Tensor:
    """Count the pixels of every class of one label map, (T,)."""
    return torch.bincount(label[label != IGNORED], minlength=classes)
