"""The published training of errseg-base and errseg-large, exactly: its loss, and what it trains."""

import functools
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from errseg.network.model import DROPPED_LOGIT, ERRSeg
from errseg.network.published import published_name
from errseg.network.towers import Part
from errseg.training.parameters import part_of
from errseg.words.vocabulary import fill_templates

IGNORED = 255  # label of a pixel without a class; its targets are all zero
KEPT_CLASSES = 32  # P in training (published configuration)
RATE_FACTORS: dict[Part, float] = {"head": 1.0, "clip": 0.01, "frozen": 0.0}
"""A parameter's learning rate relative to the run's (published configuration)."""
WEIGHT_DECAY = 1e-4  # of all that trains but norms and embeddings (published configuration)
UNDECAYED = (nn.LayerNorm, nn.GroupNorm, nn.Embedding)


def trained_parameters(model: ERRSeg) -> dict[str, tuple[float, float]]:
    """Say what of a model with CLIP's towers trains under the published recipe; the rest is frozen.

    Returns:
        released tensor name, as in `ERRSeg.released_parameters` -> (learning rate relative to the
        run's, weight decay).
    """
    modules = [module for module in model.modules() if isinstance(module, UNDECAYED)]
    undecayed = {parameter for module in modules for parameter in module.parameters(recurse=False)}
    trained = {}
    for name, parameter in model.named_parameters():
        if factor := RATE_FACTORS[part_of(model, name)]:
            decay = 0.0 if parameter in undecayed else WEIGHT_DECAY
            trained[published_name(name)] = (factor, decay)
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
    CRM says, see `keep_as_published`. In `train()` the model has drop path, in `eval()` none.

    Args:
        model: errseg-base or errseg-large.
        images: uint8 RGB (B, 3, H, W).
        labels: int64 (B, H, W), indices of ``classes``, 255 where there is none.
        classes: T names; of synonyms parted by commas the first is prompted.
        kept_classes: P.
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
    """Keep the classes present (B, T), and fill up from CRM's choice as the published code does.

    CRM's P best by their scores (B, T) are ordered by class index, those present are taken out and
    put first, and the list is cut at P: so the highest indices fall out, not the lowest scores.
    Returns ascending class indices (B, min(P, T)).
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
