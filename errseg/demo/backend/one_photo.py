"""The page's answers about one photo, for the command line: no line to wait in, and no bound."""

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from errseg.demo.backend.budget import Budget
from errseg.demo.backend.models import Loaded
from errseg.demo.backend.price import Prices
from errseg.demo.backend.request import Request
from errseg.demo.backend.service import Service
from errseg.inference.photo_files import ReadPhoto

if TYPE_CHECKING:  # torch takes seconds to import
    from errseg.inference.predictor import Predictor


@dataclass(frozen=True)
class _OneModel:
    """What `Service` asks of `Models`, of a model that is there."""

    loaded: Loaded
    loans: None = None

    def loaded_for(
        self, request: Request, waiting: Callable[[str], None] = lambda said: None
    ) -> Loaded:
        return self.loaded

    def predictor_for(self, request: Request) -> "Predictor":
        return self.loaded.predictor


@dataclass(frozen=True)
class _OnePhoto:
    """What `Service` asks of `Photos`, of a photo that was read; it is not shrunk."""

    pixels: np.ndarray  # (H, W, 3) uint8

    def read(self, path: object) -> ReadPhoto:
        return ReadPhoto(self.pixels, self.pixels.shape[1::-1])


class OnePhotoService(Service):
    """Answers questions about one photo to one model, as the page does.

    Args:
        predictor: the model's.
        photo: (H, W, 3) uint8; what questions say of a photo's file counts for nothing.
    """

    def __init__(self, predictor: "Predictor", photo: np.ndarray):
        models = _OneModel(Loaded(predictor, Prices(predictor)))
        super().__init__(models, budget=Budget(math.inf, sys.maxsize))
        self._photos = _OnePhoto(photo)
