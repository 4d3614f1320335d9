"""ERR-Seg: efficient open-vocabulary semantic segmentation (arXiv 2501.17642)."""

from errseg.config import list_models
from errseg.errors import InputError
from errseg.model import build_model
from errseg.predictor import Predictor, Result
from errseg.weights import load_model, save_model

__all__ = [
    "InputError",
    "Predictor",
    "Result",
    "build_model",
    "list_models",
    "load_model",
    "save_model",
]
