"""Which of a visitor's questions is the last one: the page shows that, and drops those before."""

import threading
from collections.abc import Callable

from cachetools import LRUCache

MOST_VISITORS = 4096  # whose last question is known; of one forgotten, none counts as overtaken


class Latest:
    """Counts visitors' questions."""

    def __init__(self):
        self._asked: LRUCache[str, int] = LRUCache(MOST_VISITORS)
        self._dropped: LRUCache[str, int] = LRUCache(MOST_VISITORS)
        self._lock = threading.Lock()

    def begin(self, visitor: str | None) -> Callable[[], bool]:
        """Begin a visitor's question; the ones before are overtaken.

        Returns:
            what tells whether this one still is the last. Nobody's questions all are.
        """
        if visitor is None:
            return lambda: True
        with self._lock:
            number = self._asked.get(visitor, 0) + 1
            self._asked[visitor] = number
        return lambda: self._asked.get(visitor, number) == number

    def drop(self, visitor: str | None) -> None:
        """Drop a visitor's questions: none of those so far is wanted any more."""
        if visitor is not None:
            with self._lock:
                self._asked[visitor] = self._dropped[visitor] = self._asked.get(visitor, 0) + 1

    def dropped(self, visitor: str | None) -> bool:
        """Tell whether a visitor has dropped all questions and asked none since."""
        with self._lock:
            last = self._dropped.get(visitor)
            return last is not None and last == self._asked.get(visitor)

    def current(self, visitor: str | None) -> Callable[[], bool]:
        """Return what tells whether a visitor has begun no question since; this begins none."""
        if visitor is None:
            return lambda: True
        number = self._asked.get(visitor, 0)
        return lambda: self._asked.get(visitor, number) == number
