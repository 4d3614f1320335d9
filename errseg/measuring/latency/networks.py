"""The networks that are measured, made when they are asked for, and what they are shown."""

import contextlib
import copy
import gc
from contextlib import AbstractContextManager

import torch
from torch import Tensor
from torch.nn import functional as F

from errseg.checkpoints.weights import load_model
from errseg.config import EMBEDDED
from errseg.device import AUTOMATIC, FLOAT32, find_precision
from errseg.network.model import ERRSeg, build_model
from errseg.words.vocabulary import fill_templates, load_vocabulary

AS_DRAWN = "as drawn"
KINDS = (AS_DRAWN, FLOAT32, AUTOMATIC)


class Networks:
    """Models by name and precision on a device; those of one name at a time.

    The embedded model has its weights, the others random ones.
    """

    def __init__(self, device: torch.device):
        self.device = device
        self.automatic = find_precision(AUTOMATIC, device)
        self._name, self._models = "", {}

    def get(self, name: str, kind: str) -> ERRSeg:
        """Return a model for one of `KINDS`; the same one as drawn and in float32."""
        with torch.inference_mode(False):  # as models are made that are used; torch compiles those
            return self._get(name, kind)

    def _get(self, name: str, kind: str) -> ERRSeg:
        if name != self._name:
            self.forget()
            self._name = name
            made = load_model(EMBEDDED[name]) if name in EMBEDDED else build_model(name)
            self._models = {torch.float32: made.requires_grad_(False).to(self.device)}
        dtype = self.automatic if kind == AUTOMATIC else torch.float32
        if dtype not in self._models:
            self._models[dtype] = copy.deepcopy(self._models[torch.float32]).cast(dtype)
        return self._models[dtype]

    def forget(self) -> None:
        """Give the models' memory back."""
        self._name, self._models = "", {}
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def says(self, kind: str) -> str:
        """Say how a kind computes."""
        if kind == AS_DRAWN:
            return "as drawn, float32"
        automatic = str(self.automatic).removeprefix("torch.")
        return kind if kind == FLOAT32 else f"{kind} ({automatic})"


def conditions(kind: str) -> AbstractContextManager:
    """Let the network as drawn compute as torch does by itself, with TF32 in its convolutions."""
    if kind != AS_DRAWN:
        return contextlib.nullcontext()
    return torch.backends.cudnn.flags(enabled=True, allow_tf32=True)


def made_up(model: ERRSeg, side: int, classes: int, batch: int) -> tuple[Tensor, Tensor]:
    """Make photos uint8 (B, 3, side, side) and text embeddings (T, C), on the model's device."""
    seeded = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (batch, 3, side, side), dtype=torch.uint8, generator=seeded)
    text = torch.randn(classes, model.config.towers.embedding, generator=seeded)
    return pixels.to(model.device), F.normalize(text, dim=-1).to(model.device)


def prompts(model: ERRSeg, classes: int) -> list[str]:
    """List a prompt each of as many classes of ADE20K-847, or of all if there are fewer."""
    names = [prompt.name for prompt in load_vocabulary("ade847").classes]
    return [fill_templates(n, model.config.towers.templates)[0] for n in names[:classes]]
