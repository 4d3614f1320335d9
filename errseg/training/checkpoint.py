"""What a run writes, so that it can be killed at any moment: its checkpoint and its log.

A file is written beside its place, forced to the disk and then renamed: whoever is killed leaves
the last whole one. Of the log what came after the checkpoint is dropped when a run goes on.
"""

import json
import pickle
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure

from errseg.checkpoints.whole_files import write_whole
from errseg.errors import InputError

CHECKPOINT = "checkpoint.pt"
LOG = "log.jsonl"
PLOT_INCHES = (8, 4.5)
NO_LOSS = ("step", "seconds", "gigabytes")  # what a log says beside the losses
SMOOTHED_OVER = 40  # parts of a run whose mean loss the plot draws


def save_checkpoint(folder: Path, state: dict[str, Any]) -> None:
    """Replace a folder's checkpoint by another one."""
    write_whole(folder / CHECKPOINT, lambda path: torch.save(state, path))


def load_checkpoint(folder: Path) -> dict[str, Any] | None:
    """Read a folder's checkpoint; None if there is none.

    Raises:
        InputError: the file is none.
    """
    path = folder / CHECKPOINT
    if not path.exists():
        return None
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise InputError(
            f"{path} is no checkpoint of a run ({type(error).__name__}); give another folder."
        ) from None


def append_to_log(folder: Path, line: dict[str, float]) -> None:
    """Add a step to a folder's log."""
    with (folder / LOG).open("a", encoding="utf-8") as log:
        log.write(json.dumps(line) + "\n")


def read_log(folder: Path) -> list[dict[str, float]]:
    """Read a folder's log, one entry a step; what is half written counts as not written."""
    path = folder / LOG
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]  # a whole line ends with a newline
    return [json.loads(line) for line in lines]


def cut_log(folder: Path, steps: int) -> None:
    """Leave only a log's first steps, those that a checkpoint knows."""
    kept = [json.dumps(line) + "\n" for line in read_log(folder) if line["step"] <= steps]
    if (folder / LOG).exists():
        text = "".join(kept)
        write_whole(folder / LOG, lambda path: path.write_text(text, encoding="utf-8"))


def plot_losses(folder: Path, path: Path) -> None:
    """Draw a run's losses over its steps, each step's and their means."""
    log, figure = read_log(folder), Figure(figsize=PLOT_INCHES, layout="constrained")
    axes = figure.subplots()
    names = [name for name in (log[-1] if log else {}) if name not in NO_LOSS]
    for colour, name in enumerate(names):
        points = [(line["step"], line[name]) for line in log if name in line]
        steps, losses = zip(*points, strict=True)
        axes.plot(steps, losses, color=f"C{colour}", alpha=0.25, linewidth=0.8)
        every = max(1, len(points) // SMOOTHED_OVER)
        starts = range(0, len(points) - every + 1, every)
        middles = [steps[start + every // 2] for start in starts]
        means = [sum(losses[start : start + every]) / every for start in starts]
        axes.plot(middles, means, color=f"C{colour}", label=name)
    axes.set(xlabel="step", ylabel="loss", ylim=(0, None))
    axes.grid(alpha=0.3)
    if names:
        axes.legend()
    figure.savefig(path, dpi=150)
