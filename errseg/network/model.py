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

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from errseg.config import (
    BETA,
    KEPT_CLASSES,
    VOTES_PER_PIXEL,
    ClipConfig,
    ModelConfig,
    model_config,
)
from errseg.errors import InputError
from errseg.network.attention import Recorder
from errseg.network.clip import ClipTowers
from errseg.network.crm import count_votes, rank_vocabulary, score_votes, select_classes
from errseg.network.escf import ESCF
from errseg.network.gud import GUD, GuidanceProjection, ImageGuidance
from errseg.network.hsm import CostEmbedding, CostMaps, cost_maps
from errseg.network.layers import resize
from errseg.network.lite import LiteTowers
from errseg.network.published import load_published
from errseg.network.scores import calibrate_logits
from errseg.network.token_memory import TokenMemory

DROPPED_LOGIT = -100.0
"""Logit of a class that CRM dropped: its sigmoid is 0 in every precision (published code)."""
KNOWN_CLASSES = 64
"""Classes of which a photo remembers tokens: P = 32 and as many that were kept before."""
SMALLEST_SIDE = 64
"""Pixels of a side below which the stride-32 grid has fewer than two cells."""


@dataclass(frozen=True)
class ImageFeatures:
    """All that the decoder needs of a batch of photos, whatever the vocabulary."""

    dense16: Tensor  # L2-normalised pixel embeddings (B, C, h16, w16)
    dense32: Tensor  # the same at stride 32, (B, C, h32, w32)
    guidance: ImageGuidance
    pyramid: tuple[Tensor, ...]  # backbone features at strides 4, 8, 16, 32; may be dropped
    size: tuple[int, int]  # H, W of the network's input
    memory: TokenMemory | None = None  # of one photo that is decoded more than once

    @property
    def bytes(self) -> int:
        """What this holds, with all that the memory may come to hold."""
        guidance = (self.guidance.spatial, *self.guidance.decoder)
        tensors = (self.dense16, self.dense32, *guidance, *self.pyramid)
        held = sum(tensor.nbytes for tensor in tensors if tensor is not None)
        return held + (self.memory.limit if self.memory else 0)


@dataclass(frozen=True)
class Fusion:
    """What GUD decodes, and what it came from: tokens are channels-last."""

    cost: CostMaps  # (B, P, h, w) at strides 16 and 32
    embedding: Tensor | None  # (B, P, h16, w16, C); None where the photo's memory was asked
    text_guidance: Tensor | None  # (B, P, C)
    layers: list[Tensor]  # after each layer of ESCF, (B, P, h16, w16, C)


@dataclass(frozen=True)
class Stages:
    """The decoder's inside, kept classes only, as the paper's figure draws it."""

    cost: CostMaps  # (B, P, h, w) at strides 16 and 32
    cost_embedding: Tensor  # (B, P, C, h16, w16)
    text_guidance: Tensor | None  # (B, P, C)
    escf: tuple[Tensor, ...]  # after each layer, (B, P, C, h16, w16)
    gud: tuple[Tensor, ...]  # after each stage, (B, P, C, h, w) at strides 16, 8, 4


@dataclass(frozen=True)
class Segmentation:
    """What the network says of a batch of photos and a vocabulary."""

    kept_logits: Tensor  # (B, P, H/4, W/4), the kept classes only
    kept: Tensor  # (B, P) ascending class indices
    crm_scores: Tensor  # (B, T)
    ranking: Tensor  # (B, K, h16, w16) each pixel's top K classes, best first
    votes: Tensor  # (B, T, K) pixels of the stride-16 grid at which a class has rank 0..K-1
    stages: Stages | None = None

    @property
    def bytes(self) -> int:
        """What this holds, without the stages."""
        tensors = (self.kept_logits, self.kept, self.crm_scores, self.ranking, self.votes)
        return sum(tensor.nbytes for tensor in tensors)

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
        head = config.head
        self.towers = (
            ClipTowers(config.towers)
            if isinstance(config.towers, ClipConfig)
            else LiteTowers(config.towers)
        )
        self.cost_embedding = CostEmbedding(head)
        self.guidance = GuidanceProjection(config.towers.widths, head)
        self.text_guidance = (
            nn.Linear(config.towers.embedding, head.width)
            if head.cfm and head.text_guidance
            else None
        )
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

    def cast(self, dtype: torch.dtype) -> ERRSeg:
        """Compute in another precision from now on; the weights are converted once, in place.

        What small differences decide stays float32: the embeddings, the cost maps with their
        embedding and CRM's ranking, and the logits.
        """
        self.towers.cast(dtype)
        for part in (self.guidance, self.text_guidance, self.escf, self.decoder):
            if part is not None:
                part.to(dtype)
        return self

    def encode_image(self, pixels: Tensor) -> ImageFeatures:
        """Encode photos once; decode them with as many vocabularies as you like.

        Args:
            pixels: uint8 RGB (B, 3, H, W) at network size, H and W at least 64. Multiples of 32
                fit the grids exactly; other sizes are resized (bilinear) between them.

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
        encoded = self.towers.encode_image(pixels.to(self.device))
        return ImageFeatures(
            dense16=encoded.dense16,
            dense32=encoded.dense32,
            guidance=self.guidance(tuple(maps.to(self.dtype) for maps in encoded.pyramid)),
            pyramid=encoded.pyramid,
            size=(height, width),
        )

    def encode_text(self, prompts: list[str]) -> Tensor:
        """Encode prompts to L2-normalised embeddings (T, C).

        Raises:
            InputError: no prompt was given.
        """
        if not prompts:
            raise InputError("No prompt was given; encode_text needs at least one.")
        return self.towers.encode_text(list(prompts))

    def remember(self, features: ImageFeatures) -> ImageFeatures:
        """Let a photo remember its classes from one decoding to the next; see `TokenMemory`.

        Args:
            features: of one photo, from `encode_image`.

        Returns:
            the features without the backbone's, which have done their work in the guidance.
        """
        cells = features.dense16.shape[-2:].numel()
        limit = KNOWN_CLASSES * cells * self.config.head.width * self.dtype.itemsize
        return dataclasses.replace(features, pyramid=(), memory=TokenMemory(limit))

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
        always: Tensor | None = None,
        keep_stages: bool = False,
        recorder: Recorder | None = None,
    ) -> Segmentation:
        """Segment encoded photos under a vocabulary.

        Args:
            features: from `encode_image`.
            text: L2-normalised text embeddings (T, C), one per class.
            kept_classes: P.
            votes_per_pixel: K.
            beta: CRM's score coefficient, in [0, 1].
            always: (B, T) bool, classes kept whatever their score (training).
            keep_stages: keep what each stage computed, in ``stages``.
            recorder: collects ESCF's attention, see `errseg.network.attention`.

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
        kept = select_classes(scores, count, always)

        if keep_stages:
            features = dataclasses.replace(features, memory=None)
        fusion = self.fuse(features, text[kept], recorder)
        grid = (features.size[0] // 4, features.size[1] // 4)
        logits, upsampled = self.decoder(
            fusion.layers[-1], features.guidance.decoder, grid, keep_stages
        )
        logits = logits.float()
        if self.config.head.cost_shortcut:
            shortcut = resize(fusion.cost.stride16, grid)
            logits = logits + self.shortcut_scale * shortcut + self.shortcut_bias
        logits = calibrate_logits(
            logits, self.config.score_scale, self.config.score_bias, self.config.score_competition
        )
        stages = None
        if keep_stages:
            stages = Stages(
                cost=fusion.cost,
                cost_embedding=fusion.embedding.permute(0, 1, 4, 2, 3),
                text_guidance=fusion.text_guidance,
                escf=tuple(tokens.permute(0, 1, 4, 2, 3) for tokens in fusion.layers),
                gud=tuple(upsampled),
            )
        return Segmentation(logits, kept, scores, ranking, votes, stages)

    def fuse(
        self, features: ImageFeatures, text: Tensor, recorder: Recorder | None = None
    ) -> Fusion:
        """Embed some classes' cost maps and fuse them: all that lies between CRM and GUD.

        Args:
            features: from `encode_image`.
            text: L2-normalised text embeddings of the classes (B, P, C).
            recorder: see `decode`.
        """
        cost = cost_maps(features.dense16, features.dense32, text)
        text_guidance = None
        if self.text_guidance is not None:
            text_guidance = F.gelu(self.text_guidance(text.to(self.dtype)))
            # Hiding whole classes' guidance keeps the decoder from learning names by heart.
            text_guidance = F.dropout1d(
                text_guidance, self.config.head.text_guidance_dropout, self.training
            )
        guidance = features.guidance.spatial
        if features.memory is None or recorder is not None:
            embedding = self.cost_embedding(cost).to(self.dtype)
            layers = self.escf(embedding, guidance, text_guidance, recorder)
        else:
            embedding = None
            begun = features.memory.complete(text[0], lambda new: self._begin(features, new))
            layers = self.escf.go_on(begun[None], guidance, text_guidance)
        return Fusion(cost, embedding, text_guidance, layers)

    def _begin(self, features: ImageFeatures, text: Tensor) -> Tensor:
        """Do what depends on single classes: text (P, C) -> one photo's tokens (P, h, w, C)."""
        cost = cost_maps(features.dense16, features.dense32, text)
        embedding = self.cost_embedding(cost).to(self.dtype)
        return self.escf.begin(embedding, features.guidance.spatial)[0]

    def load_published(self, state_dict: dict[str, Tensor]) -> ERRSeg:
        """Load tensors under the released checkpoints' names (``sem_seg_head....``), strictly.

        Raises:
            InputError: tensors are missing, unknown or of another shape; the message lists them.
        """
        load_published(self, state_dict, self.config.name)
        return self


def build_model(name: str | ModelConfig) -> ERRSeg:
    """Build a variant with random weights, in evaluation mode.

    Raises:
        InputError: no variant has this name.
    """
    config = model_config(name) if isinstance(name, str) else name
    return ERRSeg(config).eval()
