"""CLIP's towers: a photo -> dense embeddings and guiding features; prompts -> embeddings."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from errseg.config import ClipConfig
from errseg.errors import InputError
from errseg.network.layers import resize
from errseg.network.towers import PROMPTS_AT_ONCE, EncodedImage, Part, Towers, normalise_pixels

OPEN_CLIP_VOCABULARY = 49408  # byte-pair tokens of CLIP's tokenizer
LONGEST_COUNTED = 512  # tokens, of a prompt whose length is asked for
IMAGE_TUNED = ("gamma", "mlp.fc1.weight", "mlp.fc2.weight", "conv_dw.weight")
TEXT_TUNED = ("in_proj_weight", "c_fc.weight")
"""Endings of what training changes of CLIP (published configuration); the rest is frozen."""


class ClipTowers(Towers):
    """CLIP with a ConvNeXt image tower, read out densely at strides 16 and 32 (HSM)."""

    text_learns = True

    def __init__(self, config: ClipConfig):
        super().__init__()
        self.config = config
        import open_clip  # takes a second, and errseg-lite has no use for it

        self.clip = open_clip.model.CLIP(
            embed_dim=config.embedding,
            vision_cfg={
                "timm_model_name": config.trunk,
                "timm_model_pretrained": False,
                "timm_pool": "",
                "timm_proj": config.projection,
                "image_size": 320,
            },
            text_cfg={
                "context_length": config.context_length,
                "vocab_size": OPEN_CLIP_VOCABULARY,
                "width": config.text_width,
                "heads": config.text_heads,
                "layers": config.text_layers,
            },
        )
        # Stage 4's downsampling again, to run at stride 1; frozen in training, like the first.
        stride16, stride32 = config.widths[2:]
        self.dense_norm = nn.LayerNorm(stride16)
        self.dense_downsample = nn.Conv2d(stride16, stride32, 2, padding=1)

    def encode_image(self, pixels: Tensor, learning: bool = False) -> EncodedImage:
        """Encode uint8 RGB photos (B, 3, H, W).

        While the towers learn, strides 4 and 8 are cut from the gradient: they guide the decoder,
        and it doesn't change them (published code).
        """
        trunk = self.clip.visual.trunk
        x = normalise_pixels(pixels, self.config).to(self.dtype)
        maps, pyramid = trunk.stem(x.contiguous(memory_format=torch.channels_last)), []
        for stage in trunk.stages:
            maps = stage(maps)
            pyramid.append(maps)
        stride16 = pyramid[2]
        normed = self.dense_norm(stride16.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        # The padded stride-1 convolution makes the grid one larger; resize it back.
        finer = resize(self.dense_downsample(normed), stride16.shape[-2:])
        if learning:
            pyramid[:2] = (maps.detach() for maps in pyramid[:2])
        dense16 = self._project(trunk.stages[-1].blocks(finer))
        return EncodedImage(
            pyramid=tuple(pyramid),
            dense16=dense16,
            dense32=self._project(pyramid[3]),
            aligned16=dense16 if learning else None,
        )

    def _project(self, maps: Tensor) -> Tensor:
        """Take every pixel through the trunk's head norm and CLIP's projection."""
        normed = self.clip.visual.trunk.head.norm(maps)
        embedded = self.clip.visual.head(normed.permute(0, 2, 3, 1))  # (B, h, w, C)
        return F.normalize(embedded.float(), dim=-1).permute(0, 3, 1, 2)

    def encode_text(self, prompts: list[str]) -> Tensor:
        """Encode prompts, see `Towers`; attention is causal, so batches end with their longest."""
        tokens = _tokenize(prompts, self.config.context_length)
        lengths = tokens.argmax(dim=1) + 1  # the end-of-text token has the highest number
        by_length = lengths.argsort(stable=True)
        embeddings = torch.empty(len(prompts), self.config.embedding, device=self.device)
        for rows in by_length.split(PROMPTS_AT_ONCE):
            batch = tokens[rows, : int(lengths[rows].max())].to(self.device)
            embeddings[rows.to(self.device)] = self._encode_tokens(batch)
        return embeddings

    def _encode_tokens(self, tokens: Tensor) -> Tensor:
        """Encode one batch of tokens (T, L), whose rows end where their greatest number stands.

        What every row begins with, such as "a photo of a", is computed once, and the rows attend
        to its keys and values. Of the last block only the ends are computed.
        """
        clip, length = self.clip, tokens.shape[1]
        same = (tokens == tokens[0]).all(dim=0)
        # Of all tokens but the last: each row has an end of its own.
        shared = int(same[:-1].long().cumprod(dim=0).sum())
        begun = clip.token_embedding(tokens[:1, :shared]) + clip.positional_embedding[:shared]
        x = clip.token_embedding(tokens[:, shared:]) + clip.positional_embedding[shared:length]
        mask = clip.attn_mask[:length, :length].to(x.dtype)
        *blocks, last = clip.transformer.resblocks
        for block in blocks:
            begun, before = _attend(block, begun, None, mask[:shared, :shared])
            x, _ = _attend(block, x, before, mask[shared:])
        _, *before = _projected(last, begun)
        ends, _ = _attend(last, x, before, mask[shared:], tokens.argmax(dim=1) - shared)
        return F.normalize((clip.ln_final(ends[:, 0]) @ clip.text_projection).float(), dim=-1)

    def prompt_lengths(self, prompts: list[str]) -> list[int]:
        """Count the tokens of each prompt, see `Towers`."""
        tokens = _tokenize(prompts, LONGEST_COUNTED)
        return (tokens.argmax(dim=1) + 1).tolist()  # the end-of-text token has the highest number

    @property
    def dtype(self) -> torch.dtype:
        """What the towers compute in; the embeddings that leave them are float32."""
        return self.clip.logit_scale.dtype

    def part(self, name: str) -> Part:
        """Say what a parameter is to training: a few of CLIP's kinds are fine-tuned."""
        if name.startswith("clip.visual."):
            return "clip" if name.endswith(IMAGE_TUNED) else "frozen"
        return "clip" if name.endswith(TEXT_TUNED) else "frozen"

    def load_public_weights(self, tag: str) -> None:
        """Take CLIP's weights from open_clip, see `Towers.load_public_weights`."""
        import open_clip

        try:
            clip = open_clip.create_model(self.config.open_clip_name, pretrained=tag)
        except (OSError, RuntimeError) as error:  # what open_clip and the Hub raise without network
            raise InputError(
                f"CLIP's weights {tag} of {self.config.open_clip_name} can't be fetched "
                f"({str(error).splitlines()[0]}); training starts from them, so it needs a network "
                "once."
            ) from None
        self.clip.load_state_dict(clip.state_dict())
        norm, convolution = self.clip.visual.trunk.stages[-1].downsample
        self.dense_norm.load_state_dict(norm.state_dict())
        self.dense_downsample.load_state_dict(convolution.state_dict())

    def rebuild_buffers(self) -> None:
        """Make the causal mask anew, which no file holds."""
        length = self.config.context_length
        mask = torch.full((length, length), float("-inf")).triu(1)
        self.clip.register_buffer("attn_mask", mask, persistent=False)

    def compiled_parts(self) -> Iterator[nn.Module]:
        """List the image tower's stages."""
        return iter(self.clip.visual.trunk.stages)


def _projected(block: nn.Module, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Compute a block's queries, keys and values of tokens (T, L, C): (T, heads, L, C / heads)."""
    attention = block.attn
    projected = F.linear(block.ln_1(x), attention.in_proj_weight, attention.in_proj_bias)
    split = projected.unflatten(-1, (3, attention.num_heads, -1))  # (T, L, 3, heads, C / heads)
    return split.permute(2, 0, 3, 1, 4).unbind(0)


def _attend(
    block: nn.Module,
    x: Tensor,
    before: list[Tensor] | None,
    mask: Tensor,
    only: Tensor | None = None,
) -> tuple[Tensor, list[Tensor]]:
    """Take tokens (T, L, C) through a block of CLIP's transformer, after those ``before`` them.

    Those are given as keys and values (1, heads, L before, C / heads), and a mask of the scores
    (L, L before + L). Of each row all tokens are computed, or ``only`` one whose place (T,) is
    given. The tokens' own keys and values are returned as well.
    """
    query, *own = _projected(block, x)
    keys, values = own
    if before is not None:
        keys, values = (
            torch.cat([first.expand(len(x), -1, -1, -1), then], dim=2)
            for first, then in zip(before, own, strict=True)
        )
    if only is not None:
        rows = torch.arange(len(x), device=x.device)
        x, query = x[rows, only][:, None], query[rows, :, only][:, :, None]
        mask = mask[only][:, None, None]  # (T, heads, 1, L before + L)
    attended = F.scaled_dot_product_attention(query, keys, values, attn_mask=mask)
    x = x + block.ls_1(block.attn.out_proj(attended.transpose(1, 2).flatten(2)))
    return x + block.ls_2(block.mlp(block.ln_2(x))), own


def _tokenize(prompts: list[str], length: int) -> Tensor:
    from open_clip import tokenize

    return tokenize(prompts, length)
