"""The app with faults: ``python faulty_app.py FILE [options of app.py]``.

What FILE says at a moment is what is wrong then; see `FAULTS`, `DISK`, `CLOCK` and `SLOW`.
The Hub is asked anew each time, as if there had been a pause in between.
"""

import builtins
import errno
import io
import os
import shutil
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FAULTS = {
    "MemoryError": MemoryError,
    "CUDA out of memory": lambda: RuntimeError("CUDA out of memory. Tried to allocate 2 GiB."),
    "allocator": lambda: RuntimeError("DefaultCPUAllocator: can't allocate memory"),
    "SystemExit": SystemExit,
    "RecursionError": RecursionError,
    "KeyError": lambda: KeyError("lost"),
    "StopIteration": StopIteration,
    "AssertionError": AssertionError,
    "OSError": lambda: OSError(errno.EIO, "Input/output error"),
    "TimeoutError": TimeoutError,
}
"""What the network raises, by what the file says."""
DISK = {"disk full": errno.ENOSPC, "read-only disk": errno.EROFS}
"""Why nothing can be written."""
CLOCK = {"clock set back": -86_400.0, "clock set forward": 400 * 86_400.0}  # seconds
SLOW, SECONDS_SLOW = "slow", 0.5  # the network takes so much longer, between two looks at who waits
WRITING = set("wax+")  # modes of `open`
WRITING_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT
HUB_REMEMBERED, HUB_GIVEN_UP = 0.1, 6.0  # seconds, instead of those of `look_up`


def main() -> None:
    """Put the faults in and start the app."""
    switch = Path(sys.argv.pop(1))
    sys.path.insert(0, str(ROOT))
    before = builtins.open

    def fault() -> str:
        try:
            with before(switch) as file:
                return file.read()
        except OSError:
            return ""

    _break_network(fault)
    _break_disk(fault, before)
    _ask_the_hub_anew()
    clock = time.time
    time.time = lambda: clock() + CLOCK.get(fault(), 0.0)
    import app

    app.main()


def _break_network(fault) -> None:
    from errseg.network.model import ERRSeg

    decode = ERRSeg.decode

    def broken(self, *arguments, **named):
        said = fault()
        if said in FAULTS:
            raise FAULTS[said]()
        if said == SLOW:
            time.sleep(SECONDS_SLOW)
        return decode(self, *arguments, **named)

    ERRSeg.decode = broken


def _break_disk(fault, before) -> None:
    usage, open_descriptor = shutil.disk_usage, os.open

    def check(file, is_writing):
        if is_writing and not isinstance(file, int) and (number := DISK.get(fault())):
            raise OSError(number, os.strerror(number), str(file))

    def broken(file, mode="r", *arguments, **named):
        check(file, WRITING & set(mode))
        return before(file, mode, *arguments, **named)

    def broken_descriptor(path, flags, *arguments, **named):
        check(path, flags & WRITING_FLAGS)
        return open_descriptor(path, flags, *arguments, **named)

    def none_free(path):
        found = usage(path)
        return found._replace(used=found.total, free=0) if fault() == "disk full" else found

    builtins.open = io.open = broken
    os.open = broken_descriptor
    shutil.disk_usage = none_free


def _ask_the_hub_anew() -> None:
    from errseg.demo.backend.look_up import PATIENCE, LookUp

    LookUp.__init__.__defaults__ = (PATIENCE, HUB_REMEMBERED, HUB_GIVEN_UP)


if __name__ == "__main__":
    main()
