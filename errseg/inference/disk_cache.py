"""Text embeddings on disk, so that named vocabularies cost nothing after a restart.

One SQLite file in the user's cache folder: SQLite keeps writers of several processes apart. What
can't be read or written, for whatever reason, is treated as not there: a cache never fails.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

VARIABLE = "ERRSEG_CACHE"
"""Environment variable: another folder for the cache, or "off"."""
OFF = "off"
FILE = "text.sqlite"
LIMIT = 128 * 2**20
"""Bytes of values that are kept: some 50,000 prompts of errseg-base."""
PATIENCE = 2.0
"""Seconds to wait for another process that writes; after that the cache is skipped."""
CHECKSUM = 8
"""Bytes of the checksum that stands before each value."""
KEYS_AT_ONCE = 500
"""Keys per query; SQLite bounds the number of a statement's parameters."""
TABLE = "CREATE TABLE IF NOT EXISTS texts (key BLOB PRIMARY KEY, value BLOB, used REAL)"


def cache_folder() -> Path | None:
    """Find the folder of this user's caches for ERR-Seg; None if `VARIABLE` turns it off."""
    chosen = os.environ.get(VARIABLE, "")
    if chosen:
        return None if chosen.casefold() == OFF else Path(chosen)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library/Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "errseg"


Result = TypeVar("Result")


class DiskCache:
    """Texts -> bytes on disk, bounded, for one origin of the values.

    Args:
        folder: where the file lies; it is made when the first value is written.
        origin: what the values depend on besides the text, such as the weights' hash.
        limit: bytes of all values, of every origin.
    """

    def __init__(self, folder: Path, origin: str, limit: int = LIMIT):
        self.path = folder / FILE
        self.origin = origin
        self.limit = limit

    def get(self, texts: Iterable[str]) -> dict[str, bytes]:
        """Return the values of those texts that are kept, intact."""
        keys = {self._key(text): text for text in texts}
        if not keys or not self.path.is_file():
            return {}
        found = self._transaction(lambda connection: _read(connection, list(keys))) or {}
        return {keys[key]: value[CHECKSUM:] for key, value in found.items() if _intact(key, value)}

    def put(self, values: Mapping[str, bytes]) -> None:
        """Keep values, dropping those used longest ago if there are too many."""
        keyed = {self._key(text): value for text, value in values.items()}
        rows = {key: _checksum(key, value) + value for key, value in keyed.items()}
        self._transaction(lambda connection: _write(connection, rows, self.limit))

    def _transaction(self, work: Callable[[sqlite3.Connection], Result]) -> Result | None:
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
        except sqlite3.OperationalError:  # busy, read-only or full, but not broken
            return None
        except sqlite3.DatabaseError:
            with contextlib.suppress(OSError):
                self.path.unlink()  # broken: the next one starts anew
            return None
        except OSError:
            return None

    def _key(self, text: str) -> bytes:
        return hashlib.blake2b(f"{self.origin}\n{text}".encode(), digest_size=16).digest()


def _read(connection: sqlite3.Connection, keys: list[bytes]) -> dict[bytes, bytes]:
    found = {}
    for start in range(0, len(keys), KEYS_AT_ONCE):
        chunk = keys[start : start + KEYS_AT_ONCE]
        among = f"WHERE key IN ({','.join('?' * len(chunk))})"
        found |= dict(connection.execute(f"SELECT key, value FROM texts {among}", chunk))
        connection.execute(f"UPDATE texts SET used = ? {among}", [time.time(), *chunk])
    return found


def _write(connection: sqlite3.Connection, rows: dict[bytes, bytes], limit: int) -> None:
    now = time.time()
    connection.executemany(
        "INSERT OR REPLACE INTO texts VALUES (?, ?, ?)",
        [(key, value, now) for key, value in rows.items()],
    )
    (size,) = connection.execute("SELECT SUM(LENGTH(value)) FROM texts").fetchone()
    if size <= limit:
        return
    oldest = "SELECT key, LENGTH(value) FROM texts ORDER BY used, rowid"
    for key, length in connection.execute(oldest).fetchall():
        if size <= limit:
            break
        connection.execute("DELETE FROM texts WHERE key = ?", (key,))
        size -= length


def _checksum(key: bytes, value: bytes) -> bytes:
    return hashlib.blake2b(key + value, digest_size=CHECKSUM).digest()


def _intact(key: bytes, value: object) -> bool:
    return isinstance(value, bytes) and value[:CHECKSUM] == _checksum(key, value[CHECKSUM:])
