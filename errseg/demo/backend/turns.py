"""Who computes: a question in its turn, in one of a few threads, where a GPU is lent if one is."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from errseg.demo.backend.budget import Price
from errseg.demo.backend.gpu import Work
from errseg.demo.backend.memory import Returns
from errseg.demo.backend.models import Loaded, Models
from errseg.demo.backend.places import MOST_BEGUN, Number, Places

if TYPE_CHECKING:  # torch takes seconds to import; the page paints before it is there
    from errseg.inference.predictor import Predictor

T = TypeVar("T")


class Turns:
    """Lets questions compute.

    Args:
        models: which answer; they say whether a GPU is lent.
        places: who computes when.
        seconds: that a question may cost.
    """

    def __init__(self, models: Models, places: Places, seconds: float):
        self._models, self._places, self._seconds = models, places, seconds
        self._threads = ThreadPoolExecutor(MOST_BEGUN + 1, "network")
        self._returns = Returns()

    def on_network(
        self,
        loaded: Loaded,
        price: Price,
        compute: Callable[[Predictor], T],
        number: Number | None = None,
    ) -> T:
        """Compute with the network in the question's turn, where a GPU is lent if one is.

        What computes is a function of a module, and its result lies on the CPU: both may go
        through other processes.
        """
        return self.take(
            loaded,
            price,
            lambda pause, tell: self._compute(loaded, price, compute, pause, tell),
            number,
        )

    def _compute(
        self,
        loaded: Loaded,
        price: Price,
        compute: Callable[[Predictor], T],
        pause: Callable[[], None],
        tell: Callable[[str], None],
    ) -> T:
        if self._models.loans:
            return self._models.loans(Work(loaded.source, price.seconds, compute), pause, tell)
        with loaded.predictor.pauses.calling(pause, tell):
            return compute(loaded.predictor)

    def take(
        self,
        loaded: Loaded,
        price: Price,
        work: Callable[[Callable[[], None], Callable[[str], None]], T],
        number: Number | None = None,
    ) -> T:
        """Work when it is the question's turn, and make way where others go first.

        It works in one of a few threads: torch keeps memory for every thread that used it. The work
        is given what to call between its parts, and what to tell its stages to.
        """
        ordinary, tell = loaded.prices.ordinary, self._places.teller()
        turn = self._places.turn(price.seconds, ordinary, self._seconds, number)
        try:
            with turn as pause:
                context = contextvars.copy_context()
                return self._threads.submit(context.run, work, pause, tell).result()
        finally:
            self._returns.after(price.bytes)
