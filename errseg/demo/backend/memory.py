"""Memory goes back to the system after heavy work; an allocator keeps what it once had."""

import contextlib
import ctypes
import functools
import sys
import threading
from collections.abc import Callable

WORTH_IT = 100 * 2**20  # bytes of questions after which looking for what can go back pays
SECONDS_IDLE = 3.0  # without a question, after which it costs nobody anything
ARENAS = -8  # mallopt's number of how many arenas threads share
FEW = 2


def share_arenas() -> None:
    """Let threads share glibc's arenas: one for each of a hundred keeps much that nobody uses."""
    if sys.platform == "linux":
        with contextlib.suppress(AttributeError, OSError):  # another C library
            ctypes.CDLL(None).mallopt(ARENAS, FEW)


class Returns:
    """Hands memory back to the system after so much work that it pays, and when nobody asks."""

    def __init__(self):
        self._used = 0
        self._waiting: threading.Timer | None = None
        self._lock = threading.Lock()

    def after(self, used: int) -> None:
        """Count what a question used, in bytes; hand back what is free if it is time."""
        with self._lock:
            self._used += used
            is_time = self._used >= WORTH_IT
            if is_time:
                self._used = 0
            if self._waiting:
                self._waiting.cancel()
            self._waiting = threading.Timer(SECONDS_IDLE, lambda: _trim()(0))
            self._waiting.daemon = True
            self._waiting.start()
        if is_time:
            _trim()(0)


@functools.cache
def _trim() -> Callable[[int], int]:
    """Find glibc's malloc_trim; elsewhere there is none, and allocators give back by themselves."""
    if sys.platform == "linux":
        try:
            return ctypes.CDLL(None).malloc_trim
        except (AttributeError, OSError):
            pass
    return lambda keep: 0
