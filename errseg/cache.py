"""A small cache with a bound, safe to share between threads."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable


class BoundedCache:
    """Keeps what was used last, up to a number of bytes.

    Args:
        limit: bytes; a single value larger than this is not kept.
    """

    def __init__(self, limit: int):
        self.limit = limit
        self._values: OrderedDict[Hashable, tuple[object, int]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> object | None:
        """Return the value of a key, or None."""
        with self._lock:
            if key not in self._values:
                return None
            self._values.move_to_end(key)
            return self._values[key][0]

    def put(self, key: Hashable, value: object, size: int) -> None:
        """Keep a value of ``size`` bytes, dropping those used longest ago if need be."""
        with self._lock:
            if key in self._values:
                self._bytes -= self._values.pop(key)[1]
            if size > self.limit:
                return  # and the others stay
            self._values[key] = (value, size)
            self._bytes += size
            while self._bytes > self.limit:
                self._bytes -= self._values.popitem(last=False)[1][1]

    @property
    def bytes(self) -> int:
        """What is kept now."""
        return self._bytes

    def __len__(self) -> int:
        return len(self._values)
