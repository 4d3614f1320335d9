"""Where the network runs, and in which precision."""

from __future__ import annotations

import functools
import threading
import time
from typing import TYPE_CHECKING

from errseg.errors import InputError

if TYPE_CHECKING:  # slow to import, and a command's options name the devices
    import torch

AUTOMATIC = "auto"  # the fastest device there is, and the fastest precision of it
FLOAT32 = "float32"
PRECISIONS = (AUTOMATIC, FLOAT32, "bfloat16", "float16")
NATIVE_BFLOAT16 = ("avx512_bf16", "amx_bf16")
"""Instructions of a CPU without which bfloat16 is slower than float32. With the first alone it may
be slower too: of two CPUs that have it, one multiplies 2.7 times as fast and one half as fast."""
TRIAL_SIDE = 512
"""Rows and columns of the matrices that a CPU multiplies once to show how fast it is: as large as
the network's own, and still done in a millisecond or two."""
TRIALS = 5
"""Products in each precision, in turn. The fastest counts: a busy machine then changes little."""
NEEDED_GAIN = 1.25  # how many times as fast as float32 bfloat16 must be to be worth its rounding
_TRIAL = threading.Lock()


def find_device(name: str = AUTOMATIC) -> torch.device:
    """Turn a device's name into a device that is there.

    "auto" is a CUDA GPU if there is one, otherwise the CPU; other names are torch's, such as "cpu",
    "cuda:1" or "mps".

    Raises:
        InputError: there is no such device here.
    """
    import torch

    if name == AUTOMATIC:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device).add(1).cpu()  # a name may be valid, its device absent
    except (RuntimeError, AssertionError, NotImplementedError):
        raise InputError(
            f"There is no device {name!r} here; give {AUTOMATIC}, cpu or the name of a GPU."
        ) from None
    return device


def check_precision(name: object) -> str:
    """Return a precision's name as it is, or raise an `InputError` if there is none such."""
    if name not in PRECISIONS:
        raise InputError(f"There is no precision {str(name)[:20]!r}; give {', '.join(PRECISIONS)}.")
    return name


def find_precision(name: str, device: torch.device) -> torch.dtype:
    """Turn one of `PRECISIONS` into the type of number that the network computes in on a device.

    "auto" is bfloat16 on a CUDA GPU that has it natively and on a CPU that has it natively and is
    faster with it (which is tried once), float16 on other GPUs, and float32 on other CPUs.

    Raises:
        InputError: see `check_precision`.
    """
    import torch

    if check_precision(name) != AUTOMATIC:
        return getattr(torch, name)
    if device.type == "cpu":
        has = getattr(torch.cpu, "get_capabilities", dict)()  # older torch can't tell
        native = any(has.get(x) for x in NATIVE_BFLOAT16)
        with _TRIAL:  # two trials at once would slow each other
            return torch.bfloat16 if native and bfloat16_gain() >= NEEDED_GAIN else torch.float32
    if device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.bfloat16
    return torch.float16


@functools.cache
def bfloat16_gain() -> float:
    """Try how many times as fast as in float32 this CPU multiplies matrices in bfloat16.

    It takes some ten milliseconds once, in a process's first call. See `TRIAL_SIDE`.
    """
    import torch

    # Ones take as long as other numbers, and draw none from torch's generator.
    square = torch.ones(TRIAL_SIDE, TRIAL_SIDE)
    matrices = {dtype: square.to(dtype) for dtype in (torch.float32, torch.bfloat16)}
    best = dict.fromkeys(matrices, float("inf"))
    with torch.inference_mode():
        for _ in range(TRIALS):
            for dtype, matrix in matrices.items():
                started = time.perf_counter()
                matrix @ matrix
                best[dtype] = min(best[dtype], time.perf_counter() - started)
    return best[torch.float32] / best[torch.bfloat16]
