"""Who waits for an answer at this moment: the open connections, by visitor."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Listeners:
    """Counts the connections over which answers go out; the server tells of each."""

    def __init__(self):
        self._connections: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._tell: Callable[[str], None] = lambda visitor: None

    def tell(self, arrived: Callable[[str], None]) -> None:
        """Call a function with each visitor whose connection has just been counted."""
        self._tell = arrived

    @contextmanager
    def connected(self, visitor: str) -> Iterator[None]:
        """Count a visitor's connection while a block runs."""
        with self._lock:
            self._connections[visitor] += 1
        try:
            self._tell(visitor)
            yield
        finally:
            with self._lock:
                self._connections[visitor] -= 1
                if not self._connections[visitor]:
                    del self._connections[visitor]

    def __contains__(self, visitor: str) -> bool:
        return visitor in self._connections
