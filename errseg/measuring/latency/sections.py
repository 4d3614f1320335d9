"""What is measured, a section a line: latency by stage, groups of classes, and what bounds it."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from errseg.checkpoints.compilation import check_compilable, compile_network
from errseg.device import AUTOMATIC, wait_for
from errseg.errors import InputError
from errseg.measuring import as_drawn
from errseg.measuring.benchmark import run_photos
from errseg.measuring.latency.clock import MS, medians, peak_bytes
from errseg.measuring.latency.networks import (
    AS_DRAWN,
    KINDS,
    Networks,
    conditions,
    made_up,
    prompts,
)
from errseg.measuring.latency.plan import Case, Plan, Row
from errseg.network.model import ERRSeg

TABLE, TEXT, GROUPS, OTHERS = "Table III", "text", "groups of classes", "other models"
PROFILE, GRAPH, COMPILED = "profile", "CUDA graph", "compiled"
KERNELS_TOLD = 12  # of the profile, those that take longest
NAME_TOLD = 60  # characters of a kernel's name
GRAPH_WARM_UP = 3  # runs before a CUDA graph is recorded, on a stream of its own, as torch advises


@dataclass(frozen=True)
class Section:
    """One thing to measure."""

    name: str
    measure: Callable[[], Row | Sequence[str]]  # a row of the table, or lines above it
    learns: bool = False  # whether it needs gradients


def sections(plan: Plan, networks: Networks, more: Iterable[Section] = ()) -> Iterator[Section]:
    """List what is measured, what matters most first; ``more`` comes before what takes longest."""
    latency = partial(_latency, plan, networks)
    for batch in plan.batches:
        for case in plan.cases:
            for kind in KINDS:
                yield latency(TABLE, plan.model, case, kind, batch)
    for case in plan.cases:
        for kind in KINDS:
            yield Section(
                _name(plan.model, case, TEXT, kind), partial(_text, plan, networks, case, kind)
            )
    for case in plan.cases:
        for group in plan.groups:
            yield latency(GROUPS, plan.model, case, AUTOMATIC, 1, group)
    for name in plan.others:
        for kind in KINDS:
            yield latency(OTHERS, name, plan.cases[-1], kind, 1)
    if not plan.bounds:
        return
    yield from more
    for case in plan.cases:
        for what, measure in ((PROFILE, _profile), (GRAPH, _graph)):
            yield Section(_name(plan.model, case, what), partial(measure, plan, networks, case))
    for case in plan.cases:  # compiling takes a minute or two
        yield Section(_name(plan.model, case, COMPILED), partial(_compiled, plan, networks, case))


def _name(model: str, case: Case, *more: object) -> str:
    return ", ".join(map(str, (model, f"T = {case[0]}", f"P = {case[1]}", *more)))


def _photos(plan: Plan, model: ERRSeg, case: Case, batch: int = 1) -> tuple[Tensor, Tensor, int]:
    """Make what `run_photos` is given: photos, text and P."""
    side = plan.side or model.config.input_size
    return *made_up(model, side, case[0], batch), case[1]


def _latency(
    plan: Plan,
    networks: Networks,
    section: str,
    name: str,
    case: Case,
    kind: str,
    batch: int,
    group: int | None = None,
) -> Section:
    """Measure photos with cached text: each stage, and the memory beyond the weights."""

    def measure() -> Row:
        model = networks.get(name, kind)
        work = partial(run_photos, model, *_photos(plan, model, case, batch))
        says = networks.says(kind)
        if section == GROUPS:
            says += f", {group} at once" if group else ", as many at once as the device has it"
        model.work_in_groups(group)
        try:
            with conditions(kind):
                call = partial(work, drawn=kind == AS_DRAWN)
                taken = medians(call, networks.device, plan.runs, plan.warm_up)
                peak = peak_bytes(lambda: call(mark=lambda stage: None), networks.device)
        finally:
            model.work_in_groups(None)
        return Row(section, f"{name}, {says}", *case, batch, taken, peak)

    detail = (f"batch {batch}", kind) if group is None else (f"batch {batch}", kind, group)
    return Section(_name(name, case, section, *detail), measure)


def _text(plan: Plan, networks: Networks, case: Case, kind: str) -> Row:
    """Measure the words of a vocabulary that nobody read before."""
    model = networks.get(plan.model, kind)
    words = prompts(model, case[0])

    def encode(mark: Callable[[str], None]) -> None:
        as_drawn.encode_text(model, words) if kind == AS_DRAWN else model.encode_text(words)
        mark("text")

    with conditions(kind):
        taken = medians(encode, networks.device, plan.runs, 1)
    return Row(TEXT, f"{plan.model}, {networks.says(kind)}", *case, 1, taken)


def _profile(plan: Plan, networks: Networks, case: Case) -> list[str]:
    """Say what a photo's time goes to: the longest kernels, and how long none runs.

    A GPU without work waits for the program, which can't give it work as fast.
    """
    from torch.autograd import DeviceType
    from torch.profiler import ProfilerActivity, profile

    model, device = networks.get(plan.model, AUTOMATIC), networks.device
    pixels, text, kept = _photos(plan, model, case)
    on_gpu = device.type == "cuda"
    activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * on_gpu

    def network() -> None:
        model.decode(model.encode_image(pixels), text, kept)
        wait_for(device)

    for _ in range(plan.warm_up):
        network()
    started = time.perf_counter()
    for _ in range(plan.runs):
        network()
    wall = MS * (time.perf_counter() - started) / plan.runs
    with profile(activities=activities) as profiled:
        network()
    # What launched a kernel counts its time too: of a GPU only what ran there is taken.
    place = DeviceType.CUDA if on_gpu else DeviceType.CPU
    field = "self_device_time_total" if on_gpu else "self_cpu_time_total"  # microseconds
    events = [event for event in profiled.key_averages() if event.device_type == place]
    found = sorted(((getattr(e, field) / MS, e.count, e.key) for e in events), reverse=True)
    busy, launches = sum(entry[0] for entry in found), sum(entry[1] for entry in found)
    what = _name(plan.model, case, networks.says(AUTOMATIC))
    where = "on the GPU" if on_gpu else "on the CPU, profiled"
    return [
        f"{what}: {wall:.2f} ms a photo without labels; {launches} operations take {busy:.2f} ms "
        f"{where}",
        *(
            f"{taken:9.3f} ms {count:5d} x {name[:NAME_TOLD]}"
            for taken, count, name in found[:KERNELS_TOLD]
        ),
    ]


def _graph(plan: Plan, networks: Networks, case: Case) -> Row:
    """Measure the network recorded as one CUDA graph: what is left without launching kernels."""
    device = networks.device
    if device.type != "cuda":
        raise InputError("CUDA graphs are for CUDA GPUs.")
    model = networks.get(plan.model, AUTOMATIC)
    pixels, text, kept = _photos(plan, model, case)
    with torch.cuda.device(device):
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(GRAPH_WARM_UP):
                model.decode(model.encode_image(pixels), text, kept)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            model.decode(model.encode_image(pixels), text, kept)

    def replay(mark: Callable[[str], None]) -> None:
        graph.replay()
        mark("network")

    taken = medians(replay, device, plan.runs, plan.warm_up)
    return Row(GRAPH, f"{plan.model}, {networks.says(AUTOMATIC)}, recorded", *case, 1, taken)


def _compiled(plan: Plan, networks: Networks, case: Case) -> Row:
    """Measure the network that torch compiled, as --compile does it; its first call is told."""
    check_compilable(networks.device)
    model = networks.get(plan.model, AUTOMATIC)
    if all(stage._compiled_call_impl is None for stage in model.decoder.stages):
        compile_network(model)
    work = partial(run_photos, model, *_photos(plan, model, case))
    started = time.perf_counter()
    work(mark=lambda stage: None)
    wait_for(networks.device)
    first = time.perf_counter() - started
    taken = medians(work, networks.device, plan.runs, plan.warm_up)
    peak = peak_bytes(lambda: work(mark=lambda stage: None), networks.device)
    says = f"{networks.says(AUTOMATIC)}, compiled in {first:.0f} s"
    return Row(COMPILED, f"{plan.model}, {says}", *case, 1, taken, peak)
