"""Memory goes back to the system after heavy work; an allocator keeps what it once had."""

import contextlib
import ctypes
import functools
import gc
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
        self._settled = False  # whether what stays for good is known
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
            self._waiting = threading.Timer(SECONDS_IDLE, self._all)
            self._waiting.daemon = True
            self._waiting.start()
        if is_time:
            _trim()(0)

    def _all(self) -> None:
        """Hand back all that can be, also what nobody needs but each other.

        Python looks for that through everything that there is. What there was when nobody asked
        for the first time, half a million parts of the libraries above all, stays: it is passed
        over from then on, which leaves a tenth of the work.
        """
        gc.collect()
        if not self._settled:
            gc.freeze()
            self._settled = True
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
