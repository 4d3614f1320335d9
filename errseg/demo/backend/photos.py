"""A visitor's photos as the network and the page see them: shrunk, and read once for all."""

import threading
from concurrent.futures import Future
from pathlib import Path

import numpy as np
from cachetools import TTLCache

from errseg.demo.backend.reader import PhotoReader
from errseg.inference.photo_files import ReadPhoto

LONGEST_SIDE = 2048
"""Pixels: larger photos are shrunk to this, which keeps an answer quick and its pictures small."""
PHOTO_CACHE = 40 * 2**20
"""Bytes of photos that are kept as they were read and shrunk: three of the largest."""


class Photos:
    """Reads photos' files for any number of threads, and keeps the last ones for a while.

    Args:
        seconds_to_keep: how long a photo is kept.
        reader: what reads a file.
    """

    def __init__(self, seconds_to_keep: float, reader: PhotoReader | None = None):
        self._reader = reader or PhotoReader()
        self._kept = TTLCache(
            PHOTO_CACHE, seconds_to_keep, getsizeof=lambda read: read.pixels.nbytes
        )
        self._reading: dict[tuple, Future[ReadPhoto]] = {}
        self._lock = threading.Lock()

    def start(self) -> None:
        """Get ready for the first photo, without waiting for it."""
        self._reader.start()

    def read(self, path: str | Path) -> ReadPhoto:
        """Read a photo, its longest side at most `LONGEST_SIDE`, and say so if that changed it.

        The pixels are read-only: all who ask for the file get the same ones. Who asks while it is
        being read waits for that; a failure is told to all of them and not kept.

        Raises:
            InputError: see `PhotoReader.read`.
        """
        key = _file_on_disk(path)
        with self._lock:
            if (kept := self._kept.get(key)) is not None:
                return kept
            reading, is_mine = self._reading.get(key), key not in self._reading
            if is_mine:
                reading = self._reading[key] = Future()
        if is_mine:
            self._read(path, key, reading)
        return reading.result()

    def _read(self, path: str | Path, key: tuple, reading: Future[ReadPhoto]) -> None:
        try:
            found = self._reader.read(path, LONGEST_SIDE)
            found.pixels.flags.writeable = False
            told = (*found.notices, *notices(found.pixels, found.size))
            read = found._replace(notices=told)
        except BaseException as error:
            with self._lock:
                del self._reading[key]
            reading.set_exception(error)
        else:
            with self._lock:
                del self._reading[key]
                self._kept[key] = read
            reading.set_result(read)


def notices(pixels: np.ndarray, size: tuple[int, int]) -> tuple[str, ...]:
    """Say that a photo was shrunk from a (width, height), if it was."""
    height, width = pixels.shape[:2]
    if (width, height) == size:
        return ()
    return (
        f"The photo was shrunk from {size[0]} x {size[1]} to {width} x {height} pixels; "
        "masks in files have its own size.",
    )


def _file_on_disk(path: str | Path) -> tuple:
    """Tell a file from others, and from what stood in its place before."""
    try:
        status = Path(path).stat()
    except (OSError, ValueError):  # a sentence for it has who reads it
        return (str(path),)
    return str(path), status.st_mtime_ns, status.st_size
