"""ERR-Seg as the paper draws it, straight down and without a single saving.

The second oracle of the tests and the baseline of the benchmark; nothing else imports it. It
computes with a model's weights but, from CLIP's towers to the logits, with none of its code:
guidance is repeated for every class and concatenated, convolutions aren't folded, prompts are
padded to the whole context, attention is written out, everything is float32 and nothing is kept
between calls. errseg-lite's calibration is left out; its image tower, which is no part of the
paper, stands in `errseg.measuring.as_drawn_lite`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import open_clip
import torch
from torch import Tensor
from torch.nn import functional as F

from errseg.config import BETA, KEPT_CLASSES, VOTES_PER_PIXEL
from errseg.measuring import as_drawn_lite
from errseg.network.clip import ClipTowers
from errseg.network.escf import CFM, SFM, ClassAttention, SpatialAttention
from errseg.network.layers import StarFeedForward
from errseg.network.model import DROPPED_LOGIT, ERRSeg


@dataclass(frozen=True)
class DrawnSegmentation:
    """The same names as `Segmentation`, plus, if asked for, every attention."""

    logits: Tensor  # (B, T, h4, w4), -100 where CRM dropped the class
    kept: Tensor  # (B, P)
    crm_scores: Tensor  # (B, T)
    spatial_attention: list[Tensor]  # of each SFM, (B, P, heads, h16 w16, sources)
    class_attention: list[Tensor]  # of each CFM, (B, pixels, heads, P, P)


def encode_text(model: ERRSeg, prompts: list[str]) -> Tensor:
    """Encode prompts padded to the whole context: (T, C), L2-normalised."""
    towers, length = model.towers, model.config.towers.context_length
    if isinstance(towers, ClipTowers):
        tokens = open_clip.tokenize(prompts, length).to(model.device)
        return towers.clip.encode_text(tokens, normalize=True)
    ids = [
        F.pad(torch.tensor(row), (0, length - len(row))) for row in towers.text.tokenize(prompts)
    ]
    rows, text = torch.stack(ids).to(model.device), towers.text
    mask = rows > 0  # the number of the padding token
    x = text.norm(text.words(rows) + text.positions.weight)
    x = text.encoder(x, src_key_padding_mask=~mask)
    mean = F.normalize((x * mask[..., None]).sum(1) / mask.sum(1, keepdim=True), dim=-1)
    return F.normalize(mean - towers.text_mean, dim=-1)


def encode_image(model: ERRSeg, pixels: Tensor) -> tuple[list[Tensor], Tensor, Tensor]:
    """Return the features at strides 4, 8, 16, 32 and the dense embeddings at 16 and 32."""
    config, towers = model.config.towers, model.towers
    if not isinstance(towers, ClipTowers):
        return as_drawn_lite.encode_image(towers, pixels.to(model.device))
    mean = torch.tensor(config.pixel_mean, device=model.device).view(3, 1, 1)
    std = torch.tensor(config.pixel_std, device=model.device).view(3, 1, 1)
    x = (pixels.to(model.device).float() - mean) / std
    trunk, pyramid = towers.clip.visual.trunk, []
    x = trunk.stem(x)
    for stage in trunk.stages:
        x = stage(x)
        pyramid.append(x)

    def project(maps: Tensor) -> Tensor:
        embedded = towers.clip.visual.head(trunk.head.norm(maps).permute(0, 2, 3, 1))
        return F.normalize(embedded.permute(0, 3, 1, 2), dim=1)

    normed = towers.dense_norm(pyramid[2].permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    downsample = towers.dense_downsample
    finer = F.conv2d(F.pad(normed, (1, 1, 1, 1)), downsample.weight, downsample.bias)
    finer = F.interpolate(finer, pyramid[2].shape[-2:], mode="bilinear", align_corners=False)
    return pyramid, project(trunk.stages[3].blocks(finer)), project(pyramid[3])


def decode(
    model: ERRSeg,
    pyramid: list[Tensor],
    dense16: Tensor,
    dense32: Tensor,
    text: Tensor,
    kept_classes: int = KEPT_CLASSES,
    votes_per_pixel: int = VOTES_PER_PIXEL,
    beta: float = BETA,
    keep_attention: bool = False,
    mark: Callable[[str], None] | None = None,
) -> DrawnSegmentation:
    """HSM, CRM, cost embedding, guidance, ESCF, GUD and head, one after the other.

    ``mark`` is called with the name of each stage when it has been computed.
    """
    mark = mark or (lambda stage: None)
    head = model.config.head
    batch, _, height, width = dense16.shape

    # HSM: cost maps of the whole vocabulary at both strides
    cost16 = torch.einsum("bchw,tc->bthw", dense16, text)
    cost32 = torch.einsum("bchw,tc->bthw", dense32, text)

    # CRM: every pixel votes for its K best classes
    classes = len(text)
    scores = torch.zeros(batch, classes, device=text.device)
    order = cost16.flatten(2).sort(dim=1, descending=True, stable=True).indices
    for rank in range(min(votes_per_pixel, classes)):
        for image in range(batch):
            counts = torch.bincount(order[image, rank], minlength=classes)
            scores[image] += beta**rank * counts
    kept = scores.sort(dim=1, descending=True, stable=True).indices
    kept = kept[:, : min(kept_classes, classes) if head.crm else classes].sort(dim=1).values
    each = torch.arange(batch, device=kept.device)[:, None]
    cost16, cost32, kept_text = cost16[each, kept], cost32[each, kept], text[kept]
    count = kept.shape[1]
    mark("crm")

    # Cost embedding: per class, 7x7 at each stride, mean, 1x1
    embedding = model.cost_embedding
    padding = head.cost_kernel // 2
    strides = []
    for convolution, cost in zip(embedding.embed, (cost16, cost32), strict=False):
        maps = F.conv2d(
            cost.flatten(0, 1)[:, None], convolution.weight, convolution.bias, padding=padding
        )
        strides.append(F.interpolate(maps, (height, width), mode="bilinear", align_corners=False))
    x = embedding.fuse(torch.stack(strides).mean(dim=0)).unflatten(0, (batch, count))

    # Guidance
    stride4, stride8, stride16, stride32 = (maps.clamp(-16, 16) for maps in pyramid)
    image_guidance = text_guidance = None
    if model.guidance.spatial is not None:
        coarse = F.relu6(model.guidance.spatial[0](stride32))
        mean = F.interpolate(coarse, (height, width), mode="bilinear", align_corners=False)
        if head.image_guidance_stride16:
            mean = (mean + F.relu6(model.guidance.spatial[1](stride16))) / 2
        image_guidance = model.guidance.fuse(mean)
        image_guidance = image_guidance[:, None].expand(-1, count, -1, -1, -1)
    if model.text_guidance is not None:
        text_guidance = F.gelu(model.text_guidance(kept_text))
    guiding = (stride16, stride8, stride4)[0 if head.decoder_guidance_stride16 else 1 :]
    decoder_guidance = [
        F.relu6(convolution(maps))
        for convolution, maps in zip(model.guidance.decoder, guiding, strict=False)
    ]
    if model.decoder.stages and not head.decoder_guidance_stride16:
        decoder_guidance.insert(0, stride16[:, :0])

    # ESCF
    spatial_attention, class_attention = [], []
    for layer in model.escf:
        if isinstance(layer.sfm, SFM):
            x, attention = _sfm(layer.sfm, x, image_guidance)
            spatial_attention += [attention] * keep_attention
        if isinstance(layer.cfm, CFM):
            x, attention = _cfm(layer.cfm, x, text_guidance)
            class_attention += [attention] * keep_attention

    mark("escf")

    # GUD, the head, and -100 for the classes that CRM dropped
    x = x.flatten(0, 1)
    for stage, guidance in zip(model.decoder.stages, decoder_guidance, strict=True):
        repeated = guidance[:, None].expand(-1, count, -1, -1, -1).flatten(0, 1)
        x = torch.cat([stage.up(x), repeated], dim=1)
        x = F.relu(stage.norm1(F.conv2d(x, stage.refine1.weight, padding=1)))
        x = F.relu(stage.norm2(stage.refine2(x)))
    logits = model.decoder.head(x)[:, 0].unflatten(0, (batch, count))
    grid = (height * 4, width * 4)
    logits = F.interpolate(logits, grid, mode="bilinear", align_corners=False)
    if head.cost_shortcut:
        raw = F.interpolate(cost16, grid, mode="bilinear", align_corners=False)
        logits = logits + model.shortcut_scale * raw + model.shortcut_bias
    full = torch.full((batch, classes, *grid), DROPPED_LOGIT, device=logits.device)
    full[each, kept] = logits
    mark("gud")
    return DrawnSegmentation(full, kept, scores, spatial_attention, class_attention)


def label(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize every class's score to the photo, then take each pixel's best: (B, *size)."""
    scores = F.interpolate(logits.sigmoid(), size, mode="bilinear", align_corners=False)
    return scores.argmax(dim=1)


def _sfm(sfm: SFM, x: Tensor, guidance: Tensor | None) -> tuple[Tensor, Tensor]:
    """SFM on x (B, P, C, h, w) with guidance repeated for every class, of the same shape."""
    batch, count, _, height, width = x.shape
    tokens = x.flatten(0, 1).flatten(2).transpose(1, 2)  # (B P, h w, C)
    repeated = None if guidance is None else guidance.flatten(0, 1).flatten(2).transpose(1, 2)
    attended, attention = _spatial_attention(
        sfm.attention, sfm.norm1(tokens), repeated, (height, width)
    )
    tokens = tokens + attended
    hidden = _star(sfm.feed_forward, sfm.norm2(tokens))
    mixed = sfm.mix(hidden.transpose(1, 2).unflatten(2, (height, width)))
    tokens = tokens + mixed.flatten(2).transpose(1, 2)
    x = tokens.transpose(1, 2).unflatten(2, (height, width)).unflatten(0, (batch, count))
    return x, attention.unflatten(0, (batch, count))


def _spatial_attention(
    attention: SpatialAttention, tokens: Tensor, guidance: Tensor | None, grid: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    seen = tokens if guidance is None else torch.cat([tokens, guidance], dim=-1)
    seen_by_key, source = seen, tokens
    if attention.reduce_key is not None:
        maps = seen.transpose(1, 2).unflatten(2, grid)
        convolution = attention.reduce_key
        reduced = F.conv2d(maps, convolution.weight, convolution.bias, convolution.stride)
        seen_by_key = attention.norm_key(reduced.flatten(2).transpose(1, 2))
        reduced = attention.reduce_value(tokens.transpose(1, 2).unflatten(2, grid))
        source = attention.norm_value(reduced.flatten(2).transpose(1, 2))
    return _attend(attention, seen, seen_by_key, source)


def _cfm(cfm: CFM, x: Tensor, guidance: Tensor | None) -> tuple[Tensor, Tensor]:
    """CFM on x (B, P, C, h, w) with guidance (B, P, C)."""
    batch, count, _, height, width = x.shape
    pooled = F.avg_pool2d(x.flatten(0, 1), cfm.reduction)
    grid = pooled.shape[-2:]
    # (B P, C, h', w') -> (B h' w', P, C)
    tokens = pooled.unflatten(0, (batch, count)).permute(0, 3, 4, 1, 2).flatten(0, 2)
    repeated = None
    if guidance is not None:
        repeated = guidance[:, None].expand(-1, grid.numel(), -1, -1).flatten(0, 1)
    normed = cfm.norm1(tokens)
    seen = normed if repeated is None else torch.cat([normed, repeated], dim=-1)
    attended, attention = _attend(cfm.attention, seen, seen, normed)
    tokens = tokens + attended
    tokens = tokens + F.relu6(_star(cfm.feed_forward, cfm.norm2(tokens)))
    fused = tokens.unflatten(0, (batch, *grid)).permute(0, 3, 4, 1, 2).flatten(0, 1)
    fused = F.interpolate(fused, (height, width), mode="bilinear", align_corners=True)
    return x + fused.unflatten(0, (batch, count)), attention.unflatten(0, (batch, -1))


def _attend(
    attention: SpatialAttention | ClassAttention, by_query: Tensor, by_key: Tensor, source: Tensor
) -> tuple[Tensor, Tensor]:
    """Attention written out; the weights are (N, heads, tokens, sources), rows sum to one."""
    query = F.linear(by_query, attention.query.weight, attention.query.bias)
    key = F.linear(by_key, attention.key.weight, attention.key.bias)
    parts = (query, key, attention.value(source))
    query, key, value = (x.unflatten(2, (attention.heads, -1)).transpose(1, 2) for x in parts)
    weights = (query @ key.transpose(2, 3) / query.shape[-1] ** 0.5).softmax(dim=-1)
    return attention.out((weights @ value).transpose(1, 2).flatten(2)), weights


def _star(feed_forward: StarFeedForward, tokens: Tensor) -> Tensor:
    gated = F.relu6(feed_forward.gate(tokens))
    if feed_forward.content is not None:
        gated = gated * feed_forward.content(tokens)
    return feed_forward.out(gated)
