"""The whole network: what callers may rely on, whatever the weights."""

import dataclasses
import functools

import pytest
import torch
from network_stages import stages_of
from torch import Tensor
from torch.nn import functional as F

from errseg import InputError, build_model
from errseg.config import MODELS
from errseg.inference.token_memory import TokenMemory
from errseg.network.crm import select_classes
from errseg.network.hsm import CostMaps
from errseg.network.model import DROPPED_LOGIT

# No two are alike in the tiny tokenizer's words: equal embeddings would tie.
PROMPTS = ["cat", "dog", "a tall tree", "sky", "the road", "grass", "red sofa", "cats", "fish"]


@pytest.fixture(scope="module")
def text(clip_model):
    with torch.no_grad():
        return clip_model.encode_text(PROMPTS)


@pytest.fixture(scope="module", params=["clip", "lite"])
def any_model(request, clip_model, lite_model):
    """Both kinds of towers."""
    return clip_model if request.param == "clip" else lite_model


def run(model, pixels, prompts=PROMPTS, **settings):
    with torch.no_grad():
        return model.decode(model.encode_image(pixels), model.encode_text(prompts), **settings)


@pytest.mark.parametrize("size", [(64, 64), (70, 101), (97, 65), (64, 160), (96, 128)])
@pytest.mark.parametrize("kept_classes", [1, 5, 40])
def test_any_size_gives_logits_at_a_quarter(any_model, make_pixels, size, kept_classes):
    out = run(any_model, make_pixels(2, *size), kept_classes=kept_classes)
    height, width = size
    kept = min(kept_classes, len(PROMPTS))
    assert out.logits.shape == (2, len(PROMPTS), height // 4, width // 4)
    assert out.kept_logits.shape == (2, kept, height // 4, width // 4)
    assert out.kept.shape == (2, kept)
    assert out.crm_scores.shape == (2, len(PROMPTS))
    assert out.logits.isfinite().all()
    assert out.kept_logits.std() > 1e-3


def test_a_batch_gives_what_its_photos_give_alone(any_model, make_pixels):
    pixels = torch.cat([make_pixels(1, 64, 96, seed) for seed in range(3)])
    together = run(any_model, pixels, kept_classes=4)
    for index in range(3):
        alone = run(any_model, pixels[index : index + 1], kept_classes=4)
        assert torch.equal(together.kept[index], alone.kept[0])
        assert torch.equal(together.votes[index], alone.votes[0])
        torch.testing.assert_close(together.logits[index], alone.logits[0], rtol=0, atol=1e-5)


def test_dropped_classes_sit_at_minus_100(any_model, make_pixels):
    out = run(any_model, make_pixels(2, 64, 96), kept_classes=4)
    for image in range(2):
        kept = out.kept[image].tolist()
        assert kept == sorted(set(kept))
        for index in range(len(PROMPTS)):
            if index in kept:
                assert torch.equal(
                    out.logits[image, index], out.kept_logits[image, kept.index(index)]
                )
            else:
                assert (out.logits[image, index] == DROPPED_LOGIT).all()
    assert DROPPED_LOGIT == -100
    assert out.kept_logits.min() > -50


def test_kept_classes_are_crm_s_best(any_model, make_pixels):
    out = run(any_model, make_pixels(2, 96, 96), kept_classes=3)
    for image in range(2):
        worst_kept = out.crm_scores[image, out.kept[image]].min()
        dropped = [i for i in range(len(PROMPTS)) if i not in out.kept[image].tolist()]
        assert (out.crm_scores[image, dropped] <= worst_kept).all()
        weights = torch.tensor([1, 0.1, 0.01])
        torch.testing.assert_close(out.crm_scores[image], (out.votes[image] * weights).sum(dim=1))


@torch.no_grad()
def test_a_photo_that_remembers_computes_new_classes_only(any_model, make_pixels, monkeypatch):
    features = any_model.encode_image(make_pixels(1, 64, 96))
    text = any_model.encode_text(PROMPTS)
    memory, computed = TokenMemory.of_photo(any_model, features), []
    alone = any_model.escf.alone
    monkeypatch.setattr(
        any_model.escf, "alone", lambda t, g: computed.append(t.shape[1]) or alone(t, g)
    )
    known = set()
    for settings in ({"kept_classes": 3}, {"kept_classes": 6}, {"votes_per_pixel": 1}, {}):
        out = any_model.decode(features, text, **settings, tokens_of=memory)
        new = set(out.kept[0].tolist()) - known
        assert sum(computed) == len(new)
        known |= new
        expected = any_model.decode(features, text, **settings)
        torch.testing.assert_close(out.kept_logits, expected.kept_logits, rtol=0, atol=1e-4)
        assert torch.equal(out.kept, expected.kept)
        computed.clear()
    words = any_model.encode_text(["a zebra", *PROMPTS[:4]])
    changed = any_model.decode(features, words, tokens_of=memory)
    assert computed == [1]  # the zebra
    assert changed.kept.shape == (1, 5)


@torch.no_grad()
def test_a_photo_s_memory_is_bounded(clip_model, make_pixels, monkeypatch):
    monkeypatch.setattr("errseg.inference.token_memory.KNOWN_CLASSES", 4)
    features = clip_model.encode_image(make_pixels(1, 64, 64))
    text, memory = clip_model.encode_text(PROMPTS), TokenMemory.of_photo(clip_model, features)
    for kept_classes in (2, 9, 3):
        out = clip_model.decode(features, text, kept_classes, tokens_of=memory)
        expected = clip_model.decode(features, text, kept_classes)
        torch.testing.assert_close(out.kept_logits, expected.kept_logits, rtol=0, atol=1e-4)
        assert 0 < memory.bytes <= memory.limit


@torch.no_grad()
def test_votes_are_counted_on_the_stride_16_cost_maps(clip_model, text, make_pixels):
    features = clip_model.encode_image(make_pixels(1, 96, 128))
    out = clip_model.decode(features, text, votes_per_pixel=2)
    cosine = F.cosine_similarity(features.dense16[0][None], text[:, :, None, None], dim=1)
    best = cosine.flatten(1).argsort(dim=0, descending=True)
    for rank in range(2):
        assert out.votes[0, :, rank].tolist() == best[rank].bincount(minlength=9).tolist()


@torch.no_grad()
def test_order_of_the_vocabulary_does_not_matter(any_model, make_pixels):
    features = any_model.encode_image(make_pixels(2, 64, 96))
    text = any_model.encode_text(PROMPTS)
    order = torch.tensor([4, 8, 1, 0, 6, 3, 7, 2, 5])
    straight = any_model.decode(features, text, kept_classes=9)
    shuffled = any_model.decode(features, text[order], kept_classes=9)
    torch.testing.assert_close(shuffled.logits, straight.logits[:, order], rtol=0, atol=1e-4)
    torch.testing.assert_close(shuffled.crm_scores, straight.crm_scores[:, order])


@torch.no_grad()
def test_dropped_classes_have_no_influence(clip_model, text, make_pixels):
    features = clip_model.encode_image(make_pixels(1, 64, 96))
    out = clip_model.decode(features, text, kept_classes=4)
    alone = clip_model.decode(features, text[out.kept[0]], kept_classes=4)
    torch.testing.assert_close(out.kept_logits, alone.kept_logits, rtol=0, atol=1e-5)


@torch.no_grad()
def test_always_kept_classes(clip_model, text, make_pixels):
    features = clip_model.encode_image(make_pixels(1, 64, 96))
    worst = clip_model.decode(features, text).crm_scores[0].argmin()
    always = torch.zeros(1, len(PROMPTS), dtype=torch.bool)
    always[0, worst] = True
    select = functools.partial(select_classes, always=always)
    assert worst not in clip_model.decode(features, text, kept_classes=2).kept
    assert worst in clip_model.decode(features, text, kept_classes=2, select=select).kept


def tensors_of(value) -> list[Tensor]:
    """Every tensor of a dataclass, however deep."""
    if isinstance(value, Tensor):
        return [value]
    if dataclasses.is_dataclass(value):
        value = [getattr(value, field.name) for field in dataclasses.fields(value)]
    return [t for x in value for t in tensors_of(x)] if isinstance(value, list | tuple) else []


@torch.no_grad()
def test_calls_leave_their_inputs_and_the_model_alone(any_model, make_pixels):
    pixels = make_pixels(1, 64, 96)
    pixels_before = pixels.clone()
    state = {name: tensor.clone() for name, tensor in any_model.state_dict().items()}
    features, text = any_model.encode_image(pixels), any_model.encode_text(PROMPTS)
    inputs = [*tensors_of(features), text]
    assert len(inputs) == 11  # dense 2, guidance 4, pyramid 4, text
    before = [tensor.clone() for tensor in inputs]
    first = any_model.decode(features, text, kept_classes=4)
    any_model.decode(features, text[:2], kept_classes=1, votes_per_pixel=1)
    again = any_model.decode(features, text, kept_classes=4)
    assert all(map(torch.equal, inputs, before))
    assert torch.equal(pixels, pixels_before)
    assert all(map(torch.equal, tensors_of(first), tensors_of(again)))
    assert all(torch.equal(tensor, state[n]) for n, tensor in any_model.state_dict().items())


@torch.no_grad()
def test_the_stages_of_a_pass(clip_model, text, make_pixels, head):
    features = clip_model.encode_image(make_pixels(2, 64, 96))
    out, stages = stages_of(clip_model, lambda: clip_model.decode(features, text, kept_classes=5))
    width = head.width
    assert stages["cost_embedding"].shape == (2, 5, 4, 6, width)
    for layer in range(head.layers):
        assert stages[f"escf.{layer}"].shape == (2, 5, 4, 6, width)
    gud = [stages[f"gud.{stage}"] for stage in range(3)]
    assert [maps.shape[2:] for maps in gud] == [(16, 4, 6), (8, 8, 12), (8, 16, 24)]
    cost = clip_model.cost_maps(features, text)
    guidance = clip_model.guide_classes(text[out.kept])
    for image in range(2):
        kept = out.kept[image]
        own = CostMaps(*(m[image : image + 1, kept] for m in (cost.stride16, cost.stride32)))
        embedded = clip_model.cost_embedding(own)[0]
        torch.testing.assert_close(stages["cost_embedding"][image], embedded, rtol=0, atol=1e-5)
        x = clip_model.text_guidance(text[kept])
        torch.testing.assert_close(guidance[image], x * 0.5 * (1 + torch.erf(x / 2**0.5)))
    head_layer = clip_model.decoder.head
    last = torch.einsum("bpchw,c->bphw", gud[-1], head_layer.weight.flatten())
    torch.testing.assert_close(out.kept_logits, last + head_layer.bias, rtol=0, atol=1e-5)


# Each ablation, and some of the parameters that it must do without.
SWITCHES = (
    ({"hsm": False}, "cost_embedding.embed.1"),
    ({"crm": False}, None),
    ({"sfm": False}, ".sfm."),
    ({"cfm": False}, ".cfm."),
    ({"sfm": False}, "guidance.spatial"),
    ({"cfm": False}, "text_guidance"),
    ({"sfm": False, "cfm": False}, "escf."),
    ({"gud": False}, "decoder.stages"),
    ({"spatial_reduction": 1}, ".reduce_"),
    ({"class_reduction": 1}, None),
    ({"star": False}, ".content."),
    ({"image_guidance": False}, "guidance.spatial"),
    ({"text_guidance": False}, "text_guidance"),
    ({"cost_kernel": 3}, None),
    ({"mix_kernel": 3}, None),
    ({"layers": 1}, "escf.1."),
    ({"cost_shortcut": True}, None),
)


@pytest.mark.parametrize(("switch", "gone"), SWITCHES, ids=str)
def test_ablations(make_model, clip_model, make_pixels, switch, gone):
    model, pixels = make_model(**switch), make_pixels(1, 64, 96)
    if gone is not None:
        assert any(gone in name for name, _ in clip_model.named_parameters())
        assert not any(gone in name for name, _ in model.named_parameters())
    full, ablated = (run(m, pixels, kept_classes=5) for m in (clip_model, model))
    # The weights follow the names, so the rest of the two networks is the same.
    assert torch.equal(full.crm_scores, ablated.crm_scores)
    shared = full.kept[0].tolist()
    difference = (full.logits - ablated.logits)[:, shared]
    assert difference.abs().max() > 1e-3
    assert ablated.kept.shape[1] == (5 if model.config.head.crm else len(PROMPTS))
    check_training_step(model.train(), pixels)


@pytest.mark.parametrize("lite", [False, True])
def test_gradients_reach_every_parameter_of_the_head(make_model, make_pixels, lite):
    check_training_step(make_model(lite, cost_shortcut=lite), make_pixels(2, 64, 96))


def test_the_shortcut_adds_the_scaled_cost_maps(make_model, clip_model, make_pixels):
    pixels = make_pixels(2, 64, 96)
    model = make_model(cost_shortcut=True)
    plain, short = (run(m, pixels, kept_classes=5) for m in (clip_model, model))
    with torch.no_grad():
        text = clip_model.encode_text(PROMPTS)
        cost = clip_model.cost_maps(clip_model.encode_image(pixels), text).stride16
    cost = torch.stack([maps[kept] for maps, kept in zip(cost, plain.kept, strict=True)])
    cost = F.interpolate(cost, (16, 24), mode="bilinear")
    expected = plain.kept_logits + model.shortcut_scale * cost + model.shortcut_bias
    torch.testing.assert_close(short.kept_logits, expected, rtol=0, atol=1e-5)
    start = build_model(model.config)  # before any training: likely from a cosine of 0.3
    assert 0.3 * start.shortcut_scale + start.shortcut_bias == 0


def check_training_step(model, pixels):
    """Run forward and backward; every parameter of the head must learn."""
    torch.manual_seed(0)
    with torch.no_grad():
        text = model.encode_text(PROMPTS)
    out = model.decode(model.encode_image(pixels), text, kept_classes=5)
    target = (out.kept_logits > out.kept_logits.mean()).float()
    F.binary_cross_entropy_with_logits(out.kept_logits, target).backward()
    for name, parameter in model.named_parameters():
        if name.startswith("towers."):
            continue
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        # A key's bias adds the same to all of a query's scores, which the softmax takes away.
        assert parameter.grad.abs().max() > 0 or name.endswith("key.bias"), name


def test_training_reaches_the_towers_through_cost_and_guidance(make_model, make_pixels):
    model = make_model()
    out = model.decode(model.encode_image(make_pixels(1, 64, 96)), model.encode_text(PROMPTS))
    out.logits.sigmoid().mean().backward()
    for name in (
        "dense_downsample.weight",
        "dense_norm.weight",
        "clip.visual.trunk.stages.2.blocks.0.gamma",
        "clip.visual.head.proj.weight",
        "clip.transformer.resblocks.0.attn.in_proj_weight",
    ):
        assert model.towers.get_parameter(name).grad.abs().max() > 0, name


@pytest.mark.parametrize(
    ("pixels", "words"),
    [
        (torch.zeros(1, 3, 64, 64), "float32"),
        (torch.zeros(3, 64, 64, dtype=torch.uint8), r"\(3, 64, 64\)"),
        (torch.zeros(1, 64, 64, 3, dtype=torch.uint8), r"\(1, 64, 64, 3\)"),
        (torch.zeros(1, 4, 64, 64, dtype=torch.uint8), r"\(1, 4, 64, 64\)"),
        (torch.zeros(1, 3, 63, 200, dtype=torch.uint8), "at least 64 pixels.*200 x 63"),
        (torch.zeros(1, 3, 1, 1, dtype=torch.uint8), "at least 64 pixels.*1 x 1"),
    ],
    ids=["float", "no batch", "channels last", "RGBA", "too low", "one pixel"],
)
def test_pixels_that_cannot_be_used(clip_model, pixels, words):
    with pytest.raises(InputError, match=words):
        clip_model.encode_image(pixels)


def test_text_that_cannot_be_used(clip_model, make_pixels):
    with pytest.raises(InputError, match="at least one"):
        clip_model.encode_text([])
    features = clip_model.encode_image(make_pixels(1, 64, 64))
    for shape in ((0, 20), (20,), (1, 2, 20)):
        with pytest.raises(InputError, match=r"\(T, C\)"):
            clip_model.decode(features, torch.zeros(shape))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"kept_classes": 0}, r"\(P\) must be at least 1, not 0"),
        ({"votes_per_pixel": 0}, r"\(K\) must be at least 1, not 0"),
        ({"beta": -1.0}, r"beta must lie in \[0, 1\]"),
    ],
)
def test_settings_that_cannot_be_used(clip_model, text, make_pixels, settings, words):
    features = clip_model.encode_image(make_pixels(1, 64, 64))
    with pytest.raises(InputError, match=words):
        clip_model.decode(features, text, **settings)


@pytest.mark.parametrize("config", MODELS, ids=lambda config: config.name)
def test_every_variant_builds_in_evaluation_mode(config):
    with torch.device("meta"):  # no memory for the weights
        model = build_model(config.name)
    assert model.config is config
    assert not model.training
    assert model.weights_hash == ""
