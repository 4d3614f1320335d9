"""The published training of errseg-base and errseg-large, exactly: its loss, and what it trains."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from errseg.config import BETA, KEPT_CLASSES, VOTES_PER_PIXEL
from errseg.datasets.sets import IGNORE, SegmentationSet
from errseg.distributed import Processes
from errseg.errors import InputError
from errseg.network.model import DROPPED_LOGIT, ERRSeg
from errseg.network.published import published_name
from errseg.network.towers import Part
from errseg.training.config import PUBLISHED, PublishedRecipe
from errseg.training.objective import Objective
from errseg.training.parameters import parameter_groups, part_of
from errseg.training.published_crops import PublishedDataset, collate
from errseg.words.vocabulary import fill_templates

IGNORED = 255  # label of a pixel without a class; its targets are all zero
UNDECAYED = (nn.LayerNorm, nn.GroupNorm, nn.Embedding)
"""Modules whose parameters have no weight decay (published configuration)."""


def trained_parameters(
    model: ERRSeg, recipe: PublishedRecipe = PUBLISHED
) -> dict[str, tuple[float, float]]:
    """Say what of a model with CLIP's towers trains under the published recipe; the rest is frozen.

    Returns:
        released tensor name, as in `ERRSeg.released_parameters` -> (learning rate relative to the
        run's, weight decay).
    """
    rates, decay = _rates(recipe), _decay(model, recipe)
    return {
        published_name(name): (rates[part], decay(parameter))
        for name, parameter in model.named_parameters()
        if (part := part_of(model, name)) in rates
    }


def _rates(recipe: PublishedRecipe) -> dict[Part, float]:
    return {"head": 1.0, "clip": recipe.clip_rate}


def _decay(model: ERRSeg, recipe: PublishedRecipe) -> Callable[[nn.Parameter], float]:
    modules = [module for module in model.modules() if isinstance(module, UNDECAYED)]
    undecayed = {parameter for module in modules for parameter in module.parameters(recurse=False)}
    return lambda parameter: 0.0 if parameter in undecayed else recipe.optimiser.weight_decay


def published_loss(
    model: ERRSeg,
    images: Tensor,
    labels: Tensor,
    classes: Sequence[str],
    kept_classes: int = KEPT_CLASSES,
    votes_per_pixel: int = VOTES_PER_PIXEL,
    beta: float = BETA,
    ignored: int = IGNORED,
) -> Tensor:
    """Compute the published loss of a batch, with its gradient into the text tower too.

    A binary cross-entropy per class between the labels and the logits resized (bilinear) to them,
    the mean over all T channels: dropped ones stand at -100. The classes present are kept whatever
    CRM says, see `keep_as_published`. In `train()` the model has drop path, in `eval()` none.

    Args:
        model: errseg-base or errseg-large.
        images: uint8 RGB (B, 3, H, W).
        labels: int64 (B, H, W), indices of ``classes``, or ``ignored``.
        classes: T names; of synonyms parted by commas the first is prompted.
        kept_classes: P.
        votes_per_pixel: K.
        beta: CRM's score coefficient, in [0, 1].
        ignored: label of a pixel without a class.

    Raises:
        InputError: a label is no class's, or K or beta is out of range.
    """
    labels, classes = labels.to(model.device), [name.split(",")[0].strip() for name in classes]
    given = [label[label != ignored] for label in labels]
    values = torch.cat(given).unique().tolist()
    if wrong := [value for value in values if not 0 <= value < len(classes)]:
        raise InputError(
            f"A pixel is labelled {wrong[0]}; of {len(classes)} classes labels are 0 to "
            f"{len(classes) - 1}, and {ignored} for none."
        )
    template = model.config.towers.templates[:1]
    text = model.encode_text([prompt for c in classes for prompt in fill_templates(c, template)])
    features = model.encode_image(images, learning=True)
    counts = torch.stack([torch.bincount(label, minlength=len(classes)) for label in given])
    select = functools.partial(keep_as_published, present=counts > 0)
    out = model.decode(features, text, kept_classes, votes_per_pixel, beta, select=select)
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


class PublishedTraining(Objective):
    """The published recipe at work."""

    collate: ClassVar[Callable[[Sequence], Any]] = staticmethod(collate)

    def __init__(
        self,
        model: ERRSeg,
        sets: Sequence[SegmentationSet],
        recipe: PublishedRecipe,
        processes: Processes,
    ):
        super().__init__()
        self.model, self.recipe = model, recipe
        self.data = PublishedDataset(sets, recipe)

    def groups(self) -> list[dict]:
        """Choose what is trained, see `trained_parameters`."""
        return parameter_groups(self.model, _rates(self.recipe), _decay(self.model, self.recipe))

    def learn(self) -> None:
        """Put all of the model into training mode, what is frozen of CLIP too (published code)."""
        self.model.train()

    def seen_words(self) -> set[str]:
        """Gather the words whose masks training sees, in lower case."""
        return {name.lower() for name in self.data.classes}

    def forward(self, batch: tuple[Tensor, Tensor], step: int) -> dict[str, Tensor]:
        """Compute the published loss of images (B, 3, S, S) and labels (B, S, S)."""
        images, labels = batch
        loss = published_loss(
            self.model,
            images,
            labels,
            self.data.prompted,
            **vars(self.recipe.selection),
            ignored=IGNORE,
        )
        return {"logits": loss}
