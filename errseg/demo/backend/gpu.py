"""Hugging Face's ZeroGPU: a GPU that is lent for one piece of work.

The package `spaces` runs such work in a process forked from this one, in which alone CUDA may
start; what goes there and back is pickled. So models are fetched and loaded here, on the CPU, and a
lent process moves its own copy to the GPU. It may serve several loans: photos and results that its
copy remembers are of use to the next question then, and lost with it. Nothing of them comes back,
since a photo's features are larger than the answer; words do, through the cache on disk, which all
processes share (`errseg.inference.caches`).
"""

from __future__ import annotations

import contextlib
import math
import os
import pickle
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, TypeVar

from errseg.checkpoints.compilation import ZERO_GPU
from errseg.demo.backend.places import GoneError
from errseg.demo.backend.refusals import sentence_for
from errseg.device import AUTOMATIC, keep_float32
from errseg.errors import InputError

if TYPE_CHECKING:  # torch takes seconds to import; the page paints before it is there
    from errseg.inference.predictor import Predictor
    from errseg.network.model import ERRSeg

T = TypeVar("T")

HERE, LENT = "cpu", "cuda"  # where models lie in this process, and in a lent one
PRECISION = "bfloat16"  # the fastest of what ZeroGPU lends (H200 and later)
SECONDS = 60  # longest loan
STARTING = 10.0
"""Seconds of a loan beside the question's: a process, CUDA's start, weights on their way."""
OVERRUN = 3.0  # times a question's price that are borrowed: prices are estimates
FASTER = 20.0
"""Times as fast as two cores a lent GPU is taken to be until the first answer has measured it. The
paper's RTX 3090 takes 0.1 s for what takes them some 4 s."""
SECONDS_BETWEEN_SIGNS = 0.25  # of a lent process, whether or not it has something to say
NO_ANSWER = "The GPU was taken away before it had an answer; please try again."
MOST_MOVED = 2  # models that a lent process keeps on its GPU


@dataclass(frozen=True)
class Source:
    """Which model computes; its file is on this machine."""

    path: str | Path  # or a name or an address, as `load_model` takes them
    precision: str


@dataclass(frozen=True)
class Work:
    """What a GPU is to be lent for; goes to the lent process pickled."""

    source: Source
    seconds: float  # its price
    compute: Callable[[Predictor], object]  # of a module, or a partial of one


class Loans:
    """Runs work where a GPU is lent.

    Args:
        lend: `spaces.GPU`.
    """

    def __init__(self, lend: Callable):
        self._loaded: dict[Source, ERRSeg] = {}  # a process has those of the moment of its fork
        self._moved: dict[Source, Predictor] = {}  # in a lent process
        # One function for all questions: each has processes, and so memories, of its own.
        self._lent = lend(duration=duration)(self._in_process)

    def keep(self, source: Source, model: ERRSeg) -> None:
        """Let the processes that are forked from now on have a model, beside the first one only."""
        for other in [*self._loaded][1:]:
            del self._loaded[other]
        self._loaded[source] = model

    def __call__(
        self, work: Work, pause: Callable[[], None], tell: Callable[[str], None]
    ) -> object:
        """Borrow a GPU, and return what the work does.

        Args:
            work: what is to be done.
            pause: is called some times a second; what it raises ends the work.
            tell: is told the stages.

        Raises:
            InputError: the work raised it, or something in it failed, or no GPU is lent.
        """
        tell("lend")
        result, error = None, InputError(NO_ANSWER)
        with _refusals(), contextlib.closing(self._lent(work)) as parts:
            for part in parts:
                if isinstance(part, bytes):
                    result, error = pickle.loads(part)
                elif part:
                    tell(part)
                pause()
        if error is not None:
            raise error
        return result

    def _in_process(self, work: Work) -> Iterator[str | bytes]:
        """Work in the lent process; yields stages, empty signs of life, and the pickled outcome."""
        news: SimpleQueue[str | bytes] = SimpleQueue()
        stopped = threading.Event()

        def check() -> None:
            if stopped.is_set():
                raise GoneError

        def run() -> None:
            try:
                predictor = self._on_gpu(work.source)
                with predictor.pauses.calling(check, news.put):
                    outcome = work.compute(predictor), None
            except Exception as error:  # only the name of its type would come back by itself
                known = isinstance(error, InputError | GoneError)
                outcome = None, error if known else InputError(sentence_for(error))
            news.put(pickle.dumps(outcome))

        working = threading.Thread(target=run, daemon=True)
        working.start()
        part: str | bytes = ""
        try:
            while not isinstance(part, bytes):
                try:
                    part = news.get(timeout=SECONDS_BETWEEN_SIGNS)
                except Empty:
                    part = ""  # who waits may have something to say
                yield part
        finally:
            stopped.set()
            working.join()

    def _on_gpu(self, source: Source) -> Predictor:
        """Find a model on the GPU, or move it there; it was loaded here unless the fork is older.

        The predictor is a new one: a lock of the old may be held by a thread that isn't here.
        """
        import torch

        from errseg.checkpoints.weights import load_model
        from errseg.inference.predictor import Predictor

        torch.set_num_threads(1)  # a forked process may wait for ever for the other threads
        if source not in self._moved:
            while len(self._moved) >= MOST_MOVED:
                del self._moved[next(iter(self._moved))]
            model = self._loaded.pop(source, None)
            if model is None:
                model = load_model(source.path, HERE, source.precision)
            keep_float32(torch.device(LENT))
            self._moved[source] = Predictor(model.to(LENT))
        return self._moved[source]


def find_loans(device: str = AUTOMATIC) -> Loans | None:
    """Return what lends GPUs to this app; None but on a Space with ZeroGPU.

    Args:
        device: that is asked for, as for `find_device`; the CPU needs no loan.
    """
    on_zero = os.environ.get(ZERO_GPU, "").lower() in ("1", "t", "true")
    if not on_zero or device not in (AUTOMATIC, LENT):
        return None
    import spaces  # there on every such Space; before CUDA starts

    return Loans(spaces.GPU)


def duration(work: Work) -> int:
    """Tell for how many seconds a GPU is borrowed."""
    return min(SECONDS, math.ceil(STARTING + OVERRUN * work.seconds))


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    """Turn what `spaces` says to a visitor, such as that a quota is used up, into our error."""
    try:
        yield
    except Exception as error:
        title, message = (getattr(error, name, None) for name in ("title", "message"))
        if isinstance(title, str) and isinstance(message, str):  # one of Gradio's
            raise InputError(f"{title}: {message}") from None
        raise
