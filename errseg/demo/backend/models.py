"""The models that a page offers: the first one, which is loaded at the start, and one other."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from errseg.checkpoints.compilation import check_place
from errseg.checkpoints.hub import not_asked, released_models
from errseg.checkpoints.sources import Weights, check_offered, find_weights, model_name
from errseg.checkpoints.stored_config import OWN_ENDING, advised_threshold
from errseg.config import EMBEDDED
from errseg.demo.backend.background import Background
from errseg.demo.backend.gpu import FASTER, HERE, LENT, PRECISION, Source, find_loans
from errseg.demo.backend.look_up import PATIENCE, LookUp
from errseg.demo.backend.price import Prices
from errseg.demo.backend.request import Request
from errseg.demo.backend.stages import fetched
from errseg.device import AUTOMATIC, check_precision, find_device, find_precision
from errseg.errors import InputError

if TYPE_CHECKING:  # torch takes seconds to import; the page paints before it is there
    import torch

    from errseg.inference.predictor import Predictor


T = TypeVar("T")

SECONDS_BETWEEN_NEWS = 0.5  # of a model that somebody waits for


@dataclass(frozen=True)
class Loaded:
    """A model that is there, and what questions to it cost."""

    predictor: Predictor
    prices: Prices
    source: Source | None = None  # where a process that is older than it finds its weights


class Models:
    """Models by name and precision, the first of them loaded in the background.

    Released ones are found on the Hub when somebody asks for them, and fetched when somebody asks
    something of them. Of all others than the first, in name or in precision, the last one asked for
    is kept. The arguments are those of `load_model`; what the first model computes in the others do
    too, unless a request says otherwise.

    Raises:
        InputError: there is no such model, file, precision or device, its weights are neither here
            nor to be had from the Hub, or ZeroGPU is to compile.
    """

    def __init__(
        self,
        model: str | Path,
        device: str = AUTOMATIC,
        precision: str = AUTOMATIC,
        compile: bool = False,
    ):
        check_offered(model)
        check_precision(precision)
        if compile:
            check_place()
        self.loans = find_loans(device)
        if not self.loans and device not in (AUTOMATIC, HERE):
            find_device(device)  # torch is imported for it; both of the others are always there
        self.first = model_name(model)
        self.precision = precision
        self._model = model
        self._device = device
        self._compile = compile
        self._first = Background(lambda: self._load(self.first, precision))
        self._released: dict[str, str] = {}
        self._on_hub = LookUp(released_models)
        self._other: tuple[tuple, Loaded] | None = None
        self._advised = {self.first: _own_threshold(model)}
        self._loading = threading.Lock()
        self._choosing = threading.Lock()
        self._fetching: dict[str, Background[Weights]] = {}
        self._news: dict[str, str] = {}  # what is to be known of a model that isn't there yet

    @property
    def names(self) -> list[str]:
        """The models that can be chosen, the first one first."""
        return [self.first, *(name for name in self._released if name != self.first)]

    def find_released(self) -> list[str]:
        """Ask the Hub which released checkpoints there are, and return `names` with them.

        Takes `PATIENCE` seconds at the most; all who ask at the same time share one question.

        Raises:
            InputError: the Hub doesn't answer.
        """
        try:
            self._released = self._on_hub.result()
        except TimeoutError:
            raise InputError(not_asked(f"no answer in {PATIENCE:.0f} seconds")) from None
        return self.names

    def large(self) -> str | None:
        """Name the largest released checkpoint where a GPU can run it; waits for both to be known.

        Returns:
            its name, or None without a GPU, where the Hub doesn't answer, or where the first model
            is no embedded one: whoever chose it knows about the others.
        """
        if self.first not in EMBEDDED:
            return None
        try:
            on_cpu = not self.loans and find_device(self._device).type == "cpu"
            return None if on_cpu else self.find_released()[1]  # the largest comes first
        except InputError:
            return None

    def knows(self, name: str) -> bool:
        """Tell without asking the Hub whether there is a model of this name; empty is the first."""
        return not name or name in self.names

    def look_up(self, name: str) -> str:
        """Return a model's name if there is such a model, here or on the Hub.

        Raises:
            InputError: there is none, or the Hub doesn't answer.
        """
        if not self.knows(name) and name not in self.find_released():
            raise InputError(f"There is no such model; there are {', '.join(self.names)}.")
        return name or self.first

    def named(self, request: Request) -> Request:
        """Fill in the model and the precision where a question leaves them to the page."""
        if request.options.precision == AUTOMATIC:
            request = request.changed(precision=self.precision)
        return dataclasses.replace(request, model=request.model or self.first)

    def threshold(self, name: str = "") -> float | None:
        """Tell the threshold that a model advises, the first one's if none is named.

        Returns:
            a score in [0, 1], or None for a file that only tells when it is loaded.
        """
        name = name or self.first
        if name not in self._advised and Path(name).suffix == OWN_ENDING:
            return None
        return self._advised.get(name, 0.0)  # the released checkpoints advise none

    def start(self) -> None:
        """Begin to load the first model in the background; once."""
        self._first.start()

    @property
    def predictor(self) -> Predictor:
        """The first model; waits for it.

        Raises:
            InputError: it could not be loaded.
        """
        return self._first.result().predictor

    @property
    def device(self) -> str:
        """Where the first model's network runs; waits for it."""
        return LENT if self.loans else self.predictor.model.device.type

    @property
    def loaded(self) -> bool:
        """Whether the first model is there already."""
        return self._first.is_there

    def predictor_for(self, request: Request) -> Predictor:
        """The model that a question names, see `loaded_for`."""
        return self.loaded_for(request).predictor

    def loaded_for(
        self, request: Request, waiting: Callable[[str], None] = lambda said: None
    ) -> Loaded:
        """The model that a question names, in its precision; waits for it.

        Args:
            request: the question.
            waiting: is told now and then what is waited for: a stage of `backend.stages`, or a
                sentence; what it raises ends the waiting.

        Raises:
            InputError: there is no such model, or it could not be fetched or loaded.
        """
        request = self.named(request)
        if request.model not in self.names:
            raise InputError("There is no such model here; choose another one.")
        is_first = request.model == self.first
        precision = request.options.precision
        first = self._wait(self._first, self.first, waiting) if is_first else None
        wanted = (request.model, find_precision(*self._place(precision)))
        if first is not None and wanted[1] == first.predictor.model.dtype:
            return first
        self._fetch(request.model, waiting)
        with self._loading:
            if self._other is None or self._other[0] != wanted:
                self._other = None  # room for the next one
                loaded = self._load(request.model, precision)
                if not self.loans:  # measuring would take of a visitor's loan
                    loaded.prices.measure()
                self._other = (wanted, loaded)
            return self._other[1]

    def _fetch(self, name: str, waiting: Callable[[str], None]) -> None:
        """Wait until a model's weights are on this machine; all who ask share one download."""
        with self._choosing:
            work = self._fetching.get(name)
            if work is None or (work.ended and not work.is_there):
                work = self._fetching[name] = Background(lambda: self._find(name))
        self._wait(work, name, waiting)

    def _wait(self, work: Background[T], name: str, waiting: Callable[[str], None]) -> T:
        return work.wait(SECONDS_BETWEEN_NEWS, lambda: waiting(self._news.get(name, "load")))

    def _find(self, name: str) -> Weights:
        def progress(done: int, size: int) -> None:
            self._news[name] = fetched(name, done, size)

        try:
            return find_weights(self._source(name), progress)
        finally:
            self._news.pop(name, None)

    def _source(self, name: str) -> str | Path:
        return self._model if name == self.first else self._released[name]

    def _load(self, name: str, precision: str) -> Loaded:
        from errseg.checkpoints.weights import load_model
        from errseg.inference.predictor import Predictor

        self._find(name)
        precision, device = self._place(precision)
        loaded = load_model(self._source(name), device, precision, self._compile)
        predictor, source = Predictor(loaded), Source(self._source(name), precision)
        if self.loans:
            self.loans.keep(source, loaded)
        self._advised[name] = loaded.config.calibration.threshold
        return Loaded(predictor, Prices(predictor, FASTER if self.loans else 1.0), source)

    def _place(self, precision: str) -> tuple[str, torch.device]:
        """Tell in which precision and on what device models are loaded in this process."""
        if not self.loans:
            return precision, find_device(self._device)
        return PRECISION if precision == AUTOMATIC else precision, find_device(HERE)


def _own_threshold(model: str | Path) -> float:
    """Read a model's threshold; a file that can't be read is told about when it is loaded."""
    try:
        return advised_threshold(model)
    except InputError:
        return 0.0
