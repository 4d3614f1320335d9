"""What a question costs, in seconds and bytes, told before anything of it is computed.

The work of a stage is a closed formula of T, P, the photo's and the input's pixels and the prompts'
tokens; how fast this machine does it is measured once, when a model has been loaded.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from errseg.config import STRIDES, ClipConfig, HeadConfig, LiteConfig, ModelConfig
from errseg.demo.backend.budget import Price
from errseg.demo.backend.live_attention import CHARACTERS
from errseg.inference.photo import network_size
from errseg.inference.tiles import chosen_tiles

if TYPE_CHECKING:  # torch takes seconds to import; the page paints before it is there
    from errseg.demo.backend.request import Request
    from errseg.inference.predictor import Predictor

ORDINARY_CLASSES = 32
"""P, and new words, of what counts as an ordinary question: the paper's P for ADE20K-150."""
ATTENTION_WEIGHT = 5.0
"""Multiply-adds of attention count so much: heads of few channels spend their time in softmax
(fitted to decoding with P from 8 to 1,000)."""
COPIES = 6  # of a kept class's tokens that ESCF holds at the worst moment
LOGITS = 6  # of a kept class's maps at stride 4, and values as large, that are held at once
PIXEL_SECONDS = 1e-7  # of a pixel of the photo: drawing, and writing what is drawn
PIXEL_CLASS_SECONDS = 1.3e-9  # of a pixel and a kept class: labels
PICTURE_BYTES = 48  # a pixel of the photo, of labels, scores and what is drawn of them
ENCODER_BYTES = {LiteConfig: 320, ClipConfig: 900}  # a pixel of the network's input
ATTENTION_PASSES = 1.5  # an attention pass beside a decoding pass
PACKED = 16  # bytes of a value of attention on its way out: the value, in base64, and copies
SORTING = 400  # multiply-adds that take as long as to sort one class in at one pixel
RANKED = 24  # bytes of a class at a pixel while it is sorted in, at the most
WEIGHT_SECONDS = 6e-9  # of a weight whose average is told
LIVE_SECONDS = 2e-7  # of a number that tells a class's attention, rounded and packed
SLOWEST = 0.25
"""Speeds aren't taken for lower than this part of the usual ones: then the machine was busy, when
they were measured, with something else."""
MEASURED_TIMES, MEASURED_PROMPTS, MEASURED_CLASSES, MEASURED_SIDE = 4, 16, 16, 320
MEASURED_WORD = "a thing number {} in a photo"


@dataclass(frozen=True)
class Speeds:
    """How much of each stage's work is done in a second."""

    text: float  # multiply-adds
    encode: float  # pixels of the network's input
    decode: float  # multiply-adds


USUAL = {
    LiteConfig: Speeds(text=2e10, encode=8e5, decode=4e10),
    ClipConfig: Speeds(text=4e10, encode=1.5e5, decode=4e10),
}
"""Of two cores, by the towers' configuration, until they are measured."""


class Prices:
    """Tells what questions to one model cost.

    Args:
        predictor: the model's.
        faster: times as fast as two cores the network is taken to run until that is measured.
    """

    def __init__(self, predictor: Predictor, faster: float = 1.0):
        self._predictor = predictor
        self._config = predictor.model.config
        usual = vars(USUAL[type(self._config.towers)])
        self._speeds = Speeds(**{stage: faster * speed for stage, speed in usual.items()})

    def measure(self) -> None:
        """Find out how fast this machine is, see `take`."""
        self.take(measured_speeds(self._predictor))

    def take(self, measured: Speeds) -> None:
        """Reckon with the speeds that `measured_speeds` found, here or where the network runs."""
        usual = vars(USUAL[type(self._config.towers)])
        found = vars(measured).items()
        self._speeds = Speeds(**{s: max(v, SLOWEST * usual[s]) for s, v in found})

    @property
    def input_size(self) -> int:
        """The model's own input size."""
        return self._config.input_size

    @property
    def ordinary(self) -> float:
        """The seconds of an ordinary question: some classes, half of their words new."""
        side = self._config.input_size
        encoded = side * side / self._speeds.encode
        text = text_work(self._config, [8] * ORDINARY_CLASSES) / self._speeds.text
        return encoded + text + self._decoding((side, side), ORDINARY_CLASSES).seconds

    def answer(
        self,
        request: Request,
        photo: tuple[int, int],
        unread: list[int] | None = None,
        encoded: bool = False,
    ) -> Price:
        """Tell what it costs to segment a photo (H, W).

        Args:
            request: the question.
            photo: size of its photo.
            unread: tokens of each prompt that is to be encoded, if that is known already.
            encoded: whether its photo will have been encoded already.
        """
        options = request.options
        if unread is None:
            unread = self._predictor.unread(request.vocabulary, options.expand)
        size = network_size(photo, self._config, options.input_size)
        text = text_work(self._config, unread) / self._speeds.text
        encode = 0.0 if encoded else size[0] * size[1] / self._speeds.encode
        kept = min(options.kept_classes, len(request.vocabulary))
        network = self._decoding(size, kept)
        labels = photo[0] * photo[1] * (PIXEL_SECONDS + PIXEL_CLASS_SECONDS * kept)
        seconds = text + encode + network.seconds + labels
        pictures = photo[0] * photo[1] * PICTURE_BYTES
        price = Price(seconds, max(network.bytes, self._encoder_bytes(size)) + pictures)
        return price + self._closer(request, photo, encoded)

    def _closer(self, request: Request, photo: tuple[int, int], encoded: bool) -> Price:
        """Tell what a closer look at a photo (H, W) costs, beside the whole one."""
        options, total = request.options, len(request.vocabulary)
        place, side = options.closer_at, options.input_size
        tiles = chosen_tiles(photo, self._config, options.tiles, side, place)
        if tiles is None:
            return Price()
        count, (height, width) = len(tiles.rows) * len(tiles.columns), tiles.size
        kept = min(options.kept_classes, total)
        network, ranking = self._decoding(tiles.size, kept), self._ranking(total, tiles.size)
        seconds = network.seconds + ranking.seconds
        if not encoded:
            seconds += height * width / self._speeds.encode
        # At the last tile's turn the logits of all are there, and what the towers saw.
        logits = kept * math.prod(tiles.grid) * LOGITS * 4
        seen = (1 + count) * self._seen_bytes(tiles.size, kept)
        working = max(network.bytes, ranking.bytes, self._encoder_bytes(tiles.size))
        pixels = photo[0] * photo[1]
        again = pixels * PIXEL_CLASS_SECONDS * kept if tiles.is_one else 0.0  # labels of the whole
        pictures = pixels * PICTURE_BYTES
        return Price(count * seconds + again, working + logits + seen + pictures)

    def costs(self, request: Request, photo: tuple[int, int], unread: list[int]) -> Price:
        """Tell what cost maps cost: as one class's whole way through the network, which is more.

        Args:
            request: whose classes they are.
            photo: size (H, W) of its photo.
            unread: tokens of each prompt that is to be encoded.
        """
        return self.answer(request.with_look(1).changed(kept_classes=1), photo, unread)

    def answers(self, requests: Sequence[Request], photo: tuple[int, int], same: bool) -> Price:
        """Tell what it costs to segment one after the other, words being read once.

        Args:
            requests: in their order.
            photo: size (H, W) of each photo.
            same: whether all are asked of one photo, which is encoded once then.
        """
        total, known = Price(), set()
        for request in requests:
            unread = [] if request.vocabulary.classes in known else None
            total += self.answer(request, photo, unread, encoded=same and bool(known))
            known.add(request.vocabulary.classes)
        return total

    def attention(
        self, request: Request, photo: tuple[int, int], without_crm: bool, everywhere: int = 0
    ) -> Price:
        """Tell what attention costs, beside the answer that comes before it.

        Args:
            request: the question.
            photo: size (H, W) of its photo.
            without_crm: whether it is also told with P = T.
            everywhere: classes whose attention from every pixel is told.
        """
        size = network_size(photo, self._config, request.options.input_size)
        total = len(request.vocabulary)
        counts = [min(request.options.kept_classes, total), *([total] if without_crm else [])]
        price = Price()
        for count in counts:
            network, values = self._decoding(size, count), self._attention_values(size, count)
            values += everywhere * self._class_values(size, count)
            seconds = ATTENTION_PASSES * network.seconds + values * PACKED * 1e-9
            seconds += everywhere * self._weights(size) * WEIGHT_SECONDS
            seconds += everywhere * self._class_values(size, count) * LIVE_SECONDS
            price += Price(seconds, network.bytes + values * PACKED)
        return price

    def ranking(self, classes: int, photo: tuple[int, int]) -> Price:
        """Tell what it costs to rank T classes at every pixel of an encoded photo (H, W)."""
        return self._ranking(classes, network_size(photo, self._config))

    def _ranking(self, classes: int, size: tuple[int, int]) -> Price:
        from errseg.network.crm import RANKED_AT_ONCE  # needs torch

        cells = size[0] * size[1] // STRIDES[2] ** 2
        work = classes * cells * (self._config.towers.embedding + SORTING)
        return Price(work / self._speeds.decode, min(classes, RANKED_AT_ONCE) * cells * RANKED)

    def live_classes(self, request: Request, photo: tuple[int, int], characters: int) -> int:
        """Count the classes whose attention from every pixel takes some room, one at least."""
        size = network_size(photo, self._config, request.options.input_size)
        kept = min(request.options.kept_classes, len(request.vocabulary))
        return max(1, round(characters / (CHARACTERS * self._class_values(size, kept) or 1)))

    def _decoding(self, size: tuple[int, int], kept: int) -> Price:
        head = self._config.head
        cells = size[0] * size[1] // STRIDES[2] ** 2
        seconds = decoder_work(head, cells, kept) / self._speeds.decode
        tokens = COPIES * head.width * self._predictor.model.dtype.itemsize
        logits = LOGITS * (STRIDES[2] // STRIDES[0]) ** 2 * 4
        return Price(seconds, kept * cells * (tokens + logits))

    def _encoder_bytes(self, size: tuple[int, int]) -> int:
        towers = self._config.towers
        wider = towers.widths[0] / USUAL_WIDTH[type(towers)]
        return round(size[0] * size[1] * ENCODER_BYTES[type(towers)] * wider)

    def _seen_bytes(self, size: tuple[int, int], kept: int) -> int:
        """Count the bytes of what the towers saw of a photo, and of its kept classes' tokens."""
        from errseg.inference.token_memory import KNOWN_CLASSES  # needs torch

        head, itemsize = self._config.head, self._predictor.model.dtype.itemsize
        dense = 4 * (1 + (STRIDES[2] / STRIDES[3]) ** 2) * self._config.towers.embedding
        guidance = sum(c * 4**stage for stage, c in enumerate(head.decoder_guidance))
        own = (1 + min(kept, KNOWN_CLASSES)) * head.width + guidance
        return round(size[0] * size[1] // STRIDES[2] ** 2 * (dense + own * itemsize))

    def _class_values(self, size: tuple[int, int], kept: int) -> int:
        """Count the numbers that tell one class's attention from every pixel."""
        head = self._config.head
        cells = size[0] * size[1] // STRIDES[2] ** 2
        spatial = head.width * (cells + cells // head.spatial_reduction**2)
        between = head.heads * kept * cells // head.class_reduction**2
        return head.layers * (spatial * head.sfm + between * head.cfm)

    def _weights(self, size: tuple[int, int]) -> int:
        """Count the weights of one class's SFM, of which every key's average is told."""
        head = self._config.head
        cells = size[0] * size[1] // STRIDES[2] ** 2
        return head.layers * head.heads * cells * (cells // head.spatial_reduction**2) * head.sfm

    def _attention_values(self, size: tuple[int, int], kept: int) -> int:
        head = self._config.head
        cells = size[0] * size[1] // (STRIDES[2] * head.spatial_reduction) ** 2
        return head.layers * head.heads * kept * (cells + 2 * kept)


USUAL_WIDTH = {LiteConfig: 24, ClipConfig: 128}
"""Channels at stride 4 of the towers whose bytes were measured."""


def text_work(config: ModelConfig, lengths: Sequence[int]) -> float:
    """Count the multiply-adds of a text tower for prompts of some tokens each."""
    from errseg.network.towers import PROMPTS_AT_ONCE  # needs torch

    towers = config.towers
    if isinstance(towers, LiteConfig):
        width, hidden, padded = towers.embedding, towers.text_hidden, None
    else:  # CLIP always reads the whole context
        width, hidden, padded = towers.text_width, 4 * towers.text_width, towers.context_length
    batches = (lengths[i : i + PROMPTS_AT_ONCE] for i in range(0, len(lengths), PROMPTS_AT_ONCE))
    tokens = sum(len(batch) * (padded or max(batch)) for batch in batches)
    return tokens * towers.text_layers * (4 * width**2 + 2 * width * hidden)


def decoder_work(head: HeadConfig, cells: int, kept: int) -> float:
    """Count the multiply-adds from the cost maps to the logits, for P kept classes.

    Attention's count `ATTENTION_WEIGHT` times.
    """
    width, star = head.width, 3 * head.width * head.feed_forward
    near = ATTENTION_WEIGHT * 2 * width
    sources = cells / head.spatial_reduction**2
    sfm = 4 * width**2 + star + head.mix_kernel**2 * width + near * sources
    cfm = (4 * width**2 + star + near * kept) / head.class_reduction**2
    embedding = head.cost_kernel**2 * head.cost_channels + head.cost_channels * width
    gud, before = 0.0, width
    for stage, (after, guided) in enumerate(
        zip(head.decoder_widths, head.decoder_guidance, strict=True)
    ):
        finer = 4**stage
        gud += finer * (before * after + 9 * after * (2 * after + guided / max(kept, 1)))
        before = after
    return kept * cells * (embedding + head.layers * (sfm + cfm) + gud)


def measured_speeds(predictor: Predictor) -> Speeds:
    """Find out how fast a model's stages are here; takes about one ordinary question's time."""
    seconds = {stage.name: [] for stage in fields(Speeds)}
    work = {}
    for part in range(MEASURED_TIMES):  # the first pass warms up
        for stage, amount, passed in _stages(predictor, part):
            seconds[stage].append(passed)
            work[stage] = amount
    return Speeds(**{stage: work[stage] / min(passed) for stage, passed in seconds.items()})


def _stages(predictor: Predictor, part: int) -> Iterator[tuple[str, float, float]]:
    """Run each stage once on made-up input: its name, its work, its seconds."""
    import torch

    model, config = predictor.model, predictor.model.config
    side, clock = MEASURED_SIDE, _Clock(on_cpu=predictor.model.device.type == "cpu")
    prompts = [MEASURED_WORD.format(part * MEASURED_PROMPTS + i) for i in range(MEASURED_PROMPTS)]
    pixels = torch.zeros(1, 3, side, side, dtype=torch.uint8)
    with torch.inference_mode():
        text = model.encode_text(prompts)
        text.sum().item()  # waits for a GPU
        yield "text", text_work(config, model.towers.prompt_lengths(prompts)), clock.lap()
        features = model.encode_image(pixels)
        features.dense16.sum().item()
        yield "encode", float(side * side), clock.lap()
        out = model.decode(features, text[:MEASURED_CLASSES])
        out.kept_logits.sum().item()
        work = decoder_work(config.head, (side // STRIDES[2]) ** 2, MEASURED_CLASSES)
        yield "decode", work, clock.lap()


class _Clock:
    """Seconds between laps that this process took, or would take on a machine of its own.

    Where other processes have the cores, the clock on the wall says little of the machine: on a CPU
    the process's own time, shared by the cores that it works on, counts where that is less.
    """

    def __init__(self, on_cpu: bool):
        self._on_cpu = on_cpu
        self._last = self._now()

    def lap(self) -> float:
        import torch

        before, self._last = self._last, self._now()
        wall, own = (now - then for now, then in zip(self._last, before, strict=True))
        return min(wall, own / torch.get_num_threads()) if self._on_cpu else wall

    @staticmethod
    def _now() -> tuple[float, float]:
        return time.perf_counter(), time.process_time()
