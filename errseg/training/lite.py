"""errseg-lite's training: crops of many sets, random vocabularies, three losses.

Each step takes a batch of crops and one vocabulary: every class present in the batch, and others
at random. As in the paper the classes present in a crop are always among the kept P, and CRM's
picks, the hardest of the rest, fill up. The loss is a binary cross-entropy per class over the
pixels whose label decides the class (`errseg.words.relations`).
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from errseg.config import STRIDES
from errseg.datasets.sets import SegmentationSet
from errseg.distributed import Processes
from errseg.network.crm import select_classes
from errseg.network.model import ERRSeg
from errseg.training.config import LiteRecipe
from errseg.training.crops import CropDataset, collate
from errseg.training.label_space import Sample
from errseg.training.losses import anchor_loss, binary_loss, pixel_weights, ranking_loss
from errseg.training.objective import Objective
from errseg.training.parameters import parameter_groups, towers_learn
from errseg.training.unseen import as_if_unseen
from errseg.training.vocabulary import TrainingVocabulary

STRIDE, _, COST_STRIDE, _ = STRIDES  # of the logits, and of the cost maps; so of their targets
UNSEEN_STREAM = 2  # tells the random numbers of unseen names from any others


class LiteTraining(Objective):
    """errseg-lite's recipe at work."""

    collate: ClassVar[Callable[[Sequence], Any]] = staticmethod(collate)

    def __init__(
        self,
        model: ERRSeg,
        sets: Sequence[SegmentationSet],
        recipe: LiteRecipe,
        processes: Processes,
    ):
        super().__init__()
        self.model, self.recipe, self.processes = model, recipe, processes
        self.data = CropDataset(sets, recipe)
        self.classes = TrainingVocabulary(model, self.data.space, recipe)

    def groups(self) -> list[dict]:
        """Choose what is trained, see `Objective.groups`."""
        towers = self.recipe.towers
        rates = {"head": 1.0, "trunk": towers.trunk_rate, "residual": towers.residual_rate}
        groups = parameter_groups(
            self.model,
            rates,
            # Neither norms nor biases decay, nor what is a scale.
            lambda parameter: self.recipe.optimiser.weight_decay if parameter.ndim > 1 else 0.0,
        )
        self.towers_learn = towers_learn(self.model)
        return groups

    def learn(self) -> None:
        """Train the head; the towers' statistics stay as at inference."""
        self.model.train()
        self.model.towers.eval()
        self.model.towers.always_drops = self.recipe.towers.always_dropped

    def stage(self, step: int) -> tuple[int, int]:
        """Begin the schedule again when the decoder joins, see `Objective.stage`."""
        joins = self.recipe.losses.cost_steps
        return (0, joins) if step < joins else (joins, self.recipe.run.steps)

    def seen_words(self) -> set[str]:
        """Gather the words whose masks training sees, in lower case."""
        return self.classes.seen_words()

    def forward(self, batch: tuple[Tensor, list[Sample]], step: int) -> dict[str, Tensor]:
        """Compute the losses: ``cost`` and ``anchor``, and ``logits`` once the decoder trains."""
        images, samples = batch
        weights, device = self.recipe.losses, self.model.device
        rng = np.random.default_rng((self.recipe.run.seed, step))
        vocabulary, always = self.classes.draw(samples, rng, self.processes)
        text = self.classes.embed(vocabulary, rng)
        features = self.model.encode_image(images.to(device), self.towers_learn)
        aligned = features.aligned16 if self.towers_learn else features.dense16
        losses, every = {}, [vocabulary] * len(samples)
        if weights.cost_loss:
            cost = torch.einsum("bchw,tc->bthw", aligned, text)
            logits = weights.cost_scale * cost - weights.cost_offset
            loss = self._loss(logits, weights.ranking_scale * cost, samples, every, COST_STRIDE)
            losses["cost"] = weights.cost_loss * loss
        if weights.anchor:
            label = torch.stack([_at_stride(s.label, COST_STRIDE) for s in samples])
            names, unknown = self.model.towers.imagenet_names, label.to(device) < 0
            loss = anchor_loss(aligned, features.dense32, names, unknown, self.processes.mean)
            losses["anchor"] = weights.anchor * loss
        if step >= weights.cost_steps:
            chosen, unseen = self.recipe.selection, self.recipe.words.unseen
            if unseen:
                stream = np.random.default_rng((self.recipe.run.seed, step, UNSEEN_STREAM))
                text = as_if_unseen(text, unseen, stream)
            select = functools.partial(select_classes, always=always.to(device))
            out = self.model.decode(
                features,
                text,
                chosen.kept_classes,
                chosen.votes_per_pixel,
                chosen.beta,
                select=select,
            )
            kept = [[vocabulary[i] for i in places] for places in out.kept.tolist()]
            losses["logits"] = self._loss(out.kept_logits, out.kept_logits, samples, kept, STRIDE)
        return losses

    def _loss(
        self,
        logits: Tensor,
        ranking: Tensor,
        samples: list[Sample],
        asked: list[list[str]],
        stride: int,
    ) -> Tensor:
        """Binary cross-entropy per class asked (calibrates), plus one between classes (ranks)."""
        weights, rows, mean = self.recipe.losses, [], self.processes.mean
        for sample, words in zip(samples, asked, strict=True):
            label = _at_stride(sample.label, stride)
            target = self.data.space.targets(label, words, sample, self.classes.unsafe(words))
            rows.append((*target, pixel_weights(label, weights.balance_power)))
        target, valid, pixels = (
            torch.stack(parts).to(self.model.device) for parts in zip(*rows, strict=True)
        )
        if weights.ignored_is_negative:
            valid = torch.ones_like(valid)
        loss = binary_loss(logits.float(), target, valid, pixels, weights.positive_weight, mean)
        if weights.ranking:
            loss = loss + weights.ranking * ranking_loss(
                ranking.float(), target, valid, pixels, mean
            )
        return loss


def _at_stride(label: Tensor, stride: int) -> Tensor:
    """Thin a label map (S, S) out to the middles of a grid's cells."""
    return label[stride // 2 :: stride, stride // 2 :: stride]
