"""Photos are read in small processes of their own, so that one that takes too long can be ended.

The app holds `PhotoReader`; ``python -m errseg.demo.backend.reader`` is the other side, which
imports neither torch nor Gradio. They talk over the child's stdin and stdout: a message is its
length in four bytes and JSON, a photo's pixels follow theirs as they are.
"""

import contextlib
import json
import os
import queue
import signal
import struct
import subprocess
import sys
import threading
import weakref
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import AvifImagePlugin

from errseg.errors import InputError
from errseg.inference.photo_files import SMALLEST_PHOTO, ReadPhoto, read_photo

PROCESSES = 2  # that read at a time; a public Space has two cores
SECONDS_A_PHOTO = 4.0
"""The largest photos take 1.1 on an idle core, and 2 beside a network that computes."""
SECONDS_TO_START = 30.0  # 0.3 on an idle machine
MOST_MEMORY = 330 * 10**6
"""Bytes of addresses that a photo may take above those of the process that waits for one: the
largest photos take 290 million."""
RETURNED = 256 * 1024  # bytes from which glibc gives memory back to the system when it is free
MOST_TIFF_SCANS = 15  # of each JPEG in a TIFF, which libtiff counts itself
MOST_JSON = 2**16  # bytes of a message
LENGTH = struct.Struct(">L")
ROOT = Path(__file__).resolve().parents[3]  # where errseg is imported from

TOO_LONG = "This photo takes too long to read; save it again as a plain JPEG or PNG."
TOO_MUCH = "This photo takes too much memory to read; save it again as a plain JPEG or PNG."
UNREADABLE = "This photo can't be read; save it again as a plain JPEG or PNG."
NO_READER = "Photos can't be read at the moment; try again in a minute."


class PhotoReader:
    """Reads photos in child processes, for any number of threads; nothing starts before it must.

    Args:
        seconds: how long a photo may take; after that its process is killed and replaced.
        memory: bytes that a photo may take, where the platform can limit it.
        processes: how many read at a time; further threads wait for one.
    """

    def __init__(
        self,
        seconds: float = SECONDS_A_PHOTO,
        memory: int = MOST_MEMORY,
        processes: int = PROCESSES,
    ):
        self._seconds, self._memory = seconds, memory
        self._places = [_Place() for _ in range(processes)]
        # The one used last is taken first, so that a second process starts only for a second photo.
        self._free: queue.LifoQueue[_Place] = queue.LifoQueue()
        for place in self._places:
            self._free.put(place)
        self._end = weakref.finalize(self, _end, self._places)

    def start(self) -> None:
        """Start one process now, so that the first photo needn't wait for it; returns at once.

        If it can't be started, who reads a photo is told.
        """
        with self._place() as place, contextlib.suppress(InputError):
            place.worker(self._memory)

    def read(self, path: str | Path, longest: int) -> ReadPhoto:
        """Read a photo's file as `photo_files.read_photo` does.

        Raises:
            InputError: as there, or it takes too long or too much memory.
        """
        with self._place() as place:
            worker = place.worker(self._memory)
            try:
                return worker.read(path, longest, self._seconds)
            except InputError:
                raise  # the process has said so and waits for the next photo
            except _Lost as lost:
                place.end()
                raise InputError(str(lost)) from None
            except BaseException:  # Ctrl-C: what it still sends must be nobody else's photo
                place.end()
                raise

    def close(self) -> None:
        """End the processes; a photo that is being read gets a sentence, a later one a new process.

        Without it they end with this process, or when nothing refers to the reader any more.
        """
        _end(self._places)

    @contextlib.contextmanager
    def _place(self):
        place = self._free.get()
        try:
            yield place
        finally:
            self._free.put(place)


class _Lost(Exception):
    """The process is of no use any more; the message is for the person."""


class _Place:
    """Where a process may be: none yet, one, or one after another."""

    def __init__(self):
        self._worker: _Worker | None = None

    def worker(self, memory: int) -> "_Worker":
        if self._worker is None or not self._worker.lives:
            self.end()
            self._worker = _Worker(memory)
        return self._worker

    def end(self) -> None:
        worker, self._worker = self._worker, None
        if worker:
            worker.end()


def _end(places: list[_Place]) -> None:
    for place in places:
        place.end()


class _Worker:
    """The app's side of one process."""

    def __init__(self, memory: int):
        self._killed = threading.Event()  # for taking too long
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        environment = {
            **os.environ,
            "PYTHONPATH": path,
            "PYTHONSAFEPATH": "1",  # not the folder that the app was started in
            "OPENBLAS_NUM_THREADS": "1",  # else numpy's threads take addresses, a lot with each
            "MALLOC_MMAP_THRESHOLD_": str(RETURNED),
            "LIBTIFF_JPEG_MAX_ALLOWED_SCAN_NUMBER": str(MOST_TIFF_SCANS),
        }
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(memory)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # Pillow's and libtiff's warnings
                env=environment,
            )
        except OSError:
            raise InputError(NO_READER) from None
        self._is_ready = False

    @property
    def lives(self) -> bool:
        return not self._killed.is_set() and self._process.poll() is None

    def read(self, path: str | Path, longest: int, seconds: float) -> ReadPhoto:
        if not self._is_ready:
            with self._limit(SECONDS_TO_START, NO_READER, NO_READER):
                _received(self._process.stdout)
            self._is_ready = True
        with self._limit(seconds, TOO_LONG, UNREADABLE):
            _send(self._process.stdin, {"path": os.fspath(path), "longest": longest})
            reply = _received(self._process.stdout)
            if "refused" in reply:
                raise InputError(str(reply["refused"]))
            shape, size = _sizes(reply, longest)
            notices = tuple(map(str, reply["notices"]))
            pixels = np.empty(shape, np.uint8)
            _fill(self._process.stdout, memoryview(pixels).cast("B"))
        return ReadPhoto(pixels, size, notices)

    @contextlib.contextmanager
    def _limit(self, seconds: float, late: str, otherwise: str):
        """Kill the process after so many seconds.

        Raises:
            _Lost: that was so, with ``late``, or something else went wrong, with ``otherwise``.
        """
        timer = threading.Timer(seconds, self._kill)
        timer.daemon = True
        timer.start()
        try:
            yield
        except InputError:
            raise
        except (OSError, ValueError, LookupError, TypeError, EOFError):  # cut, or not our protocol
            raise _Lost(late if self._killed.is_set() else otherwise) from None
        finally:
            timer.cancel()
            timer.join()  # so that it can't kill at the next photo

    def _kill(self) -> None:
        self._killed.set()  # the system takes a moment
        self._process.kill()

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):  # what was never sent
                pipe.close()


def _sizes(reply: dict, longest: int) -> tuple[tuple[int, int, int], tuple[int, int]]:
    """Check a reply's sizes, so that a process gone wrong can't ask for any amount of memory."""
    (height, width), size = map(int, reply["shape"]), tuple(map(int, reply["size"]))
    if not SMALLEST_PHOTO <= min(height, width) <= max(height, width) <= longest or len(size) != 2:
        raise ValueError("sizes that no photo can have")
    return (height, width, 3), size


def _send(stream: BinaryIO, message: dict) -> None:
    data = json.dumps(message).encode("ascii")  # a path's odd bytes stay what they are
    stream.write(LENGTH.pack(len(data)) + data)
    stream.flush()


def _received(stream: BinaryIO) -> dict:
    """Read a message.

    Raises:
        EOFError: the other side is gone.
        ValueError: what comes is no message.
    """
    (length,) = LENGTH.unpack(_exactly(stream, LENGTH.size))
    if length > MOST_JSON:
        raise ValueError("too long for a message")
    message = json.loads(_exactly(stream, length))
    if not isinstance(message, dict):
        raise ValueError("not a message")
    return message


def _exactly(stream: BinaryIO, count: int) -> bytes:
    data = bytearray(count)
    _fill(stream, memoryview(data))
    return bytes(data)


def _fill(stream: BinaryIO, room: memoryview) -> None:
    done = 0
    while done < len(room):
        count = stream.readinto(room[done:])
        if not count:
            raise EOFError("the other side is gone")
        done += count


def _serve(memory: int) -> None:
    """Read what is asked for on stdin until that is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the app, which closes stdin
    requests, replies = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library may print is no reply
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # each takes addresses, and the other core has work
    _limit_memory(memory)
    _send(replies, {})
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            request = _received(requests)
            _reply(replies, request["path"], request["longest"])


def _reply(replies: BinaryIO, path: str, longest: int) -> None:
    try:
        read = read_photo(path, longest)
    except InputError as error:
        _send(replies, {"refused": str(error)})
    except MemoryError:
        _send(replies, {"refused": TOO_MUCH})
    except Exception:  # a decoder's surprise; the person needs no traceback, the log no photo
        _send(replies, {"refused": UNREADABLE})
    else:
        shape = read.pixels.shape[:2]
        _send(replies, {"shape": shape, "size": read.size, "notices": read.notices})
        replies.write(read.pixels)
        replies.flush()


def _limit_memory(memory: int) -> None:
    """Let this process take so many bytes more of addresses, where the platform can say so."""
    try:
        import resource  # not on Windows

        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except (ImportError, OSError):
        return
    most = pages * resource.getpagesize() + memory
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
