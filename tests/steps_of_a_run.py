"""Takes a few training steps on a tiny model, alone or as one of torchrun's processes.

``python steps_of_a_run.py RECIPE DATA OUT [NAME=VALUE ...]`` writes what the steps came to as
OUT/steps.pt: losses, the last step's gradients, and the weights. The same batch gives the same
with any number of processes, for nothing is drawn: no path and no channel is dropped, unless
``drop_path`` says so. The variable STOP_AFTER ends the run by an error after that step; KILL kills
it "between" its checkpoints, after the third step, or "within" the second.
"""

import dataclasses
import json
import os
import signal
import sys
from pathlib import Path

import torch
from conftest import build_tiny

from errseg.datasets.folders import load_sets
from errseg.distributed import joined_processes
from errseg.training import checkpoint
from errseg.training.config import LITE, PUBLISHED, with_settings
from errseg.training.run import TrainingRun

TINY = {
    "published": (PUBLISHED, {"shortest_edge": 64, "warm_up": 2, "rate": 1e-3}),
    "lite": (LITE, {"vocabulary": 5, "imagenet_share": 0.0, "same_set": 1, "warm_up": 2}),
}
EVERY = {"steps": 3, "batch": 4, "crop": 64, "kept_classes": 2, "precision": "float32"}


class Interrupted(TrainingRun):
    """A run that is stopped or killed at some moment."""

    def take_step(self, parts):
        if str(self.step) == os.environ.get("STOP_AFTER"):
            raise OSError("no space left on device")
        if self.step == 3 and os.environ.get("KILL") == "between":
            os.kill(os.getpid(), signal.SIGKILL)
        return super().take_step(parts)


def save_half(state, path):
    """Write half of the second checkpoint, and be killed."""
    whole_save(state, path)
    if state["step"] == 4:
        size = path.stat().st_size
        os.truncate(path, size // 2)
        os.kill(os.getpid(), signal.SIGKILL)


whole_save = torch.save


def main(name: str, data: str, out: str, *changes: str) -> None:
    torch.set_num_threads(1)
    preset, settings = TINY[name]
    given = {key: json.loads(value) for key, value in (change.split("=") for change in changes)}
    dropped = given.pop("drop_path", 0.0)
    recipe = with_settings(preset, EVERY | settings | {"clip_gradient": 0.0} | given)
    model = build_tiny(lite=name == "lite", cost_shortcut=name == "lite", drop_path=dropped)
    if name == "lite":
        model.towers.config = dataclasses.replace(model.towers.config, residual_dropout=0.0)
    with joined_processes("cpu") as processes:
        if os.environ.get("KILL") == "within":
            checkpoint.torch.save = save_half
        run = Interrupted(model, load_sets(data), Path(out), recipe, processes)
        run.resume()
        run.fit(workers=0)
        if processes.first:
            named = dict(run.model.named_parameters())
            gradients = {n: p.grad for n, p in named.items() if p.grad is not None}
            state = {"gradients": gradients, "weights": run.model.state_dict()}
            torch.save(state | {"average": run.average}, Path(out) / "steps.pt")


if __name__ == "__main__":
    main(*sys.argv[1:])
