"""A stand-in for a GPU: tensors that say they lie on "cuda", and are computed on the CPU.

What a real GPU refuses is refused: an operation on tensors of both places, and to read a tensor of
its as a NumPy array. As there, a tensor on the CPU may be an index or a number without dimensions.
Values are real, so whole answers and training steps can be computed and compared. What makes the
program wait for a GPU is noted down.
"""

import contextlib
import time
from collections.abc import Iterator
from types import SimpleNamespace
from unittest import mock

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

GPU = torch.device("cuda", 0)
CPU = torch.device("cpu")
aten = torch.ops.aten
WRITTEN_OUT = 0  # of attention's kinds, torch's matrix products: those that both places have
COPIES = (aten.copy_, aten._to_copy, aten.to)
INDEXED = (aten.index, aten._unsafe_index, aten.index_put, aten.index_put_, aten._index_put_impl_)
READ = (aten._local_scalar_dense, aten.item, aten.nonzero, aten._unique2, aten.bincount)
"""What a GPU's answer is waited for, besides copies from one place to the other."""


PROPERTIES = SimpleNamespace(name="Stand-in", major=9, minor=0, total_memory=2**30)


class Event:
    """A moment on the GPU."""

    def __init__(self, enable_timing: bool):
        assert enable_timing

    def record(self, stream: object) -> None:
        """Note the time down."""
        self.at = time.perf_counter()

    def elapsed_time(self, other: "Event") -> float:
        """Return the milliseconds from this moment to another."""
        return 1000 * (other.at - self.at)


class OnGPU(Tensor):
    """A tensor of the stand-in."""

    @staticmethod
    def __new__(cls, values: Tensor):
        """Say the same of it as of its values, but for the place."""
        with torch.inference_mode(values.is_inference()):
            return Tensor._make_wrapper_subclass(
                cls,
                values.shape,
                strides=values.stride(),
                storage_offset=values.storage_offset(),
                dtype=values.dtype,
                device=GPU,
            )

    def __init__(self, values: Tensor):
        self.values_here = values

    __torch_function__ = torch._C._disabled_torch_function_impl

    def __repr__(self):
        """Show the values."""
        return f"OnGPU({self.values_here!r})"

    def tolist(self):
        """Read the values, as a real GPU's can be read."""
        return self.cpu().tolist()

    @classmethod
    def __torch_dispatch__(cls, operation, types, given=(), named=None):
        """Compute what touches such a tensor."""
        return _computed(operation, given, named or {}, [])


class _Watched(TorchDispatchMode):
    """Sees every operation, and so makes tensors there where they are asked for there."""

    def __init__(self):
        super().__init__()
        self.waits: list[str] = []

    def __torch_dispatch__(self, operation, types, given=(), named=None):
        return _computed(operation, given, named or {}, self.waits)


@contextlib.contextmanager
def stand_in_gpu() -> Iterator[list[str]]:
    """Put the stand-in in place for a block.

    Yields:
        the operations that made the program wait, in their order.
    """
    # As torch's own fake tensors do it on machines without a GPU.
    torch._C._ensureCUDADeviceGuardSet()
    before = torch._C._only_lift_cpu_tensors()
    torch._C._set_only_lift_cpu_tensors(True)
    overwritten = torch.__future__.get_overwrite_module_params_on_conversion()
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    nothing = {"_lazy_init": None, "synchronize": None, "is_bf16_supported": True}
    nothing |= {"max_memory_allocated": 3 * 2**20, "memory_allocated": 2**20}
    nothing |= {"get_rng_state": torch.get_rng_state(), "empty_cache": None}
    nothing |= {"reset_peak_memory_stats": None, "get_device_properties": PROPERTIES}
    nothing |= {name: mock.MagicMock() for name in ("Stream", "current_stream", "stream")}
    nothing |= {name: mock.MagicMock() for name in ("graph", "CUDAGraph", "device")}
    try:
        with contextlib.ExitStack() as stack:
            for name, value in nothing.items():
                stack.enter_context(
                    mock.patch.object(torch.cuda, name, lambda *_, value=value, **__: value)
                )
            stack.enter_context(mock.patch.object(torch.cuda, "Event", Event))
            stack.enter_context(torch.backends.cudnn.flags(enabled=False))
            yield stack.enter_context(_Watched()).waits
    finally:
        torch._C._set_only_lift_cpu_tensors(before)
        torch.__future__.set_overwrite_module_params_on_conversion(overwritten)


def _computed(operation, given: tuple, named: dict, waits: list[str]):
    """Compute an operation on the CPU; what comes of it lies where a GPU would have it."""
    if operation is aten._has_compatible_shallow_copy_type.default:
        return False  # a module's parameters are replaced when it moves
    if operation is aten._fused_sdp_choice.default:
        return WRITTEN_OUT
    kind = operation.overloadpacket
    tensors = [x for x in tree_leaves((given, named)) if isinstance(x, Tensor)]
    there = [x for x in tensors if isinstance(x, OnGPU)]
    if there and kind not in COPIES:
        indices = tree_leaves(given[1]) if kind in INDEXED else []
        for x in tensors:
            fits = isinstance(x, OnGPU) or not x.ndim or any(x is index for index in indices)
            assert fits, f"{operation}: a tensor {tuple(x.shape)} on the CPU beside a GPU's"
    asked = [x for x in tree_leaves((given, named)) if isinstance(x, torch.device)]
    on_gpu = asked[0].type == GPU.type if asked else bool(there)
    if kind is aten.copy_:
        on_gpu = isinstance(given[0], OnGPU)
    crosses = kind in COPIES and (on_gpu != all(isinstance(x, OnGPU) for x in tensors))
    if (there and kind in READ) or crosses:
        waits.append(str(operation))
    owners = {id(x.values_here): x for x in there}  # what is changed in place stays what it is
    given, named = tree_map_only(OnGPU, lambda x: x.values_here, (given, named))
    given, named = tree_map_only(torch.device, lambda _: CPU, (given, named))
    out = operation(*given, **named)
    if not on_gpu:
        return out
    return tree_map_only(Tensor, lambda x: owners[id(x)] if id(x) in owners else OnGPU(x), out)
