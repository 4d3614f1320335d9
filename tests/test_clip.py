"""CLIP's towers against open_clip's own forward passes."""

import open_clip
import pytest
import torch

PROMPTS = [
    "cat",
    "A photo of a potted plant in the scene",
    "a very long prompt " * 40,  # is cut at 77 tokens
    "",
]


def normalised(pixels, config):
    mean, std = (torch.tensor(x).view(3, 1, 1) for x in (config.pixel_mean, config.pixel_std))
    return (pixels - mean) / std


@pytest.fixture(scope="module")
def towers(clip_model):
    return clip_model.towers


@pytest.mark.parametrize(
    "prompts",
    [
        PROMPTS,
        [f"A photo of a {name} in the scene" for name in ("cat", "potted plant", "cat", "tree")],
        ["a cat", "a cat"],  # no token is a row's own
        ["cat", "cat and a dog"],
        ["a", ""],
    ],
)
@torch.no_grad()
def test_text_equals_the_full_context(towers, prompts):
    """Ours computes a common beginning once, up to the longest end; open_clip's all 77 tokens."""
    expected = towers.clip.encode_text(open_clip.tokenize(prompts), normalize=True)
    torch.testing.assert_close(towers.encode_text(prompts), expected, rtol=0, atol=1e-6)


def test_the_text_tower_can_still_be_trained(towers):
    """Gradients through the common beginning are those of open_clip's own pass."""
    prompts = ["a photo of a cat", "a photo of a dog and a tree"]
    weight = towers.clip.transformer.resblocks[0].attn.in_proj_weight
    ours, theirs = (
        torch.autograd.grad(embeddings[:, :8].sum(), weight)[0]
        for embeddings in (
            towers.encode_text(prompts),
            towers.clip.encode_text(open_clip.tokenize(prompts), normalize=True),
        )
    )
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-6)
    assert theirs.abs().max() > 1e-4


@torch.no_grad()
def test_many_prompts_come_back_in_their_order(towers):
    prompts = [" ".join(["cat"] * (1 + (7 * i) % 13)) + f" {i}" for i in range(150)]
    together = towers.encode_text(prompts)
    for index in (0, 1, 63, 64, 65, 149):
        alone = towers.encode_text([prompts[index]])[0]
        torch.testing.assert_close(together[index], alone, rtol=0, atol=1e-6)


def test_prompt_lengths_count_every_token(towers):
    lengths = towers.prompt_lengths(PROMPTS)
    assert lengths[0] == 3  # start, cat, end
    assert lengths[2] > towers.config.context_length
    assert lengths[3] == 2


@torch.no_grad()
@pytest.mark.parametrize(("height", "width"), [(64, 96), (97, 65)])
def test_pyramid_is_the_trunk_s(towers, make_pixels, height, width):
    pixels = make_pixels(2, height, width)
    x = normalised(pixels, towers.config)
    expected = towers.clip.visual.trunk.forward_intermediates(x, intermediates_only=True)
    for ours, theirs in zip(towers.encode_image(pixels).pyramid, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


@torch.no_grad()
def test_dense_embedding_of_a_single_cell_is_clip_s_image_embedding(towers, make_pixels):
    """At 32 x 32 the stride-32 grid is one cell, where pooling changes nothing."""
    pixels = make_pixels(3, 32, 32)
    expected = towers.clip.encode_image(normalised(pixels, towers.config), normalize=True)
    dense = towers.encode_image(pixels).dense32
    torch.testing.assert_close(dense[:, :, 0, 0], expected, rtol=0, atol=1e-5)


@torch.no_grad()
def test_finer_dense_embeddings_see_stage_4_at_twice_the_grid(towers, make_pixels):
    """Stage 4's own downsampling at stride 1 with padding: the facts of HSM, step by step."""
    pixels = make_pixels(1, 64, 96)
    encoded, trunk = towers.encode_image(pixels), towers.clip.visual.trunk
    stride16 = encoded.pyramid[2]  # (1, C, 4, 6)
    normed = torch.nn.functional.layer_norm(
        stride16.permute(0, 2, 3, 1),
        stride16.shape[1:2],
        towers.dense_norm.weight,
        towers.dense_norm.bias,
        1e-5,
    ).permute(0, 3, 1, 2)
    padded = torch.nn.functional.pad(normed, (1, 1, 1, 1))
    weight, bias = towers.dense_downsample.weight, towers.dense_downsample.bias
    finer = torch.stack(
        [
            torch.einsum("bchw,ochw->bo", padded[:, :, y : y + 2, x : x + 2], weight) + bias
            for y in range(5)
            for x in range(7)
        ],
        dim=-1,
    ).view(1, -1, 5, 7)
    finer = torch.nn.functional.interpolate(finer, (4, 6), mode="bilinear", align_corners=False)
    for block in trunk.stages[3].blocks:
        finer = block(finer)
    # One pixel at a time through the head that CLIP applies to its pooled features.
    for y, x in ((0, 0), (2, 3), (3, 5)):
        embedding = towers.clip.visual.head(trunk.forward_head(finer[:, :, y : y + 1, x : x + 1]))
        expected = embedding / embedding.norm(dim=-1, keepdim=True)
        torch.testing.assert_close(encoded.dense16[:, :, y, x], expected, rtol=0, atol=1e-5)


@torch.no_grad()
def test_embeddings_have_unit_length(towers, make_pixels):
    encoded = towers.encode_image(make_pixels(1, 70, 101))
    for vectors in (encoded.dense16, encoded.dense32, towers.encode_text(PROMPTS).T[None]):
        torch.testing.assert_close(vectors.norm(dim=1), torch.ones_like(vectors[:, 0]))
