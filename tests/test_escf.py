"""ESCF: attention by hand, concatenated projections, groups of classes, symmetry, switches."""

import dataclasses
import math

import pytest
import torch
from torch.nn import functional as F

from errseg.network.escf import CFM, ESCF, SFM, ClassAttention, SpatialAttention
from errseg.network.layers import (
    CLASSES_AT_ONCE,
    SplitConv2d,
    SplitLinear,
    StarFeedForward,
    attend,
    resize,
)

BATCH, CLASSES, WIDTH = 2, CLASSES_AT_ONCE + 3, 16


@pytest.fixture
def build(head, fill_weights):
    """``build(module_class, *arguments, **changes to the head's configuration)``."""

    def make(kind, *arguments, **changes):
        module = kind(dataclasses.replace(head, **changes), *arguments).eval()
        fill_weights(module)
        return module

    return make


@pytest.fixture(params=[(4, 6), (5, 7)], ids=["even", "odd"])
def inputs(request, randn):
    """Tokens, image guidance and text guidance on an even and an odd grid."""
    grid = request.param
    return (
        randn(BATCH, CLASSES, *grid, WIDTH),
        randn(BATCH, *grid, WIDTH),
        randn(BATCH, CLASSES, WIDTH),
    )


def softmax_attention(query, key, value, heads):
    """Attention of one sequence (tokens, C) over another, head by head and token by token."""
    out = torch.zeros(len(query), value.shape[1])
    size = query.shape[1] // heads
    for head in range(heads):
        part = slice(head * size, (head + 1) * size)
        for token in range(len(query)):
            weights = ((key[:, part] @ query[token, part]) / math.sqrt(size)).exp()
            out[token, part] = (weights / weights.sum()) @ value[:, part]
    return out


def linear(layer, x):
    return x @ layer.weight.T + layer.bias


def fused(escf, tokens, image, text):
    """All of ESCF."""
    return escf(escf.alone(tokens, image), image, text)


def test_attend_is_softmax_attention(randn):
    query, key, value = randn(3, 5, 8), randn(3, 7, 8), randn(3, 7, 8)
    found = attend(query, key, value, heads=2)
    for n in range(3):
        torch.testing.assert_close(found[n], softmax_attention(query[n], key[n], value[n], 2))


@pytest.mark.parametrize("at_once", [1, 100, 10_000], ids="{} weights at once".format)
def test_bfloat16_on_a_cpu_attends_in_parts(randn, monkeypatch, at_once):
    monkeypatch.setattr("errseg.network.layers.WEIGHTS_AT_ONCE", at_once)
    query, key, value = (x.bfloat16() for x in (randn(5, 6, 8), randn(5, 7, 8), randn(5, 7, 8)))
    with torch.no_grad():
        found = attend(query, key, value, heads=2).float()
    exact = attend(query.float(), key.float(), value.float(), heads=2)
    torch.testing.assert_close(found, exact, rtol=0, atol=0.02)
    queries = query.requires_grad_()
    attend(queries, key, value, heads=2).sum().backward()  # in training in one piece
    assert queries.grad.isfinite().all()


def test_split_linear_is_a_linear_layer_over_both(randn):
    layer, tokens, guidance = SplitLinear(9, 6), randn(2, 4, 5), randn(2, 4, 4)
    expected = F.linear(torch.cat([tokens, guidance], dim=-1), layer.weight, layer.bias)
    torch.testing.assert_close(layer(tokens, layer.guidance(guidance)), expected)
    alone = SplitLinear(5, 6)
    torch.testing.assert_close(
        alone(tokens, alone.guidance(None)), F.linear(tokens, alone.weight, alone.bias)
    )


@pytest.mark.parametrize("bias", [True, False])
def test_split_convolution_is_a_convolution_over_both(randn, bias):
    layer = SplitConv2d(9, 6, 3, padding=1, bias=bias)
    maps, guidance = randn(2, 5, 4, 7), randn(2, 4, 4, 7)
    both = torch.cat([maps, guidance], dim=1)
    expected = F.conv2d(both, layer.weight, layer.bias, padding=1)
    torch.testing.assert_close(layer(maps) + layer.guidance(guidance), expected)


@pytest.mark.parametrize("star", [True, False])
def test_star_feed_forward(randn, fill_weights, star):
    layer, tokens = StarFeedForward(8, 12, star), 3 * randn(5, 8)
    fill_weights(layer)
    hidden = linear(layer.gate, tokens).clamp(0, 6)
    if star:
        hidden = hidden * linear(layer.content, tokens)
    torch.testing.assert_close(layer(tokens), linear(layer.out, hidden))


@torch.no_grad()
@pytest.mark.parametrize("step", [1, 2])
@pytest.mark.parametrize("guided", [True, False])
def test_spatial_attention_by_hand(build, inputs, step, guided):
    attention = build(SpatialAttention, spatial_reduction=step, image_guidance=guided)
    tokens, guidance, _ = inputs
    found = attention(tokens, attention.guidance(guidance if guided else None))
    for image, index in ((0, 0), (1, CLASSES - 1)):
        one = tokens[image, index]  # (h, w, C)
        seen = torch.cat([one, guidance[image]], dim=-1) if guided else one
        keys, values = seen, one
        if step > 1:
            keys = reduced(attention.reduce_key, attention.norm_key, seen)
            values = reduced(attention.reduce_value, attention.norm_value, one)
        out = softmax_attention(
            linear(attention.query, seen).flatten(0, 1),
            linear(attention.key, keys).flatten(0, 1),
            linear(attention.value, values).flatten(0, 1),
            attention.heads,
        )
        expected = linear(attention.out, out).view(one.shape)
        torch.testing.assert_close(found[image, index], expected, rtol=0, atol=1e-5)


def reduced(convolution, norm, tokens):
    """SSR: a 2x2 convolution at stride 2, then the norm; (h, w, C) -> (h // 2, w // 2, C)."""
    maps = F.conv2d(tokens.permute(2, 0, 1), convolution.weight, convolution.bias, stride=2)
    return norm(maps.permute(1, 2, 0))


@torch.no_grad()
@pytest.mark.parametrize("guided", [True, False])
def test_class_attention_by_hand(build, randn, guided):
    attention = build(ClassAttention, text_guidance=guided)
    tokens, guidance = randn(BATCH, 6, CLASSES, WIDTH), randn(BATCH, CLASSES, WIDTH)
    found = attention(tokens, guidance if guided else None)
    for image, pixel in ((0, 0), (1, 5)):
        one = tokens[image, pixel]  # (P, C)
        seen = torch.cat([one, guidance[image]], dim=-1) if guided else one
        out = softmax_attention(
            linear(attention.query, seen),
            linear(attention.key, seen),
            linear(attention.value, one),
            attention.heads,
        )
        expected = linear(attention.out, out)
        torch.testing.assert_close(found[image, pixel], expected, rtol=0, atol=1e-5)


@torch.no_grad()
def test_sfm_is_attention_then_star_then_a_depth_wise_convolution(build, inputs):
    sfm, (tokens, guidance, _) = build(SFM, 0.0), inputs
    attention = sfm.attention
    x = tokens + attention(sfm.norm1(tokens), attention.guidance(guidance))
    hidden = sfm.feed_forward(sfm.norm2(x))
    mixed = torch.zeros_like(hidden)
    padded = F.pad(hidden, (0, 0, 3, 3, 3, 3))
    height, width = tokens.shape[2:4]
    for dy in range(7):
        for dx in range(7):
            window = padded[:, :, dy : dy + height, dx : dx + width]
            mixed += window * sfm.mix.weight[:, 0, dy, dx]
    expected = x + mixed + sfm.mix.bias
    torch.testing.assert_close(sfm(tokens, guidance), expected, rtol=0, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("step", [1, 2])
def test_cfm_pools_attends_and_resizes_back(build, inputs, step):
    cfm, (tokens, _, guidance) = build(CFM, 0.0, class_reduction=step), inputs
    height, width = (size // step for size in tokens.shape[2:4])
    pooled = torch.zeros(BATCH, CLASSES, height, width, WIDTH)
    for dy in range(step):
        for dx in range(step):
            pooled += tokens[:, :, dy : height * step : step, dx : width * step : step] / step**2
    x = pooled.permute(0, 2, 3, 1, 4).flatten(1, 2)  # (B, h w, P, C)
    x = x + cfm.attention(cfm.norm1(x), guidance)
    x = x + cfm.feed_forward(cfm.norm2(x)).clamp(0, 6)
    x = x.view(BATCH, height, width, CLASSES, WIDTH).permute(0, 3, 1, 2, 4)
    expected = tokens.clone()
    for index in range(CLASSES):
        maps = x[:, index].permute(0, 3, 1, 2)
        back = F.interpolate(maps, tokens.shape[2:4], mode="bilinear", align_corners=True)
        expected[:, index] += back.permute(0, 2, 3, 1)
    torch.testing.assert_close(cfm(tokens, guidance), expected, rtol=0, atol=1e-5)


@torch.no_grad()
def test_order_of_classes_does_not_matter(build, inputs):
    escf, (tokens, image, text) = build(ESCF), inputs
    order = torch.tensor([3, 0, 6, 2, 5, 1, 4])
    straight = fused(escf, tokens, image, text)
    shuffled = fused(escf, tokens[:, order], image, text[:, order])
    torch.testing.assert_close(shuffled, straight[:, order], rtol=0, atol=1e-4)
    assert (straight[:, 0] - straight[:, 3]).abs().max() > 0.1  # the classes do differ


def test_groups_of_classes_give_what_all_at_once_gives(build, inputs):
    """Without gradients SFM works on groups of classes, to save memory."""
    escf = build(ESCF)
    at_once = fused(escf, *inputs)
    with torch.no_grad():
        in_groups = fused(escf, *inputs)
    torch.testing.assert_close(at_once.detach(), in_groups, rtol=0, atol=1e-5)


@torch.no_grad()
def test_images_of_a_batch_do_not_see_each_other(build, inputs):
    escf = build(ESCF)
    together = fused(escf, *inputs)
    for image in range(BATCH):
        alone = fused(escf, *(x[image : image + 1] for x in inputs))
        torch.testing.assert_close(together[image : image + 1], alone, rtol=0, atol=1e-5)


@torch.no_grad()
def test_sfm_keeps_classes_apart_and_cfm_lets_them_meet(build, inputs):
    tokens, image, text = inputs
    changed = tokens.clone()
    changed[:, 0] *= -1  # a mere shift would vanish in the norms
    sfm, cfm = build(SFM, 0.0), build(CFM, 0.0)
    assert torch.equal(sfm(tokens, image)[:, 1:], sfm(changed, image)[:, 1:])
    assert not torch.allclose(cfm(tokens, text)[:, 1:], cfm(changed, text)[:, 1:], atol=1e-3)


@torch.no_grad()
def test_layers_are_sfm_then_cfm_one_after_the_other(build, inputs):
    escf, (tokens, image, text) = build(ESCF, layers=3), inputs
    expected = tokens
    for layer in escf:
        expected = layer.cfm(layer.sfm(expected, image), text)
    assert torch.equal(fused(escf, tokens, image, text), expected)


@torch.no_grad()
@pytest.mark.parametrize(
    "changes",
    [
        {"sfm": False},
        {"cfm": False},
        {"sfm": False, "cfm": False},
        {"image_guidance": False},
        {"text_guidance": False},
        {"spatial_reduction": 1, "class_reduction": 1},
        {"spatial_reduction": 4, "class_reduction": 4},
        {"star": False, "mix_kernel": 3},
        {"layers": 1},
    ],
    ids=str,
)
def test_switches(build, inputs, changes):
    tokens, image, text = inputs
    if changes.get("image_guidance") is False:
        image = None
    if changes.get("text_guidance") is False:
        text = None
    before = tokens.clone()
    out = fused(build(ESCF, **changes), tokens, image, text)
    assert out.shape == tokens.shape
    assert out.isfinite().all()
    assert torch.equal(tokens, before)
    attends = changes.get("sfm", True) or changes.get("cfm", True)
    assert torch.equal(out, tokens) is not attends


def test_drop_path_grows_by_layer_and_acts_in_training_only(build, inputs):
    escf = build(ESCF, layers=4, drop_path=0.6)
    rates = [layer.sfm.drop_path.drop_prob for layer in escf]
    assert rates == pytest.approx([0.0, 0.2, 0.4, 0.6])
    assert rates == [layer.cfm.drop_path.drop_prob for layer in escf]
    with torch.no_grad():
        assert torch.equal(fused(escf, *inputs), fused(escf, *inputs))
        escf.train()
        torch.manual_seed(0)
        assert not torch.equal(fused(escf, *inputs), fused(escf, *inputs))


def test_resize_leaves_a_fitting_grid_alone(randn):
    maps = randn(1, 2, 3, 4)
    assert resize(maps, (3, 4)) is maps
    expected = F.interpolate(maps, (6, 5), mode="bilinear", align_corners=False)
    assert torch.equal(resize(maps, (6, 5)), expected)
