"""The maps shown are the network's own: equal to attention written out, rows that sum to one."""

import numpy as np
import pytest
import torch

from errseg.errors import InputError
from errseg.inference.predictor import Predictor
from errseg.inference.token_memory import TokenMemory
from errseg.measuring import as_drawn
from errseg.network.attention import attend_from
from errseg.options import Options

PROMPTS = ["cat", "dog", "sky", "grass", "tree", "road", "sofa"]


@pytest.fixture(params=["clip", "lite"])
def model(request, make_model):
    return make_model(lite=request.param == "lite")


@torch.no_grad()
def record(model, pixels, row, column, kept_classes):
    features, text = model.encode_image(pixels), model.encode_text(PROMPTS)
    out = model.decode(features, text, kept_classes)
    return attend_from(model, features, text[out.kept], (row, column)), out


@torch.no_grad()
@pytest.mark.parametrize(("row", "column"), [(0, 0), (3, 5), (5, 7)])
def test_attention_equals_that_of_the_network_as_drawn(model, make_pixels, row, column):
    pixels = make_pixels(1, 96, 128)
    attention, out = record(model, pixels, row, column, kept_classes=5)
    encoded, text = as_drawn.encode_image(model, pixels), as_drawn.encode_text(model, PROMPTS)
    drawn = as_drawn.decode(model, *encoded, text, kept_classes=5, keep_attention=True)
    assert torch.equal(out.kept, drawn.kept)
    pixel = row * 8 + column
    for layer, weights in enumerate(drawn.spatial_attention):  # (B, P, heads, pixels, sources)
        expected = weights[0, :, :, pixel].unflatten(-1, (3, 4))
        torch.testing.assert_close(attention.spatial[layer], expected, rtol=1e-4, atol=1e-6)
    cell = min(row // 2, 2) * 4 + min(column // 2, 3)
    for layer, weights in enumerate(drawn.class_attention):  # (B, cells, heads, P, P)
        expected = weights[0, cell]
        torch.testing.assert_close(attention.classes[layer], expected, rtol=1e-4, atol=1e-6)
        mean = weights[0].mean(dim=0)
        torch.testing.assert_close(attention.classes_mean[layer], mean, rtol=1e-4, atol=1e-6)


def test_every_row_sums_to_one(model, make_pixels):
    attention, _ = record(model, make_pixels(1, 96, 128), 2, 3, kept_classes=4)
    for rows in (attention.spatial.flatten(3), attention.classes, attention.classes_mean):
        torch.testing.assert_close(rows.sum(dim=-1), torch.ones(rows.shape[:-1]))


@torch.no_grad()
def test_a_memory_of_tokens_gives_the_same(model, make_pixels):
    """What is remembered is not computed again, and the first SFM's maps are there all the same."""
    features, text = model.encode_image(make_pixels(1, 96, 128)), model.encode_text(PROMPTS)[None]
    memory, asked = TokenMemory.of_photo(model, features), []
    memory(features, text[:, 2:])
    compute = memory._compute
    memory._compute = lambda f, t: asked.append(t.shape[1]) or compute(f, t)
    found = attend_from(model, features, text, (1, 2), memory)
    expected = attend_from(model, features, text, (1, 2))
    assert asked == [2]
    for maps in ("spatial", "classes", "classes_mean"):
        torch.testing.assert_close(
            getattr(found, maps), getattr(expected, maps), rtol=1e-4, atol=1e-6
        )


@torch.no_grad()
def test_neither_crm_nor_gud_nor_the_last_cfm_runs(model, make_pixels, monkeypatch):
    features, text = model.encode_image(make_pixels(1, 96, 128)), model.encode_text(PROMPTS)
    for part in (model.decoder, model.escf[-1].cfm):
        monkeypatch.setattr(part, "forward", None)
    monkeypatch.setattr("errseg.network.model.rank_vocabulary", None)
    assert attend_from(model, features, text[None], (0, 0)).classes.shape[-1] == len(PROMPTS)


def test_share_on_counts_the_present_classes_rows_and_columns(model, make_pixels):
    attention, _ = record(model, make_pixels(1, 96, 128), 1, 1, kept_classes=4)
    weights, present = attention.classes_mean.numpy(), [0, 2]
    total = []
    for layer in weights:
        for head in layer:
            total += [sum(head[i][j] for j in present) for i in present]
    share = attention.share_on(torch.tensor([True, False, True, False]))
    assert share == pytest.approx(np.mean(total), rel=1e-5)
    assert attention.share_on(torch.ones(4, dtype=torch.bool)) == pytest.approx(1, rel=1e-5)


@torch.no_grad()
def test_removing_classes_can_only_raise_the_share_on_those_left(model, make_pixels):
    """Proposition 1, on the first CFM: the tokens of the classes left don't depend on the rest."""
    pixels = make_pixels(1, 96, 128)
    few, out = record(model, pixels, 1, 1, kept_classes=3)
    kept = out.kept[0]
    many, every = record(model, pixels, 1, 1, kept_classes=len(PROMPTS))
    among = torch.isin(every.kept[0], kept)
    fewer_weights = few.classes[0]  # (heads, 3, 3)
    share = many.classes[0][:, among][..., among].sum(dim=-1)
    assert (share <= 1 + 1e-6).all()
    assert (share < fewer_weights.sum(dim=-1) + 1e-6).all()
    renormalised = many.classes[0][:, among][..., among] / share[..., None]
    torch.testing.assert_close(renormalised, fewer_weights, rtol=1e-3, atol=1e-5)


def test_the_predictor_finds_the_cell_under_a_pixel(make_model, make_pixels):
    model = make_model(lite=True)
    photo = make_pixels(1, 128, 128)[0].permute(1, 2, 0).numpy()
    predictor = Predictor(model)
    corner = predictor.attention(photo, PROMPTS, (127, 0), kept_classes=5, input_size=128)
    expected, _ = record_text(predictor, photo, row=0, column=7)
    torch.testing.assert_close(corner.spatial, expected.spatial)
    for everything in (False, True):
        with pytest.raises(InputError, match="outside the photo of 128 x 128"):
            predictor.attention(photo, PROMPTS, (128, 0), everything=everything)


def test_without_crm_every_class_is_attended_to(make_model, make_pixels):
    predictor = Predictor(make_model(lite=True, cost_shortcut=True))
    photo = make_pixels(1, 128, 128)[0].permute(1, 2, 0).numpy()
    options = Options(kept_classes=3, input_size=128)
    everything = predictor.attention(photo, PROMPTS, (40, 70), options, everything=True)
    expected = predictor.attention(photo, PROMPTS, (40, 70), options, kept_classes=len(PROMPTS))
    for maps in ("spatial", "classes", "classes_mean"):
        torch.testing.assert_close(getattr(everything, maps), getattr(expected, maps))


@torch.inference_mode()
def record_text(predictor, photo, row, column):
    from errseg.words.vocabulary import parse_classes

    text, _ = predictor.embed(parse_classes(PROMPTS))
    features = predictor.encode(photo, (128, 128))
    out = predictor.model.decode(features, text, 5)
    return attend_from(predictor.model, features, text[out.kept], (row, column)), out
