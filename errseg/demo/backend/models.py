"""The models that a page offers: the first one, which is loaded at the start, and one other."""

from __future__ import annotations

import dataclasses
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from errseg.checkpoints.compilation import check_place
from errseg.checkpoints.hub import fetch_checkpoint, list_checkpoints
from errseg.checkpoints.stored_config import OWN_ENDING, advised_threshold
from errseg.config import EMBEDDED, list_models, model_config
from errseg.demo.backend.background import Background
from errseg.demo.backend.gpu import FASTER, HERE, LENT, PRECISION, Source, find_loans
from errseg.demo.backend.look_up import PATIENCE, LookUp
from errseg.demo.backend.price import Prices
from errseg.demo.backend.request import Request
from errseg.device import AUTOMATIC, check_precision, find_device, find_precision
from errseg.errors import InputError

if TYPE_CHECKING:  # torch takes seconds to import; the page paints before it is there
    import torch

    from errseg.inference.predictor import Predictor


@dataclass(frozen=True)
class Loaded:
    """A model that is there, and what questions to it cost."""

    predictor: Predictor
    prices: Prices
    source: Source | None = None  # where a process that is older than it finds its weights


class Models:
    """Models by name and precision, the first of them loaded in the background.

    Released ones are found on the Hub when somebody asks for them. Of all others than the first, in
    name or in precision, the last one asked for is kept. The arguments are those of `load_model`;
    what the first model computes in the others do too, unless a request says otherwise.

    Raises:
        InputError: there is no such model, file or precision, or ZeroGPU is to compile.
    """

    def __init__(
        self,
        model: str | Path,
        device: str = AUTOMATIC,
        precision: str = AUTOMATIC,
        compile: bool = False,
    ):
        _check_model(model)
        check_precision(precision)
        if compile:
            check_place()
        self.loans = find_loans(device)
        self.first = str(model) if str(model) in list_models() else Path(model).name
        self.precision = precision
        self._model = model
        self._device = device
        self._compile = compile
        self._first = Background(lambda: self._load(model, precision))
        self._released: tuple[str, ...] = ()
        self._on_hub = LookUp(list_checkpoints)
        self._other: tuple[tuple, Loaded] | None = None
        self._advised = {self.first: _own_threshold(model)}
        self._fetching = threading.Lock()

    @property
    def names(self) -> list[str]:
        """The models that can be chosen, the first one first."""
        return [self.first, *self._released]

    def find_released(self) -> list[str]:
        """Ask the Hub which released checkpoints there are, and return `names` with them.

        Takes `PATIENCE` seconds at the most; all who ask at the same time share one question.

        Raises:
            InputError: the Hub doesn't answer.
        """
        try:
            self._released = tuple(self._on_hub.result())
        except TimeoutError:
            raise InputError(
                f"The Hub can't be asked for released models (no answer in {PATIENCE:.0f} seconds);"
                " those that are here go on."
            ) from None
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
            return None if on_cpu else self.find_released()[1]
        except InputError:  # a device that isn't there is told about when the model is loaded
            return None

    def look_up(self, name: str) -> str:
        """Return a model's name if there is such a model, here or on the Hub.

        Raises:
            InputError: there is none, or the Hub doesn't answer.
        """
        if name not in self.names and name not in self.find_released():
            raise InputError(f"There is no such model; there are {', '.join(self.names)}.")
        return name

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

    def loaded_for(self, request: Request) -> Loaded:
        """The model that a question names, in its precision; waits for it.

        Raises:
            InputError: there is no such model, or it could not be loaded.
        """
        request = self.named(request)
        if request.model not in self.names:
            raise InputError("There is no such model here; choose another one.")
        is_first = request.model == self.first
        precision = request.options.precision
        wanted = (request.model, find_precision(*self._place(precision)))
        if is_first and wanted[1] == self.predictor.model.dtype:
            return self._first.result()
        with self._fetching:
            if self._other is None or self._other[0] != wanted:
                before, self._other = self._other, None  # room for the next one
                path = self._model if is_first else fetch_checkpoint(request.model)
                loaded = self._load(path, precision, before and before[1].source)
                if not self.loans:  # measuring would take of a visitor's loan
                    loaded.prices.measure()
                self._other = (wanted, loaded)
                advised = loaded.predictor.model.config.calibration.threshold
                self._advised[request.model] = advised
            return self._other[1]

    def _load(self, model: str | Path, precision: str, instead_of: Source | None = None) -> Loaded:
        from errseg.checkpoints.weights import load_model
        from errseg.inference.predictor import Predictor

        precision, device = self._place(precision)
        loaded = load_model(model, device, precision, self._compile)
        predictor, source = Predictor(loaded), Source(model, precision)
        if self.loans:
            self.loans.keep(source, loaded, instead_of)
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


def _check_model(model: str | Path) -> None:
    """Refuse at once what can be told without loading it."""
    if Path(model).suffix:
        if not Path(model).is_file():
            raise InputError(f"There is no weights file {model}.")
    else:
        model_config(str(model))
