"""Training, for the embedded model and the large ones alike; resumable, with a log.

Each step takes a batch of crops and one vocabulary: every class present in the batch, and others
at random. As in the paper the classes present in a crop are always among the kept P, and CRM's
picks, the hardest of the rest, fill up. The loss is a binary cross-entropy per class over the
pixels whose label decides the class (`errseg.relations`).
"""

from __future__ import annotations

import dataclasses
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Subset
from tqdm import tqdm

from errseg.config import VOTES_PER_PIXEL, LiteConfig, uncalibrated
from errseg.data import CropDataset, LabelSpace, Sample, SegmentationSet, collate, load_sets
from errseg.errors import InputError
from errseg.model import ERRSeg, build_model
from errseg.pretrained import imagenet_names, load_pretrained_towers
from errseg.relations import broader_names, prompt_names, synonyms
from errseg.weights import load_model, save_model

CHECKPOINT = "checkpoint.pt"
LOG = "log.jsonl"
SETTINGS = "settings.json"
WEIGHTS = "model.safetensors"
STRIDE = 4  # of the logits and so of the targets
COST_STRIDE = 16
LITE_LAST_STAGES = tuple(
    f"towers.trunk.{part}." for part in ("blocks.5", "blocks.6", "conv_head", "bn2", "classifier")
)
"""EfficientNet's stages at stride 32: few pixels, so fine-tuning them costs little."""


@dataclass(frozen=True)
class TrainConfig:
    """Settings of one training run; saved beside its weights."""

    steps: int = 80_000
    cost_steps: int = 0  # first steps that train the cost maps only: cheap, no decoder runs
    batch: int = 4
    crop: int = 640  # pixels of a side
    kept_classes: int = 32  # P
    vocabulary: int = 0  # classes of a step's vocabulary, present ones included; 0 is all of them
    imagenet_share: float = 0.0  # share of the vocabulary's absent classes that ImageNet gives
    similar: float = 0.45  # cosine of text embeddings above which an ImageNet name is no negative
    rate: float = 2e-4
    clip_rate: float = 0.01  # of the towers' fine-tuned parameters, relative to `rate`
    trunk_rate: float = 0.0  # of lite's stride-32 stages, relative to `rate`
    weight_decay: float = 1e-4
    warm_up: int = 1000  # steps
    positive_weight: float = 1.0
    cost_loss: float = 0.0  # weight of the loss on the stride-16 cost maps
    ranking: float = 0.0  # weight of the cross-entropy between classes, beside the binary one
    cost_scale: float = 12.0  # logit of a cosine: scale * cosine - offset
    cost_offset: float = 4.0
    ignored_is_negative: bool = True  # published: ignored pixels have all-zero targets
    average: float = 0.0  # decay of the exponential moving average of the weights; 0 is none
    clip_gradient: float = 1.0
    copy_paste: float = 0.0
    held_out: tuple[str, ...] = ()  # class names kept out of training
    broader: int = 0  # broader names of present classes in a step's vocabulary (a lion: animal)
    expanded: float = 0.0  # share of prompts with hypernyms behind the name: lion, big cat, animal
    bfloat16: bool = False  # compute in bfloat16 (autocast); the weights stay float32
    start: str = ""  # a weights file to go on from; the towers' public weights if empty
    seed: int = 0
    save_every: int = 500  # steps


PUBLISHED = TrainConfig()
"""The paper's training of errseg-base and errseg-large."""

HELD_OUT = (
    *("rhinoceros", "flamingo", "otter", "hyena", "deer", "rhesus monkey", "zebra", "giraffe"),
    *("pizza", "donut", "banana", "egg", "rice", "noodles"),
    *("umbrella", "kite", "fire hydrant", "toilet", "refrigerator", "toaster", "teddy bear"),
    *("hat", "boots", "scarf", "sandals", "cage"),
    *("sand", "leaves", "playingfield", "clouds"),
)
"""Names that errseg-lite never sees a mask of: animals, food, objects, clothing and stuff, to
measure unseen words with."""

LITE = TrainConfig(
    steps=1700,
    batch=8,
    crop=256,
    kept_classes=12,
    vocabulary=96,
    imagenet_share=0.25,
    rate=6e-4,  # at 2e-3 ESCF's tokens grow without bound
    weight_decay=0.02,
    warm_up=150,
    positive_weight=2.0,
    cost_loss=0.5,
    ignored_is_negative=False,
    average=0.998,
    copy_paste=0.2,
    ranking=0.5,
    held_out=HELD_OUT,
    broader=3,
    bfloat16=True,
)
"""Training of errseg-lite on two CPU cores, once its cost maps are trained: see the commands in
assets/errseg-lite/TRAINING.md."""


def train(model_name: str, data: Path, out: Path, config: TrainConfig, workers: int = 1) -> ERRSeg:
    """Train a model from its towers' public weights, or go on from the checkpoint in ``out``.

    Args:
        model_name: a name of `list_models`.
        data: folder of sets, see `errseg.data`.
        out: folder for the checkpoint, the log, the settings and, at the end, the weights.
        config: settings; a checkpoint written under others is refused.
        workers: processes that read photos.

    Raises:
        InputError: the data is not as described, or the checkpoint is of other settings.
    """
    sets = load_sets(data)
    run = TrainingRun(starting_model(model_name, config), sets, out, config)
    run.resume()
    run.fit(workers)
    averaged = run.averaged()
    save_model(averaged, out / WEIGHTS)
    return averaged


def starting_model(name: str, config: TrainConfig) -> ERRSeg:
    """Build the model that training starts from.

    Raises:
        InputError: no variant has this name, or the weights to start from are not its own.
    """
    torch.manual_seed(config.seed)
    if not config.start:
        model = build_model(name)
        load_pretrained_towers(model)
        return model
    model = load_model(config.start)
    if model.config.name != name:
        raise InputError(f"{config.start} is {model.config.name}, not {name}.")
    model.config = uncalibrated(model.config)  # other weights will want another calibration
    return model


class TrainingRun:
    """The state of one run: model, optimiser, moving average and step."""

    def __init__(self, model: ERRSeg, sets: list[SegmentationSet], out: Path, config: TrainConfig):
        torch.manual_seed(config.seed)
        self.config, self.out, self.step, self.model = config, out, 0, model
        self.data = CropDataset(
            sets,
            config.crop,
            seed=config.seed,
            length=config.steps * config.batch,
            copy_paste=config.copy_paste,
            held_out=config.held_out,
        )
        self.classes = TrainingVocabulary(self.model, sets, self.data.space, config)
        groups = parameter_groups(self.model, config)
        self.trained = [p for group in groups for p in group["params"]]
        self.optimizer = torch.optim.AdamW(groups, lr=config.rate)
        self.average = [p.detach().clone() for p in self.trained] if config.average else None

    def fit(self, workers: int) -> None:
        """Run the steps that are left."""
        config = self.config
        self.out.mkdir(parents=True, exist_ok=True)
        settings = {"model": self.model.config.name, **dataclasses.asdict(config)}
        (self.out / SETTINGS).write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")
        rest = Subset(self.data, range(self.step * config.batch, config.steps * config.batch))
        loader = DataLoader(
            rest,
            config.batch,
            num_workers=workers,
            collate_fn=collate,
            generator=torch.Generator(),  # the global one is the network's, saved with it
        )
        progress = tqdm(loader, initial=self.step, total=config.steps, unit="step")
        for images, samples in progress:
            started = time.perf_counter()
            losses = self.take_step(images, samples)
            losses["seconds"] = time.perf_counter() - started
            progress.set_postfix({name: f"{value:.3f}" for name, value in losses.items()})
            with (self.out / LOG).open("a", encoding="utf-8") as log:
                log.write(json.dumps({"step": self.step, **losses}) + "\n")
            if self.step % config.save_every == 0 or self.step == config.steps:
                self.save()

    def take_step(self, images: Tensor, samples: list[Sample]) -> dict[str, float]:
        """Take one optimisation step on a batch and return its losses."""
        self.model.train()
        _freeze_statistics(self.model)
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
        features = self.model.encode_image(images.to(device))
        losses = {}
        if config.cost_loss:
            cost = self.model.cost_maps(features, text).stride16
            target, valid = self._targets(samples, vocabulary, COST_STRIDE)
            logits = config.cost_scale * cost - config.cost_offset
            losses["cost"] = config.cost_loss * self._loss(logits, target, valid)
        if self.step >= config.cost_steps:
            out = self.model.decode(
                features, text, config.kept_classes, VOTES_PER_PIXEL, always=always.to(device)
            )
            target, valid = self._targets(samples, vocabulary, STRIDE, out.kept)
            losses["logits"] = self._loss(out.kept_logits, target, valid)
        return losses

    def _targets(
        self, samples: list[Sample], vocabulary: list[str], stride: int, kept: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Build targets and validity (B, T or P, h, w) at a stride."""
        targets, valids = [], []
        for row, sample in enumerate(samples):
            indices = range(len(vocabulary)) if kept is None else kept[row].tolist()
            label = sample.label[stride // 2 :: stride, stride // 2 :: stride]
            target, valid = self.data.space.targets(
                label,
                [vocabulary[i] for i in indices],
                sample,
                exclusive=True,  # as a benchmark's argmax takes the names of one set
                unsafe=self.classes.unsafe([vocabulary[i] for i in indices]),
            )
            targets.append(target)
            valids.append(valid)
        device = self.model.device
        return torch.stack(targets).to(device), torch.stack(valids).to(device)

    def _loss(self, logits: Tensor, target: Tensor, valid: Tensor) -> Tensor:
        """Binary cross-entropy per class (calibrates), plus one between classes (ranks)."""
        config, logits = self.config, logits.float()
        weight = torch.tensor(config.positive_weight, device=logits.device)
        loss = F.binary_cross_entropy_with_logits(
            logits, target, reduction="none", pos_weight=weight
        )
        if config.ignored_is_negative:
            return loss.mean()
        loss = (loss * valid).sum() / valid.sum().clamp(min=1)
        if config.ranking:
            loss = loss + config.ranking * ranking_loss(logits, target, valid)
        return loss

    def _set_rate(self) -> None:
        """Cosine schedule with a linear warm-up; again from its start when the decoder joins."""
        config = self.config
        start, end = (0, config.cost_steps)
        if self.step >= config.cost_steps:
            start, end = (config.cost_steps, config.steps)
        warm = min(1.0, (self.step - start + 1) / max(config.warm_up, 1))
        cosine = 0.5 * (1 + math.cos(math.pi * (self.step - start) / (end - start)))
        for group in self.optimizer.param_groups:
            group["lr"] = config.rate * group["factor"] * warm * cosine

    def averaged(self) -> ERRSeg:
        """Return a model with the moving average of the weights, in evaluation mode."""
        model = build_model(self.model.config)
        model.load_state_dict(self.model.state_dict())
        if isinstance(model.config.towers, LiteConfig):
            model.towers.text.tokenizer_json = self.model.towers.text.tokenizer_json
        if self.average is not None:
            places = {id(p): name for name, p in self.model.named_parameters()}
            named = dict(model.named_parameters())
            with torch.no_grad():
                for trained, mean in zip(self.trained, self.average, strict=True):
                    named[places[id(trained)]].copy_(mean)
        return model

    def save(self) -> None:
        """Write the checkpoint, replacing the last one only when it is whole."""
        partial = self.out / (CHECKPOINT + ".partial")
        torch.save(
            {
                "settings": dataclasses.asdict(self.config),
                "step": self.step,
                "trained": [p.detach() for p in self.trained],
                "average": self.average,
                "optimizer": self.optimizer.state_dict(),
                "random": torch.get_rng_state(),
            },
            partial,
        )
        partial.replace(self.out / CHECKPOINT)

    def resume(self) -> None:
        """Go on from the checkpoint in the run's folder, if there is one.

        Raises:
            InputError: it was written under other settings.
        """
        path = self.out / CHECKPOINT
        if not path.exists():
            return
        state = torch.load(path, map_location="cpu", weights_only=True)
        ours = dataclasses.asdict(self.config)
        other = [k for k, v in ours.items() if state["settings"].get(k) != v]
        if other:
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


class TrainingVocabulary:
    """Which classes a step trains on, and their text embeddings."""

    def __init__(
        self, model: ERRSeg, sets: list[SegmentationSet], space: LabelSpace, config: TrainConfig
    ):
        self.config, self.space = config, space
        self.templates = model.config.towers.templates
        hidden = {other for name in config.held_out for other in synonyms(name)}
        self.names = [name for name in space.names if name not in hidden]
        self.prompts = {name: [name] for name in space.names}
        for sample_set in sets:
            for name in sample_set.class_names:
                known = self.prompts[name]
                known += [p for p in prompt_names(sample_set.name, name) if p not in known]
        self.broader = {
            name: [b for b in sorted(broader_names(name)) if b not in hidden] for name in self.names
        }
        for names in self.broader.values() if config.broader else ():
            self.prompts |= {name: [name] for name in names if name not in self.prompts}
        extra = imagenet_names() if config.imagenet_share else []
        self.imagenet = [name for name in extra if name not in self.prompts]
        self.prompts |= {name: [name] for name in self.imagenet}
        # A frozen text tower embeds every prompt once; a trained one embeds them at each step.
        self.bank: dict[str, Tensor] = {}
        self.expanded: dict[str, str] = {}  # word -> the word with its hypernyms
        if isinstance(model.config.towers, LiteConfig):
            words = list(dict.fromkeys(word for known in self.prompts.values() for word in known))
            if config.expanded:
                self.expanded = {word: model.towers.with_hypernyms(word) for word in words}
                words = list(dict.fromkeys([*words, *self.expanded.values()]))
            filled = [template.format(word) for template in self.templates for word in words]
            with torch.no_grad():
                embedded = model.encode_text(filled).unflatten(0, (len(self.templates), -1))
            self.bank = dict(zip(words, embedded.unbind(1), strict=True))  # (templates, C) each
            first = torch.stack([self._mean(name) for name in space.names])
            self._similar = {
                name: (first @ self._mean(name)) > config.similar for name in self.imagenet
            }

    def draw(self, samples: list[Sample], rng: np.random.Generator) -> tuple[list[str], Tensor]:
        """Choose a step's vocabulary.

        Returns:
            T words, each class under one of its names at random, and which of them each crop
            shows, (B, T) bool.
        """
        present = [
            [self.space.names[i] for i in sample.present(least_pixels=STRIDE**2)]
            for sample in samples
        ]
        vocabulary = list(dict.fromkeys(name for names in present for name in names))
        if self.config.broader:
            broad = {b for name in vocabulary for b in self.broader[name]} - set(vocabulary)
            vocabulary += rng.permutation(sorted(broad))[: self.config.broader].tolist()
            present = [[*names, *(b for n in names for b in self.broader[n])] for names in present]
        taken = set(vocabulary)
        rest = [name for name in self.names if name not in taken]
        if self.config.vocabulary:
            missing = max(self.config.vocabulary - len(vocabulary), 0)
            from_imagenet = min(round(missing * self.config.imagenet_share), len(self.imagenet))
            rest = [
                *rng.permutation(rest)[: missing - from_imagenet].tolist(),
                *rng.permutation(self.imagenet)[:from_imagenet].tolist(),
            ]
        vocabulary += rest
        shown = torch.tensor([[name in names for name in vocabulary] for names in present])
        # More classes than P can be present; those that don't fit are left to CRM's scores.
        crowded = shown.sum(dim=1, keepdim=True) > self.config.kept_classes
        words = [self.prompts[name][rng.integers(len(self.prompts[name]))] for name in vocabulary]
        return words, shown & ~crowded

    def embed(self, model: ERRSeg, words: list[str], rng: np.random.Generator) -> Tensor:
        """Embed a vocabulary (T, C), each word in one template, or their mean as at inference."""
        if not self.bank:
            return model.encode_text([self.templates[0].format(word) for word in words])
        rows = []
        for word in words:
            expand = self.config.expanded and rng.random() < self.config.expanded
            templates = self.bank[self.expanded[word] if expand else word]
            choice = rng.integers(len(templates) + 1)
            rows.append(templates[choice] if choice < len(templates) else templates.mean(dim=0))
        return F.normalize(torch.stack(rows), dim=-1)

    def unsafe(self, classes: list[str]) -> Tensor | None:
        """Say which labels are too similar in meaning to deny an ImageNet name, (P, N) bool."""
        if not self.bank:
            return None
        none = torch.zeros(len(self.space.names), dtype=torch.bool)
        return torch.stack([self._similar.get(name, none) for name in classes])

    def _mean(self, name: str) -> Tensor:
        return F.normalize(self.bank[name].mean(dim=0), dim=-1)


def ranking_loss(logits: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Cross-entropy between the classes of a pixel that its label decides.

    Args:
        logits: (B, P, h, w).
        target: the same shape, 1 where the class is right; several can be (synonyms, wholes).
        valid: the same shape, bool; undecided classes take no part.

    Returns:
        The mean over the pixels that have both a right and a wrong class; 0 if none has.
    """
    right, wrong = valid & (target > 0), valid & (target == 0)
    total = logits.masked_fill(~valid, -torch.inf)
    counted = right.any(dim=1) & wrong.any(dim=1)  # (B, h, w)
    if not counted.any():
        return logits.sum() * 0.0
    pixels = counted.nonzero(as_tuple=True)
    gather = [x.movedim(1, -1)[pixels] for x in (total, right)]  # (pixels, P)
    best = gather[0].masked_fill(~gather[1], -torch.inf).logsumexp(dim=-1)
    return (gather[0].logsumexp(dim=-1) - best).mean()


def parameter_groups(model: ERRSeg, config: TrainConfig) -> list[dict]:
    """Choose what is trained, and freeze the rest.

    The decoder and lite's residual at the full rate. Of CLIP, at ``clip_rate``: in the image
    tower every ``gamma`` and the weights of MLPs and depth-wise convolutions, in the text tower
    ``in_proj_weight`` and ``c_fc.weight`` (published configuration). No weight decay on norms,
    biases and embeddings.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        factor = _rate_factor(name, config)
        parameter.requires_grad_(factor > 0)
        if factor > 0:
            decay = config.weight_decay if parameter.ndim > 1 else 0.0
            groups.setdefault((factor, decay), []).append(parameter)
    return [
        {"params": parameters, "factor": factor, "weight_decay": decay}
        for (factor, decay), parameters in groups.items()
    ]


def _rate_factor(name: str, config: TrainConfig) -> float:
    """Return a parameter's learning rate relative to the run's; 0 freezes it."""
    if name.startswith("towers.clip.visual."):
        tuned = name.endswith("gamma") or name.endswith(
            ("mlp.fc1.weight", "mlp.fc2.weight", "conv_dw.weight")
        )
        return config.clip_rate if tuned else 0.0
    if name.startswith("towers.clip."):
        tuned = name.endswith(("in_proj_weight", "c_fc.weight"))
        return config.clip_rate if tuned else 0.0
    if name.startswith(LITE_LAST_STAGES):
        return config.trunk_rate
    return 0.0 if name.startswith(("towers.trunk.", "towers.text.")) else 1.0


def _freeze_statistics(model: ERRSeg) -> None:
    """Keep the towers' batch-norm statistics and dropout as at inference."""
    model.towers.eval()
