"""The embedded model's towers: the text tower, ConSE and the pyramid recomputed by hand."""

import dataclasses
import json
import math

import pytest
import torch
from tokenizers import Tokenizer
from torch import nn
from torch.nn import functional as F

from errseg import build_model
from errseg.measuring.as_drawn_lite import encode_image

LONG = "a photo of a red sofa and a cat and dogs in the scene of the road"
SURER = 100.0  # random weights are sure of nothing; this makes their classifier be


@pytest.fixture(scope="module")
def towers(lite_model):
    return lite_model.towers


@pytest.fixture
def learn(towers, monkeypatch):
    """``learn(pixels)``: what the towers give while they train, with nothing dropped."""
    config = dataclasses.replace(towers.config, residual_dropout=0.0)
    monkeypatch.setattr(towers, "config", config)
    return lambda pixels: towers.encode_image(pixels, learning=True)


def set_views(towers, monkeypatch, judgement=0.0, **changes):
    """Change the towers' views and their weight of ConSE, and how differently they weigh views."""
    config = dataclasses.replace(towers.config, **{"views": (), "conse_weight": 0.0} | changes)
    monkeypatch.setattr(towers, "config", config)
    for name, parameter in towers.view_weights.named_parameters():
        changed = nn.Parameter(judgement * parameter)
        monkeypatch.setitem(towers.view_weights._parameters, name, changed)


def embed_by_hand(text, ids):
    """One prompt, no padding: BERT's post-norm layers, head by head; the mean over tokens."""
    x = text.words.weight[ids] + text.positions.weight[: len(ids)]
    x = layer_norm(text.norm, x)
    for layer in text.encoder.layers:
        attention, size = layer.self_attn, x.shape[1] // layer.self_attn.num_heads
        query, key, value = (x @ attention.in_proj_weight.T + attention.in_proj_bias).chunk(3, -1)
        heads = []
        for start in range(0, x.shape[1], size):
            part = slice(start, start + size)
            scores = (query[:, part] @ key[:, part].T) / math.sqrt(size)
            weights = scores.exp() / scores.exp().sum(dim=1, keepdim=True)
            heads.append(weights @ value[:, part])
        x = layer_norm(layer.norm1, x + linear(attention.out_proj, torch.cat(heads, dim=1)))
        hidden = linear(layer.linear1, x)
        hidden = hidden * 0.5 * (1 + torch.erf(hidden / math.sqrt(2)))  # GELU
        x = layer_norm(layer.norm2, x + linear(layer.linear2, hidden))
    mean = x.mean(dim=0)
    return mean / mean.norm()


def linear(layer, x):
    return x @ layer.weight.T + layer.bias


def layer_norm(norm, x):
    centred = x - x.mean(dim=-1, keepdim=True)
    return centred / centred.square().mean(dim=-1, keepdim=True).sqrt() * norm.weight + norm.bias


def token_ids(towers, prompt):
    """Word pieces without padding, straight from the tokenizer's JSON."""
    tokenizer = Tokenizer.from_str(towers.text.tokenizer_json)
    tokenizer.no_padding()
    return tokenizer.encode(prompt).ids


@torch.no_grad()
def test_text_tower_by_hand(towers, prompts):
    found = towers.text(prompts)
    for prompt, embedding in zip(prompts, found, strict=True):
        expected = embed_by_hand(towers.text, token_ids(towers, prompt))
        torch.testing.assert_close(embedding, expected, rtol=0, atol=1e-5)


def test_text_tower_by_hand_with_gradients(towers, prompts):
    """With gradients torch takes another path through its encoder."""
    found = towers.text(prompts)
    assert found.requires_grad
    expected = embed_by_hand(towers.text, token_ids(towers, prompts[2]))
    torch.testing.assert_close(found[2], expected, rtol=0, atol=1e-5)


@torch.no_grad()
def test_padding_does_not_change_an_embedding(towers, prompts):
    together = towers.encode_text(prompts)
    for index, prompt in enumerate(prompts):
        alone = towers.encode_text([prompt])[0]
        torch.testing.assert_close(together[index], alone, rtol=0, atol=1e-6)
    similar = together @ together.T - torch.eye(len(prompts))
    assert similar.max() < 0.999  # so that a mix-up would show


@torch.no_grad()
def test_many_prompts_come_back_in_their_order(towers):
    prompts = [f"{'cat ' * (1 + i % 5)}{'dog ' * (i % 7)}sky" for i in range(140)]
    together = towers.encode_text(prompts)
    for index in (0, 63, 64, 65, 139):
        alone = towers.encode_text([prompts[index]])[0]
        torch.testing.assert_close(together[index], alone, rtol=0, atol=1e-6)


@torch.no_grad()
def test_embeddings_are_centred_and_of_unit_length(towers, prompts):
    centred = towers.text(prompts) - towers.text_mean
    expected = centred / centred.norm(dim=1, keepdim=True)
    torch.testing.assert_close(towers.encode_text(prompts), expected)


@torch.no_grad()
def test_prompts_beyond_the_context_are_cut_but_counted(towers):
    """The start and the end token stay, as the tokenizer's own truncation keeps them."""
    length = len(token_ids(towers, LONG))
    limit = towers.config.context_length
    assert length > limit
    assert towers.prompt_lengths([LONG, "cat"]) == [length, 3]
    cut = token_ids(towers, LONG)
    cut = [*cut[: limit - 1], cut[-1]]
    expected = embed_by_hand(towers.text, cut)
    torch.testing.assert_close(towers.text(["cat", LONG])[1], expected, rtol=0, atol=1e-5)


def test_words_are_split_into_pieces(towers):
    tokenizer_json = json.loads(towers.text.tokenizer_json)
    assert tokenizer_json["padding"]["strategy"] == {"Fixed": 128}  # as MiniLM's file has it
    # [CLS] cat ##s [SEP], and an unknown word
    assert towers.prompt_lengths(["Cats", "xylophone", ""]) == [4, 3, 2]


def test_random_weights_tokenize_as_the_embedded_ones_do():
    text = build_model("errseg-lite").encode_text(["cat", "a photo of a capybara"])
    assert text.shape == (2, 384)
    torch.testing.assert_close(text.norm(dim=1), torch.ones(2))


@torch.no_grad()
@pytest.mark.parametrize(("height", "width"), [(64, 96), (97, 65)])
def test_pyramid_is_the_trunk_s(towers, make_pixels, height, width):
    pixels = make_pixels(2, height, width)
    x = (pixels.float() - 127) / 128
    last, features = towers.trunk.forward_intermediates(x)
    expected = [f for f in features if f.shape[1] in towers.config.widths]
    pyramid = towers.encode_image(pixels).pyramid
    for ours, theirs in zip(pyramid, [*expected, last], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)
    grids = [(math.ceil(height / stride), math.ceil(width / stride)) for stride in (4, 8, 16, 32)]
    assert [tuple(maps.shape[2:]) for maps in pyramid] == grids


@torch.no_grad()
def test_the_classifier_reads_the_last_level(towers, make_pixels):
    """The mean of the per-pixel logits is what timm's whole network says of the photo."""
    pixels = make_pixels(1, 64, 96)
    stride32 = towers.encode_image(pixels).pyramid[3]
    per_pixel = linear(towers.trunk.classifier, stride32.permute(0, 2, 3, 1))
    expected = towers.trunk((pixels.float() - 127) / 128)
    torch.testing.assert_close(per_pixel.mean(dim=(1, 2)), expected, rtol=0, atol=1e-4)


@torch.no_grad()
def test_conse_at_one_pixel(towers, learn, make_pixels):
    encoded = learn(make_pixels(2, 64, 96))
    image, y, x = 1, 1, 2
    features = encoded.pyramid[3][image, :, y, x]
    logits = linear(towers.trunk.classifier, features).tolist()
    largest = max(logits)
    weights = [math.exp(logit - largest) for logit in logits]
    conse = torch.zeros(towers.config.embedding, dtype=torch.float64)
    for weight, name in zip(weights, towers.imagenet_names.double(), strict=True):
        conse += weight / sum(weights) * name
    expected = (conse / conse.norm()).float()
    torch.testing.assert_close(encoded.dense32[image, :, y, x], expected, rtol=0, atol=1e-5)


@torch.no_grad()
def test_an_untrained_residual_adds_nothing(make_model, make_pixels):
    model = make_model(lite=True)
    torch.nn.init.zeros_(model.towers.residual.weight)
    torch.nn.init.zeros_(model.towers.residual.bias)
    encoded = model.towers.encode_image(make_pixels(1, 64, 96), learning=True)
    # Weighing by the softmax and resizing are both linear, so ConSE can be resized as it is.
    stride32 = encoded.pyramid[3].permute(0, 2, 3, 1)
    weights = linear(model.towers.trunk.classifier, stride32).softmax(dim=-1)
    conse = (weights @ model.towers.imagenet_names).permute(0, 3, 1, 2)
    expected = F.normalize(F.interpolate(conse, (4, 6), mode="bilinear"), dim=1)
    torch.testing.assert_close(encoded.aligned16, expected, rtol=0, atol=1e-5)


def test_the_residual_and_the_weights_of_views_start_at_zero():
    towers = build_model("errseg-lite").towers
    for start in (towers.residual, towers.view_weights):
        assert all((parameter == 0).all() for parameter in start.parameters())


@torch.no_grad()
def test_the_residual_sees_all_four_levels_and_the_context(towers, learn, make_pixels):
    """Each pixel's features of strides 4, 8, 16 (averaged) and 32 (resized), normed together.

    Behind them the surroundings' and the whole photo's means at stride 32.
    """
    encoded = learn(make_pixels(1, 64, 96))
    stride4, stride8, stride16, stride32 = encoded.pyramid
    y, x = 2, 4
    gathered = torch.cat(
        [
            stride4[0, :, 4 * y : 4 * y + 4, 4 * x : 4 * x + 4].mean(dim=(1, 2)),
            stride8[0, :, 2 * y : 2 * y + 2, 2 * x : 2 * x + 2].mean(dim=(1, 2)),
            stride16[0, :, y, x],
            F.interpolate(stride32, (4, 6), mode="bilinear")[0, :, y, x],
        ]
    )
    own = linear(towers.own, layer_norm(towers.norm, gathered))
    # Two rows and three columns of stride 32 lie within every cell's surroundings.
    mean = stride32[0].mean(dim=(1, 2))
    both = layer_norm(towers.context_norm, torch.cat([mean, mean]))
    context = both @ towers.context.weight.T
    residual = linear(towers.residual, F.gelu(own + context))
    assert context.norm() > 0.1
    weights = linear(towers.trunk.classifier, stride32.permute(0, 2, 3, 1)).softmax(dim=-1)
    conse = (weights @ towers.imagenet_names).permute(0, 3, 1, 2)
    here = F.interpolate(conse, (4, 6), mode="bilinear")[0, :, y, x]
    expected = F.normalize(F.normalize(here, dim=0) + residual, dim=0)
    assert residual.norm() > 0.1
    torch.testing.assert_close(encoded.aligned16[0, :, y, x], expected, rtol=0, atol=1e-4)


@torch.no_grad()
def test_a_flipped_view_makes_flipping_exact(towers, make_pixels, monkeypatch):
    set_views(towers, monkeypatch, views=((1.0, True),), conse_weight=0.5)
    pixels = make_pixels(1, 64, 96)
    encoded, flipped = towers.encode_image(pixels), towers.encode_image(pixels.flip(-1))
    torch.testing.assert_close(flipped.dense16.flip(-1), encoded.dense16, rtol=0, atol=1e-5)
    assert encoded.dense16.std() > 0.01


@torch.no_grad()
def test_views_in_other_sizes_are_averaged(towers, monkeypatch):
    """An even photo stays the same when it is resized."""
    photos = [torch.full((1, 3, *size), 90, dtype=torch.uint8) for size in ((64, 96), (32, 64))]
    set_views(towers, monkeypatch)
    large, small = (towers.encode_image(photo) for photo in photos)
    set_views(towers, monkeypatch, views=((0.6, False),))
    encoded = towers.encode_image(photos[0])
    other = F.interpolate(small.dense16, large.dense16.shape[-2:], mode="bilinear")
    expected = F.normalize(large.dense16 + other, dim=1)
    torch.testing.assert_close(encoded.dense16, expected, rtol=0, atol=1e-5)
    for ours, theirs in zip(encoded.pyramid, large.pyramid, strict=True):
        assert torch.equal(ours, theirs)


@torch.no_grad()
@pytest.mark.parametrize("flipped", [False, True])
def test_every_pixel_weighs_its_views(towers, monkeypatch, flipped):
    """Each view's own output says, by what it sees at a pixel, how much that view counts there."""
    sizes, views, hidden = ((64, 96), (32, 64), (32, 32)), ((0.6, flipped), (0.4, False)), []
    photos = [torch.full((1, 3, *size), 90, dtype=torch.uint8) for size in sizes]
    set_views(towers, monkeypatch, judgement=10.0)
    catch = towers.residual.register_forward_pre_hook(lambda _, given: hidden.append(given[0]))
    alone = [towers.encode_image(photo).dense16 for photo in photos]
    catch.remove()
    alone[1] = alone[1].flip(-1) if flipped else alone[1]
    hidden[1] = hidden[1].flip(2) if flipped else hidden[1]
    weigher, weighed = towers.view_weights, []
    for index, (dense, seen) in enumerate(zip(alone, hidden, strict=True)):
        logits = seen @ weigher.weight[index] + weigher.bias[index]
        both = torch.cat([dense, logits[:, None]], dim=1)  # (B, C + 1, h, w)
        weighed.append(F.interpolate(both, (4, 6), mode="bilinear")[0])
    set_views(towers, monkeypatch, judgement=1.0, views=views)
    found = towers.encode_image(photos[0]).dense16[0]
    for y, x in ((0, 0), (2, 4), (3, 5)):
        claims = [math.exp(view[-1, y, x]) for view in weighed]
        assert max(claims) > 1.05 * min(claims)
        mean = sum(c * view[:-1, y, x] for c, view in zip(claims, weighed, strict=True))
        torch.testing.assert_close(found[:, y, x], mean / mean.norm(), rtol=0, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("flipped", [False, True])
def test_the_coarse_embeddings_are_the_last_views(towers, make_pixels, monkeypatch, flipped):
    """An even photo stays the same when it is resized."""
    pixels = make_pixels(1, 128, 192)
    even = torch.full_like(pixels, 90)
    set_views(towers, monkeypatch, conse_weight=0.5)
    alone = towers.encode_image(even[..., ::2, ::2]).dense16
    set_views(towers, monkeypatch, views=((0.7, False), (0.5, flipped)), conse_weight=0.5)
    coarse = towers.encode_image(even).dense32
    expected = alone.flip(-1) if flipped else alone
    torch.testing.assert_close(coarse, expected, rtol=0, atol=1e-5)
    set_views(towers, monkeypatch, views=((0.5, flipped),), conse_weight=0.5)
    once = towers.encode_image(pixels).dense32
    set_views(towers, monkeypatch, views=((0.7, False), (0.5, flipped)), conse_weight=0.5)
    assert torch.equal(towers.encode_image(pixels).dense32, once)  # not of the view before it
    assert (once - coarse).norm() > 0.01


@torch.no_grad()
def test_conse_is_blended_in_as_far_as_imagenet_is_sure(towers, make_pixels, monkeypatch):
    pixels = make_pixels(1, 64, 96)
    set_views(towers, monkeypatch)
    classifier = towers.trunk.classifier
    surer = nn.Parameter(classifier.weight * SURER)
    monkeypatch.setitem(classifier._parameters, "weight", surer)
    trained = towers.encode_image(pixels)
    set_views(towers, monkeypatch, conse_weight=0.7)
    found = towers.encode_image(pixels).dense16[0, :, 1, 4]
    cells = []
    for stride32 in trained.pyramid[3].flatten(2)[0].T:  # every cell by hand
        names = (classifier.weight @ stride32 + classifier.bias).softmax(dim=0)
        conse = names @ towers.imagenet_names
        cells.append(conse * conse.norm())
    grid = torch.stack(cells, dim=1).unflatten(1, trained.dense32.shape[-2:])
    conse = F.interpolate(grid[None], (4, 6), mode="bilinear")[0, :, 1, 4]
    expected = trained.dense16[0, :, 1, 4] + 0.7 * conse
    torch.testing.assert_close(found, expected / expected.norm(), rtol=0, atol=1e-5)
    assert (found - trained.dense16[0, :, 1, 4]).norm() > 1e-3


@torch.no_grad()
@pytest.mark.parametrize(("height", "width"), [(96, 128), (97, 70)])
def test_the_whole_tower_says_what_it_says_straight_down(towers, make_pixels, height, width):
    pixels = make_pixels(2, height, width)
    encoded, (pyramid, *dense) = towers.encode_image(pixels), encode_image(towers, pixels)
    for ours, drawn in zip(
        (*encoded.pyramid, encoded.dense16, encoded.dense32), (*pyramid, *dense), strict=True
    ):
        torch.testing.assert_close(ours, drawn, rtol=0, atol=1e-5)
        assert ours.std() > 1e-3
