"""Several processes at one job, as torchrun starts them; one alone is a job too.

All of it is torch.distributed's: NCCL between CUDA GPUs, gloo between CPUs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from errseg.device import AUTOMATIC, find_device

if TYPE_CHECKING:  # slow to import, and a command's options come first
    import torch

WORLD_SIZE, LOCAL_RANK = "WORLD_SIZE", "LOCAL_RANK"  # what torchrun tells its processes


@dataclass(frozen=True)
class Processes:
    """This process among those of its job."""

    device: torch.device
    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that writes and speaks for all."""
        return self.rank == 0

    def share(self, items: Sequence) -> Sequence:
        """Return this process's share of a list: every ``count``-th item."""
        return items[self.rank :: self.count]

    def mean(self, tensor: torch.Tensor) -> torch.Tensor:
        """Average a tensor over all processes; no gradient flows through."""
        if self.count == 1:
            return tensor
        import torch.distributed as dist

        total = tensor.detach().clone()
        dist.all_reduce(total)
        return total / self.count

    def gather(self, value: Any) -> list:
        """Give every process what all have, in the order of their ranks."""
        if self.count == 1:
            return [value]
        import torch.distributed as dist

        values = [None] * self.count
        dist.all_gather_object(values, value)
        return values

    def wait(self) -> None:
        """Wait until all processes are here."""
        if self.count > 1:
            import torch.distributed as dist

            dist.barrier()


@contextmanager
def joined_processes(device: str = AUTOMATIC) -> Iterator[Processes]:
    """Join the processes that torchrun started, for a ``with`` block; without it, be alone.

    Args:
        device: a name that `find_device` takes. Of several CUDA GPUs of a machine each process
            takes its own.

    Raises:
        InputError: there is no such device here.
    """
    count = int(os.environ.get(WORLD_SIZE, 1))
    if count == 1:
        yield Processes(find_device(device))
        return
    import torch
    import torch.distributed as dist

    chosen = find_device(device)
    if chosen.type == "cuda":
        chosen = torch.device("cuda", int(os.environ[LOCAL_RANK]))
        torch.cuda.set_device(chosen)
    dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
    try:
        yield Processes(chosen, dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()
