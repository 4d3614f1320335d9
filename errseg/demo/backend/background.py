"""Work that is done once, in a thread of its own, for all who wait for it."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

T = TypeVar("T")


class Background(Generic[T]):
    """A value that is computed when it is first asked for, or as soon as `start` is called.

    Python waits at its end for the threads of a `ThreadPoolExecutor`; this one is a daemon, so that
    Ctrl-C need not wait for a model that is being loaded.

    Args:
        compute: returns the value; what it raises is raised to all who ask.
    """

    def __init__(self, compute: Callable[[], T]):
        self._compute = compute
        self._value: Future[T] = Future()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._starting = threading.Lock()

    def start(self) -> None:
        """Begin, unless it has begun."""
        with self._starting:
            if self._thread.ident is None:
                self._thread.start()

    def result(self, seconds: float | None = None) -> T:
        """Wait for the value, for ever or so many seconds.

        Raises:
            TimeoutError: it isn't there in time; the work goes on.
        """
        self.start()
        return self._value.result(seconds)

    def wait(self, seconds: float, meanwhile: Callable[[], None]) -> T:
        """Wait for the value for ever, and call a function whenever so many seconds have passed."""
        while True:
            try:
                return self.result(seconds)
            except TimeoutError:
                if self.ended:  # the work's own
                    raise
                meanwhile()

    @property
    def ended(self) -> bool:
        """Whether the work is over, well or not."""
        return self._value.done()

    @property
    def is_there(self) -> bool:
        """Whether nobody has to wait for the value, and there is one."""
        return self._value.done() and not self._value.exception()

    def _run(self) -> None:
        try:
            self._value.set_result(self._compute())
        except BaseException as error:  # SystemExit too: who waits must hear of it
            self._value.set_exception(error)
