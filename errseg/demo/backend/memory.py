"""Memory goes back to the system after heavy work; an allocator keeps what it once had."""

import contextlib
import ctypes
import functools
import sys
from collections.abc import Callable

WORTH_IT = 100 * 2**20  # bytes of a question after which looking for what can go back pays


ARENAS = -8  # mallopt's number of how many arenas threads share
FEW = 2


def share_arenas() -> None:
    """Let threads share glibc's arenas: one for each of a hundred keeps much that nobody uses."""
    if sys.platform == "linux":
        with contextlib.suppress(AttributeError, OSError):  # another C library
            ctypes.CDLL(None).mallopt(ARENAS, FEW)


def give_back(used: int) -> None:
    """Hand what is free back to the system, after work that used so many bytes."""
    if used >= WORTH_IT:
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
