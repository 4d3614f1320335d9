"""Milliseconds by stage, and the memory that a call needs, on a GPU as on a CPU.

A GPU works behind the program. It is asked to note the time itself when it gets to the end of a
stage (CUDA events), so that measuring doesn't make the program wait, which would hide what a call
really takes.
"""

import statistics
import time
from collections.abc import Callable

import torch

from errseg.device import wait_for

WHOLE = "whole"
"""The time from the first to the last of a call's marks, beside the stages."""
MS = 1000  # in a second


class StageClock:
    """Notes the time at the end of each stage of one call."""

    def __init__(self, device: torch.device):
        self._device = device
        self._stages: list[str] = []
        self._marks = [self._now()]

    def mark(self, stage: str) -> None:
        """End a stage, in whose call the device may still be behind."""
        self._stages.append(stage)
        self._marks.append(self._now())

    def milliseconds(self) -> dict[str, float]:
        """Wait for the device, and return how long each stage took, and `WHOLE` of them."""
        wait_for(self._device)
        steps = zip(self._marks, self._marks[1:], strict=False)
        taken = dict(zip(self._stages, (self._between(*step) for step in steps), strict=True))
        return taken | {WHOLE: self._between(self._marks[0], self._marks[-1])}

    def _now(self) -> float | torch.cuda.Event:
        if self._device.type != "cuda":
            wait_for(self._device)
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record(torch.cuda.current_stream(self._device))
        return event

    @staticmethod
    def _between(first: float | torch.cuda.Event, then: float | torch.cuda.Event) -> float:
        if isinstance(first, float):
            return MS * (then - first)
        return first.elapsed_time(then)


Marked = Callable[[Callable[[str], None]], object]
"""A call that is given what to tell the end of each of its stages."""


def medians(call: Marked, device: torch.device, runs: int, warm_up: int) -> dict[str, float]:
    """Make a call several times; return the median milliseconds of its stages and of `WHOLE`.

    Args:
        call: to measure.
        device: that it computes on.
        runs: that count.
        warm_up: runs before them.
    """
    taken = []
    for _ in range(warm_up + runs):
        wait_for(device)
        clock = StageClock(device)
        call(clock.mark)
        taken.append(clock.milliseconds())
    counted = taken[warm_up:]
    return {stage: statistics.median(run[stage] for run in counted) for stage in counted[0]}


def peak_bytes(call: Callable[[], object], device: torch.device) -> int | None:
    """Make a call; return the most bytes that it held beyond what was held before.

    Returns:
        None where torch doesn't count them, as on a CPU.
    """
    if device.type != "cuda":
        call()
        return None
    wait_for(device)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    call()
    wait_for(device)
    return torch.cuda.max_memory_allocated(device) - before
