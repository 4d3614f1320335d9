"""How long each stage of an answer takes, and who is told that it begins."""

import time
from collections.abc import Callable

import torch

from errseg.device import wait_for


class Clock:
    """Takes the seconds of each stage.

    Args:
        tell: is told the name of each that begins.
        device: does the work, which is waited for before time is read.
    """

    def __init__(self, tell: Callable[[str], None], device: torch.device):
        self.laps: dict[str, float] = {}
        self._tell, self._device = tell, device
        self._stage, self._last = "", 0.0

    def begin(self, stage: str = "") -> None:
        """End the stage before and begin another one, or none."""
        wait_for(self._device)
        now = time.perf_counter()
        if self._stage:
            self.laps[self._stage] = now - self._last
        self._stage, self._last = stage, now
        if stage:
            self._tell(stage)
