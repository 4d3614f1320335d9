"""How fast the network is beside the one as drawn: the paper's Table III for this machine.

Weights are random, which changes no time. The network as drawn (`errseg.measuring.as_drawn`,
float32), ours in float32 and ours in the fastest precision take turns in one run; figures are
medians. Where the fastest precision is float32 the last two are the same network, measured twice.
"""

import math
import multiprocessing
import re
import statistics
import time
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from errseg.config import KEPT_CLASSES, STRIDES, VOTES_PER_PIXEL, model_config
from errseg.device import AUTOMATIC, find_precision
from errseg.errors import InputError
from errseg.inference.labelling import label_pixels
from errseg.inference.token_memory import TokenMemory
from errseg.measuring import as_drawn
from errseg.network.model import SMALLEST_SIDE, ERRSeg, build_model
from errseg.words.vocabulary import fill_templates, load_vocabulary

KINDS = ("as_drawn", "float32", "auto")  # as drawn, ours in float32, ours in the fastest precision
PHOTO_STAGES = ("encode", "crm", "escf", "gud", "render")
"""Of a photo with cached text; the cost embedding counts as ESCF's."""
STAGES = ("text", *PHOTO_STAGES)
PROMPTS = 64  # prompts of the text stage, spread over the 847 of ade847
VOCABULARIES = (20, 150, 847, 5000)
KEPT = (8, 16, 24, 32, 48, 64)
MEMORY_FILE, RESET_FILE = Path("/proc/self/status"), Path("/proc/self/clear_refs")
RESET_PEAK = "5"
"""Linux: this written to `RESET_FILE` sets the process's peak memory back to what it holds."""


@dataclass(frozen=True)
class Setting:
    """What is measured."""

    model: str = "errseg-base"
    size: int | None = None  # pixels of a side of the square photo; the model's own if None
    classes: int = 150  # T
    kept_classes: int = KEPT_CLASSES  # P
    runs: int = 3

    @property
    def side(self) -> int:
        """Pixels of a side of the photo."""
        return self.size or model_config(self.model).input_size


@dataclass(frozen=True)
class Report:
    """All figures; seconds are medians."""

    setting: Setting
    machine: dict[str, str | int]  # threads, and the precision that "auto" stands for
    seconds: dict[str, dict[str, float]]  # stage -> kind -> seconds; text is of `PROMPTS` prompts
    multiply_adds: dict[str, dict[str, float]]  # stage -> "as_drawn" and "ours"
    memory: dict[str, int | None]  # kind -> peak bytes beyond the weights; None: not known here
    knob: dict[str, float]  # kind -> seconds of a new P or K on a photo decoded before
    by_classes: dict[int, float]  # T -> seconds of a whole photo with cached text, auto
    by_kept_classes: dict[int, float]  # P -> the same

    def photo(self, kind: str, stages: tuple[str, ...] = PHOTO_STAGES) -> float:
        """Return the seconds of one photo with cached text."""
        return sum(self.seconds[stage][kind] for stage in stages)

    @property
    def ratios(self) -> dict[str, float | None]:
        """What the savings come to; smaller is better."""
        text, photo, drawn = self.seconds["text"], self.photo("as_drawn"), self.memory["as_drawn"]
        return {
            "text_float32": text["float32"] / text["as_drawn"],
            "text_auto": text["auto"] / text["as_drawn"],
            "photo_float32": self.photo("float32") / photo,
            "photo_auto": self.photo("auto") / photo,
            "knob_auto": self.knob["auto"] / self.photo("auto"),
            "vocabulary_847_over_150": self.by_classes[847] / self.by_classes[150],
            "memory": None if drawn is None else self.memory["float32"] / drawn,
        }


@torch.inference_mode()
def measure(setting: Setting, progress: Callable[[str], None] = lambda line: None) -> Report:
    """Measure a model.

    Args:
        setting: what to measure.
        progress: takes a line at the start of every part.

    Raises:
        InputError: there is no such model, or a size is out of range.
    """
    check_side(setting.side)
    progress("Memory ...")
    auto = find_precision(AUTOMATIC, torch.device("cpu"))
    types = {"as_drawn": torch.float32, "float32": torch.float32, "auto": auto}
    memory = {kind: _peak_in_another_process(setting, kind, types[kind]) for kind in KINDS}
    progress("Multiply-adds ...")
    model = _built(setting, torch.float32)
    fast = _built(setting, auto) if auto != model.dtype else model
    bench = Bench(setting, {"as_drawn": model, "float32": model, "auto": fast})
    multiply_adds = bench.multiply_adds()
    progress("Seconds by stage ...")
    runs = bench.in_turn(KINDS, bench.run)
    seconds = {
        stage: {kind: statistics.median(run[stage] for run in runs[kind]) for kind in KINDS}
        for stage in STAGES
    }
    progress("A new P or K ...")
    turned = bench.in_turn(KINDS[1:], bench.turn_knobs)
    knob = {kind: statistics.median(taken) for kind, taken in turned.items()}
    knob["as_drawn"] = sum(seconds[stage]["as_drawn"] for stage in PHOTO_STAGES)  # all runs again
    progress("Growth with T and P ...")
    base = sum(seconds[stage]["auto"] for stage in ("encode", "render"))
    threads, version = torch.get_num_threads(), torch.__version__
    machine = {"threads": threads, "auto": fast.precision, "torch": version}
    return Report(
        setting=setting,
        machine=machine,
        seconds=seconds,
        multiply_adds=multiply_adds,
        memory=memory,
        knob=knob,
        by_classes=bench.growth([(t, setting.kept_classes) for t in VOCABULARIES], base, 0),
        by_kept_classes=bench.growth([(max(setting.classes, *KEPT), p) for p in KEPT], base, 1),
    )


def check_side(side: int) -> None:
    """Refuse a photo's side that doesn't fit the grids with an `InputError`."""
    if side < SMALLEST_SIDE or side % STRIDES[-1]:
        raise InputError(
            f"The photo's side must be a multiple of {STRIDES[-1]} pixels, "
            f"at least {SMALLEST_SIDE}, not {side}."
        )


class Bench:
    """One photo, one vocabulary, and the models that take turns on them."""

    def __init__(self, setting: Setting, models: dict[str, ERRSeg]):
        self.setting, self.models = setting, models
        self.size, config = (setting.side, setting.side), model_config(setting.model).towers
        seeded = torch.Generator().manual_seed(0)
        pixels = torch.randint(256, (1, 3, *self.size), dtype=torch.uint8, generator=seeded)
        # A cosine doesn't take longer for an embedding that means something.
        most = max(setting.classes, *VOCABULARIES)
        text = F.normalize(torch.randn(most, config.embedding, generator=seeded), dim=-1)
        device = next(iter(models.values())).device
        self.pixels, self.text = pixels.to(device), text.to(device)
        names = [prompt.name for prompt in load_vocabulary("ade847").classes]
        step = len(names) // PROMPTS
        self.prompts = [fill_templates(n, config.templates)[0] for n in names[::step][:PROMPTS]]

    def in_turn(self, kinds: Sequence, take: Callable) -> dict[Hashable, tuple]:
        """Measure kinds in turn, each as often as runs are asked for after one to warm up."""
        turns = [[take(kind) for kind in kinds] for _ in range(1 + self.setting.runs)]
        return dict(zip(kinds, zip(*turns[1:], strict=True), strict=True))

    def run(self, kind: str, read: Callable[[], float] = time.perf_counter) -> dict[str, float]:
        """Run every stage; return by how much ``read`` grew in each."""
        model, kept = self.models[kind], self.setting.kept_classes
        text, stages, readings = self.text[: self.setting.classes], {}, [read()]

        def mark(stage: str) -> None:
            readings.append(read())
            stages[stage] = readings[-1] - readings[-2]

        drawn = kind == "as_drawn"
        as_drawn.encode_text(model, self.prompts) if drawn else model.encode_text(self.prompts)
        mark("text")
        run_photos(model, self.pixels, text, kept, mark, drawn)
        return stages

    def turn_knobs(self, kind: str) -> float:
        """Decode a photo again with another P, and with another K; return the mean seconds.

        P rises by a third: a quarter of the classes it keeps were not seen before.
        """
        model, text = self.models[kind], self.text[: self.setting.classes]
        kept, votes = self.setting.kept_classes, VOTES_PER_PIXEL
        features, seconds = model.encode_image(self.pixels), []
        for before in ((kept * 3 // 4, votes), (kept, votes - 1)):
            memory = TokenMemory.of_photo(model, features)
            model.decode(features, text, *before, tokens_of=memory)
            started = time.perf_counter()
            out = model.decode(features, text, kept, votes, tokens_of=memory)
            label_pixels(out.kept_logits[0], out.kept[0], self.size)
            seconds.append(time.perf_counter() - started)
        return statistics.mean(seconds)

    def multiply_adds(self) -> dict[str, dict[str, float]]:
        """Count the multiply-adds of each stage's matrix products and convolutions."""
        counts, mha = {}, torch.backends.mha
        enabled = mha.get_fastpath_enabled()
        mha.set_fastpath_enabled(False)  # the counter doesn't see its products
        try:
            for kind, name in (("as_drawn", "as_drawn"), ("float32", "ours")):
                with sdpa_kernel(SDPBackend.MATH), _counter() as counter:
                    counts[name] = self.run(kind, lambda: counter.get_total_flops() / 2)
        finally:
            mha.set_fastpath_enabled(enabled)
        return {stage: {name: counts[name][stage] for name in counts} for stage in STAGES}

    def growth(self, pairs: list[tuple[int, int]], base: float, key: int) -> dict[int, float]:
        """Measure the decoder at (T, P) pairs in turn; ``base`` seconds are added to each."""
        model = self.models["auto"]
        features = model.encode_image(self.pixels)

        def decode(pair: tuple[int, int]) -> float:
            started = time.perf_counter()
            model.decode(features, self.text[: pair[0]], pair[1])
            return time.perf_counter() - started

        taken = self.in_turn(pairs, decode)
        return {pair[key]: base + statistics.median(taken[pair]) for pair in pairs}


def run_photos(
    model: ERRSeg,
    pixels: Tensor,
    text: Tensor,
    kept_classes: int,
    mark: Callable[[str], None],
    drawn: bool = False,
) -> None:
    """Segment photos with cached text, and label their pixels.

    Args:
        model: whose weights are used.
        pixels: uint8 (B, 3, H, W).
        text: (T, C).
        kept_classes: P.
        mark: is called with the name of each of `PHOTO_STAGES` when the program is past it.
        drawn: as the paper draws it.
    """
    size = tuple(pixels.shape[-2:])
    if drawn:
        encoded = as_drawn.encode_image(model, pixels)
        mark("encode")
        out = as_drawn.decode(model, *encoded, text, kept_classes, mark=mark)
        as_drawn.label(out.logits, size).cpu()
    else:
        features = model.encode_image(pixels)
        mark("encode")
        with (
            model.cost_embedding.register_forward_pre_hook(lambda *_: mark("crm")),
            model.escf.register_forward_hook(lambda *_: mark("escf")),
            model.decoder.register_forward_hook(lambda *_: mark("gud")),
        ):
            out = model.decode(features, text, kept_classes)
        for logits, kept in zip(out.kept_logits, out.kept, strict=True):
            label_pixels(logits, kept, size)
    mark("render")


def _counter() -> FlopCounterMode:
    """Make a counter that sees the products of `errseg.network.fused` too."""

    def product(x: Sequence[int], *_: object, out_shape: Sequence[int]) -> int:
        return 2 * math.prod(out_shape) * x[-1]

    def convolution(*given: Sequence[int], out_shape: Sequence[int]) -> int:
        kernel = [shape for shape in given[:3] if len(shape) == 4][-1]  # maps, maybe a sum, kernel
        return 2 * math.prod(out_shape) * math.prod(kernel[1:])

    counted = {"_linear_pointwise": product, "_convolution_pointwise": convolution}
    offered = {n: getattr(torch.ops.mkldnn, n) for n in counted if hasattr(torch.ops.mkldnn, n)}
    return FlopCounterMode(
        display=False, custom_mapping={offered[name]: counted[name] for name in offered}
    )


@torch.inference_mode(False)
def _built(setting: Setting, dtype: torch.dtype) -> ERRSeg:
    """Build what is measured, as `load_model` does: outside of inference mode.

    Weights made inside don't tell when they change, and would be folded anew for every photo.
    """
    return build_model(setting.model).cast(dtype)


def _peak_in_another_process(setting: Setting, kind: str, dtype: torch.dtype) -> int | None:
    """Measure memory where nothing else was allocated before; None where that isn't known."""
    if not RESET_FILE.exists():
        return None
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_peak_beyond_weights, setting, kind, dtype).result()


@torch.inference_mode()
def _peak_beyond_weights(setting: Setting, kind: str, dtype: torch.dtype) -> int:
    """Segment one photo with cached text; return the bytes held at most beyond the weights."""
    bench = Bench(setting, {kind: _built(setting, dtype)})
    bench.prompts = bench.prompts[:1]
    RESET_FILE.write_text(RESET_PEAK)
    before = _memory("VmRSS")
    bench.run(kind)
    return _memory("VmHWM") - before


def _memory(field: str) -> int:
    """Read a field of `MEMORY_FILE` in bytes."""
    return 1024 * int(re.search(rf"{field}:\s*(\d+) kB", MEMORY_FILE.read_text())[1])
