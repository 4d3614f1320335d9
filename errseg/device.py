"""Where the network runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from errseg.errors import InputError

if TYPE_CHECKING:  # slow to import, and a command's options name the devices
    import torch

AUTOMATIC = "auto"
"""The fastest device there is."""


def find_device(name: str = AUTOMATIC) -> torch.device:
    """Turn a device's name into a device that is there.

    Args:
        name: "auto" (a CUDA GPU if there is one, otherwise the CPU), or a name of torch's, such
            as "cpu", "cuda:1" or "mps".

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
