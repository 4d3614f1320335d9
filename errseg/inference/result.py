"""What a predictor answers: plain arrays and names, which need neither torch nor the network."""

from dataclasses import dataclass

import numpy as np

from errseg.options import Options
from errseg.words.hints import Hint


@dataclass(frozen=True, kw_only=True)
class Settings(Options):
    """The options of a result, and all else that it depends on besides the photo and the words.

    What the options left to the model is filled in, and what it can't do is off.
    """

    model: str
    weights_hash: str  # SHA-256 of the weights file; empty for random weights
    weights_origin: str = ""  # its address on the Hub, with its commit; empty for a local file
    network_size: tuple[int, int]  # H, W that the network saw of the whole photo
    tile_size: tuple[int, int] | None = None  # H, W that it saw of each tile, if there are any


@dataclass(frozen=True)
class Result:
    """One segmented photo."""

    classes: tuple[str, ...]  # the vocabulary's names, T
    labels: np.ndarray  # (H, W) int, index into classes, -1 where no class reaches the threshold
    scores: np.ndarray  # (H, W) float32 in [0, 1], the winning class's sigmoid
    kept: tuple[int, ...]  # ascending indices of the classes that CRM kept
    crm_scores: np.ndarray  # (T,) float32
    # (T, K) int, stride-16 pixels at which a class has rank 0..K-1, those of tiles too
    votes: np.ndarray
    # (K, h16, w16) int, each stride-16 pixel's top K classes, best first, in the whole photo
    ranking: np.ndarray
    # (P, h4, w4) float32 sigmoids of the kept classes at stride 4, or on the finer grid of tiles
    class_scores: np.ndarray
    notices: tuple[str, ...]  # what was changed, what isn't known: in short plain sentences
    settings: Settings
    timings: dict[str, float]  # seconds by stage
    hints: tuple[Hint, ...] = ()  # those of the notices that offer other words or settings
    # H, W of the photo before it was shrunk for the labels above; None where it wasn't
    own_size: tuple[int, int] | None = None
    # left, top, right and bottom of the tile around `Settings.closer_at`, in parts of the photo
    closer_box: tuple[float, float, float, float] | None = None

    @property
    def mask_size(self) -> tuple[int, int]:
        """H, W of masks in files: the photo's own."""
        return self.own_size or self.labels.shape


@dataclass(frozen=True)
class CostView:
    """Some classes' cost maps on a photo: what HSM says, whether CRM keeps a class or not."""

    stride16: np.ndarray  # (n, h16, w16) float32 cosines
    stride32: np.ndarray  # (n, h32, w32)
