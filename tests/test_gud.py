"""GUD and the guidance: stage by stage with concatenated guidance, as the paper draws it."""

import dataclasses

import pytest
import torch
from torch.nn import functional as F

from errseg.network.gud import GUD
from errseg.network.guidance import GuidanceProjection
from errseg.network.layers import CLASSES_AT_ONCE

BATCH, CLASSES, WIDTH = 2, CLASSES_AT_ONCE + 1, 16
WIDTHS = (5, 6, 7, 9)  # of the backbone's features


@pytest.fixture
def build(head, fill_weights):
    """``build(module_class, *arguments, **changes to the head's configuration)``."""

    def make(kind, *arguments, **changes):
        module = kind(*arguments, dataclasses.replace(head, **changes)).eval()
        fill_weights(module)
        return module

    return make


# Grids at strides 16, 8, 4 of an input whose sides are multiples of 32, and of one of 97 x 65.
GRIDS = {"even": ((4, 6), (8, 12), (16, 24)), "odd": ((7, 5), (13, 9), (25, 17))}


@pytest.fixture(params=GRIDS)
def inputs(request, randn, head):
    """Tokens and decoder guidance."""
    grids = GRIDS[request.param]
    guidance = zip(head.decoder_guidance, grids, strict=True)
    return randn(BATCH, CLASSES, *grids[0], WIDTH), tuple(
        randn(BATCH, channels, *grid) for channels, grid in guidance
    )


def as_drawn(gud: GUD, tokens, guidance, size):
    """One class at a time: up, resize to the guidance, concatenate, refine twice; then the head."""
    logits, stages = [], [[] for _ in gud.stages]
    for index in range(tokens.shape[1]):
        maps = tokens[:, index].permute(0, 3, 1, 2)
        for stage, guide, kept in zip(gud.stages, guidance, stages, strict=True):
            maps = stage.up(maps)
            maps = F.interpolate(maps, guide.shape[2:], mode="bilinear", align_corners=False)
            for convolution, norm in (
                (stage.refine1, stage.norm1),
                (stage.refine2, stage.norm2),
            ):
                if convolution is stage.refine1:
                    maps = torch.cat([maps, guide], dim=1)
                maps = F.conv2d(maps, convolution.weight, padding=1)
                groups = maps.shape[1] // 8
                maps = F.group_norm(maps, groups, norm.weight, norm.bias).relu()
            kept.append(maps)
        logits.append(F.interpolate(gud.head(maps), size, mode="bilinear")[:, 0])
    return torch.stack(logits, dim=1), [torch.stack(kept, dim=1) for kept in stages]


@torch.no_grad()
def test_stages_and_logits_are_the_drawn_ones(build, inputs, head):
    gud, (tokens, guidance) = build(GUD), inputs
    for stage in gud.stages:
        stage.norm2.weight *= 4  # so that values pass 6: ReLU, not ReLU6
    size = tuple(guidance[-1].shape[2:])
    caught = [[] for _ in gud.stages]
    for stage, outputs in zip(gud.stages, caught, strict=True):
        stage.register_forward_hook(lambda _, given, out, outputs=outputs: outputs.append(out))
    logits = gud(tokens, guidance, size)
    stages = [torch.cat(groups, dim=1) for groups in caught]
    assert all(maps.max() > 6 for maps in stages)
    expected_logits, expected_stages = as_drawn(gud, tokens, guidance, size)
    assert [maps.shape[2] for maps in stages] == list(head.decoder_widths)
    for ours, theirs in zip(stages, expected_stages, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=5e-5)
    torch.testing.assert_close(logits, expected_logits, rtol=0, atol=5e-5)


@torch.no_grad()
def test_logits_have_the_size_asked_for(build, inputs):
    gud, (tokens, guidance) = build(GUD), inputs
    size = tuple(side - 1 for side in guidance[-1].shape[2:])
    logits = gud(tokens, guidance, size)
    assert logits.shape == (BATCH, CLASSES, *size)
    expected, _ = as_drawn(gud, tokens, guidance, size)
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-5)


def test_groups_of_classes_give_what_all_at_once_gives(build, inputs):
    gud, (tokens, guidance) = build(GUD), inputs
    size = tuple(guidance[-1].shape[2:])
    logits = gud(tokens, guidance, size)
    with torch.no_grad():
        grouped = gud(tokens, guidance, size)
    torch.testing.assert_close(logits.detach(), grouped, rtol=0, atol=1e-5)


@torch.no_grad()
def test_switched_off_the_head_stands_at_stride_16(build, inputs):
    gud, (tokens, guidance) = build(GUD, gud=False), inputs
    assert [name for name, _ in gud.named_parameters()] == ["head.weight", "head.bias"]
    size = tuple(guidance[-1].shape[2:])
    logits = gud(tokens, (), size)
    weight, bias = gud.head.weight.flatten(), gud.head.bias
    expected = F.interpolate(tokens @ weight + bias, size, mode="bilinear", align_corners=False)
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-5)


@pytest.fixture
def pyramid(randn):
    """Backbone features of a 97 x 65 input at strides 4, 8, 16, 32."""
    grids = ((25, 17), (13, 9), (7, 5), (4, 3))
    return tuple(3 * randn(2, c, *grid) for c, grid in zip(WIDTHS, grids, strict=True))


@torch.no_grad()
def test_guidance_as_drawn(build, pyramid):
    projection = build(GuidanceProjection, WIDTHS)
    found = projection(pyramid)
    stride4, stride8, stride16, stride32 = pyramid
    coarse, fine = (
        F.conv2d(x, convolution.weight, convolution.bias, padding=1).clamp(0, 6)
        for x, convolution in zip((stride32, stride16), projection.spatial, strict=True)
    )
    coarse = F.interpolate(coarse, (7, 5), mode="bilinear", align_corners=False)
    spatial = projection.fuse((coarse + fine) / 2).permute(0, 2, 3, 1)
    torch.testing.assert_close(found.spatial, spatial)
    for ours, x, convolution in zip(
        found.decoder, (stride16, stride8, stride4), projection.decoder, strict=True
    ):
        expected = F.conv2d(x, convolution.weight, convolution.bias, padding=1).clamp(0, 6)
        torch.testing.assert_close(ours, expected)


@torch.no_grad()
def test_features_are_clamped_before_they_guide(build, pyramid):
    projection = build(GuidanceProjection, WIDTHS)
    loud = tuple(100 * features for features in pyramid)
    clamped = tuple(features.clamp(-16, 16) for features in loud)
    assert not torch.equal(loud[2], clamped[2])
    found, expected = projection(loud), projection(clamped)
    assert torch.equal(found.spatial, expected.spatial)
    assert all(map(torch.equal, found.decoder, expected.decoder))


def test_decoder_guidance_is_cut_from_the_gradient_at_stride_16_only(build, pyramid):
    projection = build(GuidanceProjection, WIDTHS, image_guidance=False)
    features = tuple(maps.requires_grad_() for maps in pyramid)
    found = projection(features)
    assert found.spatial is None
    sum(maps.sum() for maps in found.decoder).backward()
    assert [maps.grad is not None for maps in features] == [True, True, False, False]
    assert all(parameter.grad.abs().max() > 0 for parameter in projection.parameters())


def test_maps_of_half_the_guidance_s_size_are_enlarged_and_refined_at_once(build, randn, head):
    stage, maps = build(GUD).stages[-1], randn(1, head.decoder_guidance[-1], 12, 16)
    assert stage.guide(maps, (6, 8)).kernel is None  # who learns takes each step
    with torch.no_grad():
        assert stage.guide(maps, (6, 8)).kernel is not None
        assert stage.guide(maps, (6, 7)).kernel is None
