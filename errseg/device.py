"""Where the network runs, in which precision, and what a full memory there is called."""

from __future__ import annotations

import contextlib
import functools
import threading
import time
from typing import TYPE_CHECKING

from errseg.errors import InputError

if TYPE_CHECKING:  # slow to import, and a command's options name the devices
    import torch

AUTOMATIC = "auto"  # the fastest device there is, and the fastest precision of it
FLOAT32 = "float32"
LESS_MEMORY = "fewer kept classes (P), a smaller input, fewer tiles or a smaller batch take less"
NAME_SHOWN = 30  # characters of what was given for a device, in a sentence
PRECISIONS = (AUTOMATIC, FLOAT32, "bfloat16", "float16")
NATIVE_BFLOAT16 = ("avx512_bf16", "amx_bf16")
"""Instructions of a CPU without which bfloat16 is slower than float32. With the first alone it may
be slower too: of two CPUs that have it, one multiplies 2.7 times as fast and one half as fast."""
TRIAL_SIDE = 512
"""Rows and columns of the matrices that a CPU multiplies once to show how fast it is: as large as
the network's own, and still done in a millisecond or two."""
TRIALS = 5
"""Products in each precision, in turn. The fastest counts: a busy machine then changes little."""
SAID_OF_MEMORY = ("out of memory", "can't allocate memory", "ALLOC_FAILED")
"""What torch's errors say of a full memory where they have no class of their own: MPS, a CPU's
allocator, cuBLAS and cuDNN."""
NEEDED_GAIN = 1.25  # how many times as fast as float32 bfloat16 must be to be worth its rounding
_TRIAL = threading.Lock()


def find_device(name: str | torch.device = AUTOMATIC) -> torch.device:
    """Turn a device's name into a device that is there; all that computes asks here.

    "auto" is a CUDA GPU if there is one, otherwise the CPU; other names are torch's, such as "cpu",
    "cuda:1" or "mps".

    On CUDA float32 is float32 from then on, see `keep_float32`.

    Raises:
        InputError: there is no such device here.
    """
    import torch

    if name == AUTOMATIC:
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device).add(1).cpu()  # a name may be valid, its device absent
    except (RuntimeError, AssertionError, NotImplementedError, TypeError):
        raise InputError(
            f"There is no device {str(name)!r:.{NAME_SHOWN}} here; give {_devices_here()}."
        ) from None
    keep_float32(device)
    return device


def keep_float32(device: torch.device) -> None:
    """Let torch's convolutions on CUDA compute in float32 where they are asked to.

    What stays float32 in our networks does so because rounding decides there, and by itself torch
    rounds it to TF32's 10 bits. It holds for all of the process, from then on.
    """
    import torch

    if device.type == "cuda":
        torch.backends.cudnn.allow_tf32 = False


def _devices_here() -> str:
    """Say which devices can be given."""
    import torch

    there = [AUTOMATIC, "cpu"]
    if torch.cuda.is_available():
        there += [f"cuda:{place}" for place in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        there.append("mps")
    return f"{', '.join(there[:-1])} or {there[-1]}"


def wait_for(device: torch.device) -> None:
    """Wait until a device has done all that it was given: a clock that is read then is true."""
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def says_memory_is_full(error: BaseException) -> bool:
    """Tell whether an error says that a device's memory, or this machine's, is full."""
    import torch

    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(said in str(error) for said in SAID_OF_MEMORY)


def memory_is_full(device: torch.device | None = None) -> InputError:
    """Give back what torch holds of a device's memory and doesn't need; return what to raise.

    Call it when the error is gone, not while it is handled: its frames hold what was computed.

    Args:
        device: whose memory it is, if that is known.
    """
    import torch

    if device is None:
        return InputError(f"The memory is too small for this; {LESS_MEMORY}.")
    if device.type in ("cuda", "mps"):
        getattr(torch, device.type).empty_cache()
    place = "this machine" if device.type == "cpu" else device
    return InputError(f"The memory of {place} is too small for this; {LESS_MEMORY}.")


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
    if device.type == "cuda":
        # The question is of the current GPU, which needn't be this one.
        current = torch.cuda.device(device) if device.index else contextlib.nullcontext()
        with current:
            if torch.cuda.is_bf16_supported(including_emulation=False):
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
