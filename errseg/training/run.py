"""A training run, by either recipe: on a CPU or a GPU, alone or with others, resumable, logged."""

import contextlib
import dataclasses
import json
import math
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, Subset
from tqdm import tqdm

from errseg.checkpoints.weights import save_model
from errseg.checkpoints.whole_files import write_whole
from errseg.datasets.sets import SegmentationSet
from errseg.device import find_precision
from errseg.distributed import Processes
from errseg.errors import InputError
from errseg.network.model import ERRSeg, build_model
from errseg.training.checkpoint import (
    append_to_log,
    cut_log,
    load_checkpoint,
    save_checkpoint,
)
from errseg.training.config import LiteRecipe, PublishedRecipe, settings_of
from errseg.training.lite import LiteTraining
from errseg.training.published import PublishedTraining
from errseg.training.schedule import rate_factor
from errseg.training.start import starting_model
from errseg.words.relations import synonyms

SETTINGS = "settings.json"
WEIGHTS = "model.safetensors"
YOUNG = 10  # steps in which the moving average follows quickly
OBJECTIVES = {LiteRecipe: LiteTraining, PublishedRecipe: PublishedTraining}


def train(
    model_name: str,
    sets: Sequence[SegmentationSet],
    out: Path,
    recipe: LiteRecipe | PublishedRecipe,
    workers: int = 1,
    head: Sequence[str] = (),
    processes: Processes | None = None,
) -> ERRSeg:
    """Train a model from its towers' public weights, or go on from the checkpoint in ``out``.

    Args:
        model_name: a name of `list_models`; empty for that of the weights to start from.
        sets: photos with masks.
        out: folder for the checkpoint, the log, the settings and, at the end, the weights.
        recipe: settings; a checkpoint written under others is refused.
        workers: processes that read photos.
        head: changes of the model's head, see `errseg.training.ablations.with_head`.
        processes: those that share the work; by default this one, on the CPU.

    Raises:
        InputError: there is no such model, the weights to start from are another's, the recipe is
            not for it, no class is left to train on, the data is not as described, or the
            checkpoint is of other settings.
    """
    processes = processes or Processes(torch.device("cpu"))
    model = starting_model(model_name, recipe, head)
    run = TrainingRun(model, sets, out, recipe, processes)
    run.resume()
    run.fit(workers)
    averaged = run.averaged()
    if processes.first:
        save_model(averaged, out / WEIGHTS)
    processes.wait()
    return averaged


class TrainingRun:
    """The state of one run: model, optimiser, moving average and step."""

    def __init__(
        self,
        model: ERRSeg,
        sets: Sequence[SegmentationSet],
        out: Path,
        recipe: LiteRecipe | PublishedRecipe,
        processes: Processes,
    ):
        run, parts = recipe.run, processes.count * recipe.run.accumulate
        if run.batch % parts:
            raise InputError(
                f"A batch of {run.batch} can't be shared by {processes.count} processes in "
                f"{run.accumulate} parts; give a multiple of {parts}."
            )
        self.recipe, self.out, self.processes, self.step = recipe, out, processes, 0
        self.sets = {s.name: len(s.training) for s in sets}
        self.model = model.to(processes.device)
        torch.manual_seed(run.seed)
        self.objective = OBJECTIVES[type(recipe)](self.model, sets, recipe, processes)
        groups = self.objective.groups()
        self.trained = [parameter for group in groups for parameter in group["params"]]
        self.optimizer = torch.optim.AdamW(groups, lr=recipe.optimiser.rate)
        self.average = None
        if recipe.optimiser.average:
            self.average = [parameter.detach().clone() for parameter in self.trained]
        self._compute_in(find_precision(run.precision, processes.device))
        self._parallel = self.objective
        if processes.count > 1:
            self._parallel = DistributedDataParallel(
                self.objective,
                broadcast_buffers=False,
                find_unused_parameters=True,  # of a head that an ablation leaves out, say
            )
        # Every process drops other paths; all began with the same weights.
        torch.manual_seed(run.seed + processes.rank)

    def _compute_in(self, dtype: torch.dtype) -> None:
        self.dtype = dtype
        # Gradients in float16 would vanish; those in bfloat16 don't.
        half = dtype == torch.float16
        self.scaler = torch.amp.GradScaler(self.processes.device.type, enabled=half)

    def fit(self, workers: int) -> None:
        """Run the steps that are left."""
        run, first = self.recipe.run, self.processes.first
        self.out.mkdir(parents=True, exist_ok=True)
        if first:
            settings = {"model": self.model.config.name, **settings_of(self.recipe)}
            settings["head"] = dataclasses.asdict(self.model.config.head)
            text = json.dumps(settings, indent=1) + "\n"
            write_whole(self.out / SETTINGS, lambda path: path.write_text(text, encoding="utf-8"))
        progress = tqdm(
            zip(*[iter(self._loader(workers))] * run.accumulate, strict=True),
            initial=self.step,
            total=run.steps,
            unit="step",
            disable=not first,
        )
        for parts in progress:
            started = time.perf_counter()
            losses = self.take_step(parts)
            losses["seconds"] = time.perf_counter() - started
            if self.processes.device.type == "cuda":
                losses["gigabytes"] = torch.cuda.max_memory_allocated(self.processes.device) / 1e9
            progress.set_postfix({name: f"{value:.3f}" for name, value in losses.items()})
            if first:
                append_to_log(self.out, {"step": self.step, **losses})
            if self.step % run.save_every == 0 or self.step == run.steps:
                self.save()

    def _loader(self, workers: int) -> DataLoader:
        """Load this process's share of the steps that are left, part by part."""
        run, share = self.recipe.run, self.recipe.run.batch // self.processes.count
        crops = [
            step * run.batch + self.processes.rank * share + place
            for step in range(self.step, run.steps)
            for place in range(share)
        ]
        return DataLoader(
            Subset(self.objective.data, crops),
            share // run.accumulate,
            num_workers=workers,
            collate_fn=self.objective.collate,
            generator=torch.Generator(),  # the global one is the network's, saved with it
        )

    def take_step(self, parts: Sequence) -> dict[str, float]:
        """Take one optimisation step on this process's batches; return the losses of all."""
        self.objective.learn()
        self._set_rate()
        self.optimizer.zero_grad(set_to_none=True)
        sums: dict[str, torch.Tensor] = {}
        for place, part in enumerate(parts, start=1):
            # Processes share gradients once a step, with the last part's.
            waits = place < len(parts) and self.processes.count > 1
            with self._parallel.no_sync() if waits else contextlib.nullcontext():
                with torch.autocast(
                    self.model.device.type, self.dtype, self.dtype != torch.float32
                ):
                    losses = self._parallel(part, self.step)
                self.scaler.scale(sum(losses.values()) / len(parts)).backward()
            for name, loss in losses.items():
                sums[name] = sums.get(name, 0) + loss.detach() / len(parts)
        means = self.processes.mean(torch.stack(list(sums.values()))).tolist()
        if not all(map(math.isfinite, means)):
            raise InputError(
                f"The loss of step {self.step + 1} is no number; a lower rate than "
                f"{self.recipe.optimiser.rate} may help. The last checkpoint is as it was."
            )
        self._update()
        return dict(zip(sums, means, strict=True))

    def _update(self) -> None:
        optimiser = self.recipe.optimiser
        if optimiser.clip_gradient:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.trained, optimiser.clip_gradient)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.step += 1
        if self.average is not None:
            # A young average follows quickly, so that it never remembers the start.
            decay = min(optimiser.average, self.step / (self.step + YOUNG))
            torch._foreach_lerp_(self.average, [p.detach() for p in self.trained], 1 - decay)

    def _set_rate(self) -> None:
        optimiser = self.recipe.optimiser
        start, end = self.objective.stage(self.step)
        rate = optimiser.rate * rate_factor(self.step - start, end - start, optimiser)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["factor"]

    def averaged(self) -> ERRSeg:
        """Return a model with the moving average of the weights, in evaluation mode, on the CPU.

        It knows whose masks this run and those before it saw, and what was held out of them all.
        """
        config = self.model.config
        words = self.objective.seen_words().union(config.towers.trained_words)
        held_out = sorted({*config.held_out, *self.recipe.data.held_out})
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
        random = self.processes.gather(_random_states(self.processes.device))
        if self.processes.first:
            state = {
                "settings": self._identity(),
                "step": self.step,
                "trained": [parameter.detach() for parameter in self.trained],
                "average": self.average,
                "optimizer": self.optimizer.state_dict(),
                "scaler": self.scaler.state_dict(),
                "precision": str(self.dtype).removeprefix("torch."),
                "random": random,
            }
            save_checkpoint(self.out, state)
        self.processes.wait()

    def resume(self) -> None:
        """Go on from the folder's checkpoint, if any.

        Raises:
            InputError: it was written under other settings, of another head or on other photos.
        """
        state = load_checkpoint(self.out)
        if state is None:
            if self.processes.first:
                cut_log(self.out, 0)
            return
        saved = state["settings"]
        if other := [name for name, value in self._identity().items() if saved.get(name) != value]:
            raise InputError(
                f"The checkpoint in {self.out} was written under other settings "
                f"({', '.join(other)}); give those, or another folder."
            )
        with torch.no_grad():
            for parameter, tensor in zip(self.trained, state["trained"], strict=True):
                parameter.copy_(tensor)
        if self.average is not None:
            self.average = [tensor.to(self.model.device) for tensor in state["average"]]
        self.step = state["step"]
        self.optimizer.load_state_dict(state["optimizer"])
        self._compute_in(getattr(torch, state["precision"]))  # whatever "auto" is today
        self.scaler.load_state_dict(state["scaler"])
        if len(state["random"]) == self.processes.count:
            _set_random_states(state["random"][self.processes.rank], self.processes.device)
        if self.processes.first:
            cut_log(self.out, self.step)

    def _identity(self) -> dict:
        """What a run's checkpoint belongs to."""
        head = dataclasses.asdict(self.model.config.head)
        return {**settings_of(self.recipe), "head": head, "photos": self.sets}


def _random_states(device: torch.device) -> dict[str, torch.Tensor]:
    """Save the generators that dropped paths and channels are drawn from."""
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def _set_random_states(states: dict[str, torch.Tensor], device: torch.device) -> None:
    torch.set_rng_state(states["cpu"])
    if "cuda" in states and device.type == "cuda":
        torch.cuda.set_rng_state(states["cuda"], device)
