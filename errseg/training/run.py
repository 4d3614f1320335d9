"""Training, for the embedded model and the large ones alike; resumable, with a log.

Each step takes a batch of crops and one vocabulary: every class present in the batch, and others
at random. As in the paper the classes present in a crop are always among the kept P, and CRM's
picks, the hardest of the rest, fill up. The loss is a binary cross-entropy per class over the
pixels whose label decides the class (`errseg.words.relations`).
"""

import dataclasses
import functools
import json
import math
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Subset
from tqdm import tqdm

from errseg.checkpoints.weights import load_for_training, save_model
from errseg.config import STRIDES, VOTES_PER_PIXEL
from errseg.datasets.folders import load_sets
from errseg.datasets.sets import SegmentationSet
from errseg.errors import InputError
from errseg.network.crm import select_classes
from errseg.network.model import ERRSeg, build_model
from errseg.training.config import TrainConfig, check_settings
from errseg.training.crops import CropDataset, collate
from errseg.training.label_space import Sample
from errseg.training.losses import anchor_loss, binary_loss, pixel_weights, ranking_loss
from errseg.training.parameters import parameter_groups, towers_learn
from errseg.training.vocabulary import TrainingVocabulary
from errseg.words.relations import synonyms

CHECKPOINT = "checkpoint.pt"
LOG = "log.jsonl"
SETTINGS = "settings.json"
WEIGHTS = "model.safetensors"
STRIDE, _, COST_STRIDE, _ = STRIDES  # of the logits, and of the cost maps; so of their targets


def train(
    model_name: str, data: Iterable[Path], out: Path, config: TrainConfig, workers: int = 1
) -> ERRSeg:
    """Train a model from its towers' public weights, or go on from the checkpoint in ``out``.

    Args:
        model_name: a name of `list_models`.
        data: folders of sets, see `errseg.training.crops`.
        out: folder for the checkpoint, the log, the settings and, at the end, the weights.
        config: settings; a checkpoint written under others is refused.
        workers: processes that read photos.

    Raises:
        InputError: there is no such model, the weights to start from are another's, it has no use
            for a setting, no class is left to train on, the data is not as described, or the
            checkpoint is of other settings.
    """
    sets = [sample_set for folder in data for sample_set in load_sets(folder)]
    run = TrainingRun(_starting_model(model_name, config), sets, out, config)
    run.resume()
    run.fit(workers)
    averaged = run.averaged()
    save_model(averaged, out / WEIGHTS)
    return averaged


def _starting_model(name: str, config: TrainConfig) -> ERRSeg:
    torch.manual_seed(config.seed)
    model = load_for_training(config.start) if config.start else build_model(name)
    if model.config.name != name:
        raise InputError(f"{config.start} is {model.config.name}, not {name}.")
    check_settings(config, model.config)
    if not config.start:
        model.towers.load_public_weights(model.config.clip_weights)
    return model


class TrainingRun:
    """The state of one run: model, optimiser, moving average and step."""

    def __init__(self, model: ERRSeg, sets: list[SegmentationSet], out: Path, config: TrainConfig):
        torch.manual_seed(config.seed)
        self.config, self.out, self.step, self.model = config, out, 0, model
        self.data = CropDataset(sets, config)
        self.classes = TrainingVocabulary(model, self.data.space, config)
        groups = parameter_groups(model, config)
        self.towers_learn = towers_learn(model)
        self.trained = [p for group in groups for p in group["params"]]
        self.optimizer = torch.optim.AdamW(groups, lr=config.rate)
        self.average = [p.detach().clone() for p in self.trained] if config.average else None

    def fit(self, workers: int) -> None:
        """Run the steps that are left."""
        config = self.config
        self.out.mkdir(parents=True, exist_ok=True)
        settings = {"model": self.model.config.name, **dataclasses.asdict(config)}
        (self.out / SETTINGS).write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")
        loader = DataLoader(
            Subset(self.data, range(self.step * config.batch, len(self.data))),
            config.batch,
            num_workers=workers,
            collate_fn=collate,
            generator=torch.Generator(),  # the global one is the network's, saved with it
        )
        progress = tqdm(loader, initial=self.step, total=config.steps, unit="step")
        for batch in progress:
            started = time.perf_counter()
            losses = self.take_step(*batch)
            losses["seconds"] = time.perf_counter() - started
            progress.set_postfix({name: f"{value:.3f}" for name, value in losses.items()})
            with (self.out / LOG).open("a", encoding="utf-8") as log:
                log.write(json.dumps({"step": self.step, **losses}) + "\n")
            if self.step % config.save_every == 0 or self.step == config.steps:
                self.save()

    def take_step(self, images: Tensor, samples: list[Sample]) -> dict[str, float]:
        """Take one optimisation step on a batch and return its losses."""
        self.model.train()
        self.model.towers.eval()  # statistics stay as at inference
        self._set_rate()
        with torch.autocast(self.model.device.type, torch.bfloat16, self.config.bfloat16):
            losses = self.losses(images, samples)
        self.optimizer.zero_grad(set_to_none=True)
        sum(losses.values()).backward()
        nn.utils.clip_grad_norm_(self.trained, self.config.clip_gradient)
        self.optimizer.step()
        self.step += 1
        if self.average is not None:
            # A young average follows quickly, so that it never remembers the start.
            decay = min(self.config.average, self.step / (self.step + 10))
            torch._foreach_lerp_(self.average, [p.detach() for p in self.trained], 1 - decay)
        return {name: loss.item() for name, loss in losses.items()}

    def losses(self, images: Tensor, samples: list[Sample]) -> dict[str, Tensor]:
        """Compute the losses of one batch: ``cost``, and ``logits`` once the decoder trains."""
        config, device = self.config, self.model.device
        rng = np.random.default_rng((config.seed, self.step))
        vocabulary, always = self.classes.draw(samples, rng)
        text = self.classes.embed(self.model, vocabulary, rng)
        features = self.model.encode_image(images.to(device), self.towers_learn)
        aligned = features.aligned16 if self.towers_learn else features.dense16
        losses, every = {}, [vocabulary] * len(samples)
        if config.cost_loss:
            cost = torch.einsum("bchw,tc->bthw", aligned, text)
            logits = config.cost_scale * cost - config.cost_offset
            loss = self._loss(logits, config.ranking_scale * cost, samples, every, COST_STRIDE)
            losses["cost"] = config.cost_loss * loss
        if config.anchor:
            label = torch.stack([_at_stride(s.label, COST_STRIDE) for s in samples])
            names = self.model.towers.imagenet_names
            seen = aligned, features.dense32
            losses["anchor"] = config.anchor * anchor_loss(*seen, names, label.to(device) < 0)
        if self.step >= config.cost_steps:
            select = functools.partial(select_classes, always=always.to(device))
            out = self.model.decode(
                features, text, config.kept_classes, VOTES_PER_PIXEL, select=select
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
        config, rows = self.config, []
        for sample, words in zip(samples, asked, strict=True):
            label = _at_stride(sample.label, stride)
            target = self.data.space.targets(label, words, sample, self.classes.unsafe(words))
            rows.append((*target, pixel_weights(label, config.balance_power)))
        target, valid, weights = (
            torch.stack(parts).to(self.model.device) for parts in zip(*rows, strict=True)
        )
        if config.ignored_is_negative:
            valid = torch.ones_like(valid)
        loss = binary_loss(logits.float(), target, valid, weights, config.positive_weight)
        if config.ranking:
            loss = loss + config.ranking * ranking_loss(ranking.float(), target, valid, weights)
        return loss

    def _set_rate(self) -> None:
        """Cosine schedule with a linear warm-up; again from its start when the decoder joins."""
        config = self.config
        start, end = 0, config.cost_steps
        if self.step >= end:
            start, end = end, config.steps
        warm = min(1.0, (self.step - start + 1) / max(config.warm_up, 1))
        cosine = 0.5 * (1 + math.cos(math.pi * (self.step - start) / (end - start)))
        for group in self.optimizer.param_groups:
            group["lr"] = config.rate * group["factor"] * warm * cosine

    def averaged(self) -> ERRSeg:
        """Return a model with the moving average of the weights, in evaluation mode.

        It knows whose masks this run and those before it saw, and what was held out of them all.
        """
        config = self.model.config
        words = self.classes.seen_words().union(config.towers.trained_words)
        held_out = sorted({*config.held_out, *self.config.held_out})
        unseen = tuple(name for name in held_out if not synonyms(name) & words)
        towers = config.towers.with_trained_words(sorted(words))
        model = build_model(dataclasses.replace(config, towers=towers, held_out=unseen))
        means = dict(zip(map(id, self.trained), self.average or self.trained, strict=True))
        averaged = {name: means.get(id(p), p) for name, p in self.model.named_parameters()}
        model.load_state_dict({**self.model.state_dict(), **averaged})
        model.towers.take_metadata(self.model.towers.metadata())
        return model

    def save(self) -> None:
        """Write the checkpoint, replacing the last one only when it is whole."""
        partial = self.out / (CHECKPOINT + ".partial")
        state = {
            "settings": dataclasses.asdict(self.config),
            "step": self.step,
            "trained": [p.detach() for p in self.trained],
            "average": self.average,
            "optimizer": self.optimizer.state_dict(),
            "random": torch.get_rng_state(),
        }
        torch.save(state, partial)
        partial.replace(self.out / CHECKPOINT)

    def resume(self) -> None:
        """Go on from the folder's checkpoint, if any; other settings are an `InputError`."""
        path = self.out / CHECKPOINT
        if not path.exists():
            return
        state = torch.load(path, map_location="cpu", weights_only=True)
        ours = dataclasses.asdict(self.config).items()
        if other := [k for k, v in ours if state["settings"].get(k) != v]:
            raise InputError(
                f"{path} was written under other settings ({', '.join(other)}); "
                "give those, or another folder."
            )
        with torch.no_grad():
            for parameter, saved in zip(self.trained, state["trained"], strict=True):
                parameter.copy_(saved)
        self.average, self.step = state["average"], state["step"]
        self.optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["random"])


def _at_stride(label: Tensor, stride: int) -> Tensor:
    """Thin a label map (S, S) out to the middles of a grid's cells."""
    return label[stride // 2 :: stride, stride // 2 :: stride]
