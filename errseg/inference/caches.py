"""What inference remembers: values in memory, and text embeddings on disk, each with a bound.

On disk it is one SQLite file of plain bytes in the user's cache folder, so that named vocabularies
cost nothing after a restart: SQLite keeps writers of several processes apart. What can't be read or
written, for whatever reason, is treated as not there: a cache never fails.
"""

import contextlib
import hashlib
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Hashable, Iterable, Mapping
from operator import itemgetter
from pathlib import Path

import numpy as np
from cachetools import LRUCache
from platformdirs import user_cache_path

VARIABLE = "ERRSEG_CACHE"  # environment variable: another folder for the cache, or "off"
OFF = "off"
FILE = "text.sqlite"
DISK_LIMIT = 128 * 2**20
"""Bytes of values that are kept on disk: some 50,000 prompts of errseg-base."""
PATIENCE = 2.0  # seconds to wait for another process that writes; after that the cache is skipped
CHECKSUM = 8  # bytes of the checksum that stands before each value
TABLE = "CREATE TABLE IF NOT EXISTS texts (key BLOB PRIMARY KEY, value BLOB, used REAL)"
DROP_OLDEST = """
DELETE FROM texts WHERE key IN (
    SELECT key FROM (
        SELECT key, SUM(LENGTH(value)) OVER (ORDER BY used DESC, rowid DESC) AS with_newer
        FROM texts
    ) WHERE with_newer > ?
)
"""


class BoundedCache:
    """Keep what was used last, up to `limit` bytes; safe to share between threads."""

    def __init__(self, limit: int):
        self._values = LRUCache(limit, getsizeof=itemgetter(1))  # key -> (value, bytes)
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> object | None:
        """Return the value of a key, or None."""
        with self._lock:
            return self._values.get(key, (None, 0))[0]

    def put(self, key: Hashable, value: object, size: int) -> None:
        """Keep a value of ``size`` bytes, dropping those used longest ago if need be.

        A value larger than the limit is not kept, and the others stay.
        """
        with self._lock:
            self._values.pop(key, None)
            if size <= self._values.maxsize:
                self._values[key] = (value, size)

    def clear(self) -> None:
        """Keep nothing."""
        with self._lock:
            self._values.clear()

    @property
    def bytes(self) -> int:
        """What is kept now."""
        return self._values.currsize


class KeysOfArrays:
    """What was found to name an array, while it is there; only where nothing can change it."""

    def __init__(self):
        self._keys: dict[tuple[int, Hashable], tuple[weakref.ref, Hashable]] = {}

    def get(self, array: np.ndarray, use: Hashable) -> Hashable | None:
        """Return an array's key for a use, or None."""
        same, key = self._keys.get((id(array), use), (lambda: None, None))
        return key if same() is array else None

    def put(self, array: np.ndarray, use: Hashable, key: Hashable) -> None:
        """Remember a key, if the array is read-only and its values are its own."""
        if array.flags.owndata and not array.flags.writeable:
            place = id(array), use
            self._keys[place] = weakref.ref(array, lambda _: self._keys.pop(place, None)), key


class DiskCache:
    """Texts -> bytes on disk, bounded, for one origin of the values.

    Args:
        folder: where the file lies; it is made when the first value is written.
        origin: what the values depend on besides the text, such as the weights' hash.
        limit: bytes of all values, of every origin.
    """

    def __init__(self, folder: Path, origin: str, limit: int = DISK_LIMIT):
        self.path = folder / FILE
        self.origin = origin
        self.limit = limit

    def get(self, texts: Iterable[str]) -> dict[str, bytes]:
        """Return the values of those texts that are kept, intact."""
        keys = {self._key(text): text for text in texts}
        if not keys or not self.path.is_file():
            return {}

        def read(connection: sqlite3.Connection) -> dict[bytes, bytes]:
            select = "SELECT key, value FROM texts WHERE key = ?"
            rows = [connection.execute(select, (key,)).fetchone() for key in keys]
            used = [(time.time(), row[0]) for row in rows if row]
            connection.executemany("UPDATE texts SET used = ? WHERE key = ?", used)
            return dict(filter(None, rows))

        found = self._transaction(read) or {}
        return {keys[key]: value[CHECKSUM:] for key, value in found.items() if _intact(key, value)}

    def put(self, values: Mapping[str, bytes]) -> None:
        """Keep values, dropping those used longest ago if there are too many."""
        keyed = {self._key(text): value for text, value in values.items()}
        rows = [(key, _checksum(key, value) + value, time.time()) for key, value in keyed.items()]

        def write(connection: sqlite3.Connection) -> None:
            connection.executemany("INSERT OR REPLACE INTO texts VALUES (?, ?, ?)", rows)
            connection.execute(DROP_OLDEST, (self.limit,))

        self._transaction(write)

    def _transaction(self, work: Callable[[sqlite3.Connection], dict | None]) -> dict | None:
        """Do all of some work or nothing of it; None where that can't be done."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self.path, timeout=PATIENCE, isolation_level=None)
            with contextlib.closing(connection):
                connection.execute("PRAGMA synchronous = OFF")  # checksums find what a crash broke
                with connection:  # commits, or rolls back what failed
                    connection.execute("BEGIN IMMEDIATE")  # waits for its turn here
                    connection.execute(TABLE)
                    return work(connection)
        except (OSError, sqlite3.OperationalError):  # busy, read-only or full, but not broken
            return None
        except sqlite3.DatabaseError:
            with contextlib.suppress(OSError):
                self.path.unlink()  # broken: the next one starts anew
            return None

    def _key(self, text: str) -> bytes:
        return hashlib.blake2b(f"{self.origin}\n{text}".encode(), digest_size=16).digest()


def cache_folder() -> Path | None:
    """Find the folder of this user's caches for ERR-Seg; None if `VARIABLE` turns it off."""
    chosen = os.environ.get(VARIABLE, "")
    if chosen.casefold() == OFF:
        return None
    return Path(chosen) if chosen else user_cache_path("errseg", appauthor=False)


def _checksum(key: bytes, value: bytes) -> bytes:
    return hashlib.blake2b(key + value, digest_size=CHECKSUM).digest()


def _intact(key: bytes, value: object) -> bool:
    return isinstance(value, bytes) and value[:CHECKSUM] == _checksum(key, value[CHECKSUM:])
