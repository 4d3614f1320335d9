"""ERR-Seg: the paper's figure, box by box.

=============  =====================================================================
B              photos in the batch
T              classes in the vocabulary
P              classes that CRM keeps, ``min(P, T)``
K              top classes that vote at one pixel
h w, H W       a grid at some stride, the photo's pixels
cost map       cosine similarity of pixel and text embeddings (HSM: strides 16 and 32)
CRM            channel reduction module: keeps P of T classes, no weights
ESCF           efficient semantic context fusion: SFM over space, CFM over classes
GUD            gradual upsampling decoder
guidance       image or text features that steer ESCF and GUD
=============  =====================================================================
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from errseg.config import (
    BETA,
    KEPT_CLASSES,
    STRIDES,
    VOTES_PER_PIXEL,
    ClipConfig,
    LiteConfig,
    ModelConfig,
    model_config,
)
from errseg.errors import InputError
from errseg.network.clip import ClipTowers
from errseg.network.crm import count_votes, rank_vocabulary, score_votes, select_classes
from errseg.network.escf import ESCF, SFM
from errseg.network.gud import GUD
from errseg.network.guidance import GuidanceProjection, ImageGuidance
from errseg.network.hsm import CostEmbedding, CostMaps, cost_maps
from errseg.network.layers import resize
from errseg.network.lite import LiteTowers
from errseg.network.published import load_published, published_name
from errseg.network.scores import calibrate_logits
from errseg.network.towers import EncodedImage

DROPPED_LOGIT = -100.0
"""Logit of a class that CRM dropped: its sigmoid is 0 in every precision (published code)."""
SMALLEST_SIDE = 2 * STRIDES[-1]
"""Pixels of a side below which the stride-32 grid has fewer than two cells."""
TOWERS = {ClipConfig: ClipTowers, LiteConfig: LiteTowers}


@dataclass(frozen=True, kw_only=True)
class ImageFeatures(EncodedImage):
    """All that the decoder needs of a batch of photos, whatever the vocabulary."""

    guidance: ImageGuidance
    size: tuple[int, int]  # H, W of the network's input

    @property
    def bytes(self) -> int:
        """What this holds."""
        tensors = (*self.pyramid, self.dense16, self.dense32, self.aligned16)
        tensors += (self.guidance.spatial, *self.guidance.decoder)
        return sum(tensor.nbytes for tensor in tensors if tensor is not None)


@dataclass(frozen=True)
class Segmentation:
    """What the network says of a batch of photos and a vocabulary."""

    kept_logits: Tensor  # (B, P, H/4, W/4), the kept classes only
    kept: Tensor  # (B, P) ascending class indices
    crm_scores: Tensor  # (B, T)
    ranking: Tensor  # (B, K, h16, w16) each pixel's top K classes, best first
    votes: Tensor  # (B, T, K) pixels of the stride-16 grid at which a class has rank 0..K-1

    @property
    def bytes(self) -> int:
        """What this holds."""
        return sum(tensor.nbytes for tensor in vars(self).values())

    @property
    def logits(self) -> Tensor:
        """Logits of the whole vocabulary (B, T, H/4, W/4), -100 where CRM dropped the class."""
        batch, _, *grid = self.kept_logits.shape
        logits = self.kept_logits.new_full((batch, self.crm_scores.shape[1], *grid), DROPPED_LOGIT)
        index = self.kept[:, :, None, None].expand_as(self.kept_logits)
        return logits.scatter(1, index, self.kept_logits)


class ERRSeg(nn.Module):
    """Efficient redundancy-reduced open-vocabulary segmentation (arXiv 2501.17642).

    ::

        photo ── image tower ─┬─ dense embeddings /16, /32 ─┐
                              │                             ├─ cost maps (HSM) ─ CRM ─ embedding
        classes ─ text tower ─┼─ text embeddings ───────────┘                           │
                              │                                                         │
                              └─ guidance ──────────────────────────── ESCF (SFM, CFM) ─┤
                                      └──────────────────────────────────────────────── GUD ─ logits
    """

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.config = config
        self.weights_hash = ""  # SHA-256 of the weights file; empty for random weights
        self.weights_origin = ""  # its address on the Hub, with its commit; empty for a local file
        head = config.head
        self.towers = TOWERS[type(config.towers)](config.towers)
        self.cost_embedding = CostEmbedding(head)
        self.guidance = GuidanceProjection(config.towers.widths, head)
        guided = head.cfm and head.text_guidance
        self.text_guidance = nn.Linear(config.towers.embedding, head.width) if guided else None
        self.escf = ESCF(head)
        self.decoder = GUD(head)
        if head.cost_shortcut:
            # The untrained network should say what the raw cost maps say: a cosine of 0.3 is
            # where a class becomes likely.
            self.shortcut_scale = nn.Parameter(torch.tensor(10.0))
            self.shortcut_bias = nn.Parameter(torch.tensor(-3.0))

    @property
    def device(self) -> torch.device:
        """Where the weights lie and results are computed."""
        return self.towers.device

    @property
    def dtype(self) -> torch.dtype:
        """What the network computes in, see `cast`."""
        return self.decoder.head.weight.dtype

    @property
    def precision(self) -> str:
        """The name of `dtype`, such as "float32"."""
        return str(self.dtype).removeprefix("torch.")

    def cast(self, dtype: torch.dtype) -> Self:
        """Compute in another precision from now on; the weights are converted once, in place.

        What small differences decide stays float32: the embeddings, the cost maps with their
        embedding and CRM's ranking, and the logits.
        """
        self.towers.cast(dtype)
        for part in (self.guidance, self.text_guidance, self.escf, self.decoder):
            if part is not None:
                part.to(dtype)
        return self

    def work_in_groups(self, classes_at_once: int | None) -> Self:
        """Let SFM and GUD work on so many classes at once; None for as many as suit the device."""
        for part in self.modules():
            if isinstance(part, SFM | GUD):
                part.classes_at_once = classes_at_once
        return self

    def encode_image(self, pixels: Tensor, learning: bool = False) -> ImageFeatures:
        """Encode photos once; decode them with as many vocabularies as you like.

        Args:
            pixels: uint8 RGB (B, 3, H, W) at network size, H and W at least 64. Multiples of 32
                fit the grids exactly; other sizes are resized (bilinear) between them.
            learning: while the towers themselves train, see `Towers.encode_image`.

        Raises:
            InputError: another type, shape or size.
        """
        if pixels.dtype != torch.uint8 or pixels.ndim != 4 or pixels.shape[1] != 3:
            raise InputError(
                "Photos must be uint8 RGB of shape (B, 3, H, W), "
                f"not {pixels.dtype} of shape {tuple(pixels.shape)}."
            )
        height, width = pixels.shape[-2:]
        if min(height, width) < SMALLEST_SIDE:
            raise InputError(
                f"The network's input must be at least {SMALLEST_SIDE} pixels on each side, "
                f"not {width} x {height}."
            )
        encoded = self.towers.encode_image(pixels.to(self.device), learning)
        guidance = self.guidance(tuple(maps.to(self.dtype) for maps in encoded.pyramid))
        return ImageFeatures(**vars(encoded), guidance=guidance, size=(height, width))

    def encode_text(self, prompts: list[str]) -> Tensor:
        """Encode prompts to L2-normalised embeddings (T, C).

        Raises:
            InputError: no prompt was given.
        """
        if not prompts:
            raise InputError("No prompt was given; encode_text needs at least one.")
        return self.towers.encode_text(list(prompts))

    def cost_maps(self, features: ImageFeatures, text: Tensor) -> CostMaps:
        """Compute HSM's cost maps (B, T, h, w) for any text embeddings (T, C)."""
        return cost_maps(features.dense16, features.dense32, text)

    def decode(
        self,
        features: ImageFeatures,
        text: Tensor,
        kept_classes: int = KEPT_CLASSES,
        votes_per_pixel: int = VOTES_PER_PIXEL,
        beta: float = BETA,
        select: Callable[[Tensor, int], Tensor] = select_classes,
        tokens_of: Callable[[ImageFeatures, Tensor], Tensor] | None = None,
        calibrate: Callable[[Tensor, Tensor], Tensor] | None = None,
    ) -> Segmentation:
        """Segment encoded photos under a vocabulary.

        Args:
            features: from `encode_image`.
            text: L2-normalised text embeddings (T, C), one per class.
            kept_classes: P.
            votes_per_pixel: K.
            beta: CRM's score coefficient, in [0, 1].
            select: chooses the kept classes (B, P) from CRM's scores (B, T) and P; training keeps
                those present.
            tokens_of: what takes the place of `class_tokens`, such as a memory of it.
            calibrate: what takes the place of `calibrate_logits`, of the logits (B, P, H/4, W/4)
                of the kept classes (B, P).

        Raises:
            InputError: P, K or beta out of range, or no class.
        """
        if text.ndim != 2 or not len(text):
            raise InputError(f"Text embeddings must be (T, C), T >= 1, not {tuple(text.shape)}.")
        # CRM on the stride-16 cost maps: everything after it sees the kept classes only.
        ranking = rank_vocabulary(features.dense16, text, votes_per_pixel)
        votes = count_votes(ranking, len(text))
        scores = score_votes(votes, beta)
        count = kept_classes if self.config.head.crm else len(text)
        kept = select(scores, count)
        logits = self.decode_kept(features, text, kept, tokens_of, calibrate)
        return Segmentation(logits, kept, scores, ranking, votes)

    def decode_kept(
        self,
        features: ImageFeatures,
        text: Tensor,
        kept: Tensor,
        tokens_of: Callable[[ImageFeatures, Tensor], Tensor] | None = None,
        calibrate: Callable[[Tensor, Tensor], Tensor] | None = None,
    ) -> Tensor:
        """Do all that follows CRM, for the classes (B, P) that it kept of those with text (T, C).

        ``tokens_of`` and ``calibrate`` are as for `decode`.

        Returns:
            logits (B, P, H/4, W/4).
        """
        text = text[kept]  # (B, P, C)
        # What each class does alone: HSM's cost maps, their embedding, the first SFM.
        tokens = (tokens_of or self.class_tokens)(features, text)  # (B, P, h16, w16, C)
        # What they do together: the first CFM and all of ESCF's layers after it.
        tokens = self.escf(tokens, features.guidance.spatial, self.guide_classes(text))
        # GUD, to stride 4.
        grid = (features.size[0] // STRIDES[0], features.size[1] // STRIDES[0])
        logits = self.decoder(tokens, features.guidance.decoder, grid).float()

        if self.config.head.cost_shortcut:
            cost = torch.einsum("bchw,btc->bthw", features.dense16, text)
            logits = logits + self.shortcut_scale * resize(cost, grid) + self.shortcut_bias
        if calibrate is not None:
            return calibrate(logits, kept)
        return calibrate_logits(logits, self.config.calibration)

    def embed_classes(self, features: ImageFeatures, text: Tensor) -> Tensor:
        """Embed some classes' cost maps (HSM): text (B, P, C) -> tokens (B, P, h16, w16, C)."""
        cost = cost_maps(features.dense16, features.dense32, text)
        return self.cost_embedding(cost).to(self.dtype)

    def class_tokens(self, features: ImageFeatures, text: Tensor) -> Tensor:
        """Do all that a class does by itself: HSM and the first SFM, see `embed_classes`."""
        return self.escf.alone(self.embed_classes(features, text), features.guidance.spatial)

    def guide_classes(self, text: Tensor) -> Tensor | None:
        """Project text embeddings (B, P, C) to CFM's text guidance; None where that is off."""
        if self.text_guidance is None:
            return None
        guidance = F.gelu(self.text_guidance(text.to(self.dtype)))
        # Hiding whole classes' guidance keeps the decoder from learning names by heart.
        return F.dropout1d(guidance, self.config.head.text_guidance_dropout, self.training)

    def released_parameters(self) -> dict[str, nn.Parameter]:
        """Map the released checkpoints' names to our parameters."""
        return {published_name(name): parameter for name, parameter in self.named_parameters()}

    def load_published(self, state_dict: dict[str, Tensor]) -> Self:
        """Load tensors under the released checkpoints' names (``sem_seg_head....``), strictly.

        Raises:
            InputError: tensors are missing, unknown or of another shape; the message lists them.
        """
        load_published(self, state_dict, self.config.name)
        return self


Network = TypeVar("Network", bound=ERRSeg)


def build_model(name: str | ModelConfig, kind: type[Network] = ERRSeg) -> Network:
    """Build a variant with random weights, in evaluation mode.

    Args:
        name: the variant's, or its configuration.
        kind: `ERRSeg`, or what adds to it.

    Raises:
        InputError: no variant has this name.
    """
    config = model_config(name) if isinstance(name, str) else name
    return kind(config).eval()
