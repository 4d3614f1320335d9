"""Questions to another machine: asked once for all who wait, and nobody waits for ever."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from errseg.demo.backend.background import Background

T = TypeVar("T")

PATIENCE = 5.0  # seconds that a visitor waits for another machine
REMEMBERED = 10.0  # seconds that an answer counts, a failure too
GIVEN_UP = 60.0  # seconds after which what still isn't answered is asked anew


class LookUp(Generic[T]):
    """Asks in a thread of its own, whose answer is everybody's who asks meanwhile or soon after.

    A question that takes too long goes on without those who waited: who asks later may get its
    answer, and until it is answered there is no second one.

    Args:
        ask: returns the answer; what it raises is raised to all who wait.
        patience, remembered, given_up: in seconds, see the constants.
    """

    def __init__(
        self,
        ask: Callable[[], T],
        patience: float = PATIENCE,
        remembered: float = REMEMBERED,
        given_up: float = GIVEN_UP,
    ):
        self._ask = ask
        self._patience, self._remembered, self._given_up = patience, remembered, given_up
        self._current: _Question[T] | None = None
        self._choosing = threading.Lock()

    def result(self) -> T:
        """Wait for the answer.

        Raises:
            TimeoutError: there is none in time.
        """
        with self._choosing:
            now = time.monotonic()
            if self._current is None or self._is_old(self._current, now):
                self._current = _Question(self._ask)
            current = self._current
        left = max(current.began + self._patience - now, 0)
        return current.answer.result(left)

    def _is_old(self, question: "_Question", now: float) -> bool:
        if question.ended is None:
            return now - question.began > self._given_up
        return now - question.ended > self._remembered


class _Question(Generic[T]):
    def __init__(self, ask: Callable[[], T]):
        self._ask = ask
        self.began, self.ended = time.monotonic(), None
        self.answer = Background(self._answer)
        self.answer.start()

    def _answer(self) -> T:
        try:
            return self._ask()
        finally:
            self.ended = time.monotonic()
