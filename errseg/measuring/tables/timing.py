"""Latencies that can be compared: what is timed takes turns, and is divided by the default's."""

import statistics
import time
from collections.abc import Callable, Hashable, Mapping, Sequence

import torch

from errseg.device import wait_for

TURNS = 2  # of which the faster counts: others use the machine too


def seconds_now(device: torch.device) -> float:
    """Read a clock, after all that a GPU was given is done.

    With one thread on a CPU it is that thread's own, on which other programs' work doesn't count.
    """
    wait_for(device)
    alone = device.type == "cpu" and torch.get_num_threads() == 1
    return time.thread_time() if alone else time.perf_counter()


def fastest_in_turn(
    calls: Mapping[Hashable, Callable[[], object]], device: torch.device
) -> dict[Hashable, float]:
    """Make all calls in turn, then again from the last to the first, and so on.

    Returns:
        each one's seconds when it was fastest.
    """
    seconds: dict[Hashable, list[float]] = {key: [] for key in calls}
    for turn in range(TURNS):
        for key, call in list(calls.items())[:: -1 if turn % 2 else 1]:
            started = seconds_now(device)
            call()
            seconds[key].append(seconds_now(device) - started)
    return {key: min(taken) for key, taken in seconds.items()}


def median_ratio(seconds: Sequence[float], default: Sequence[float]) -> float:
    """Return the median over photos of their seconds by the same photos' at the default."""
    return statistics.median(a / b for a, b in zip(seconds, default, strict=True))
