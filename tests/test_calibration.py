"""Calibration: scores are how often they are right, the threshold loses few right pixels."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from errseg.checkpoints.weights import load_model, save_model
from errseg.config import Calibration
from errseg.datasets.folders import load_sets
from errseg.errors import InputError
from errseg.measuring.calibration import (
    Observations,
    advise_threshold,
    calibrate,
    fit,
    weigh_cost,
    winning_scores,
)
from errseg.measuring.metrics import CalibrationError
from errseg.network.scores import calibrate_logits


def observations(randn, truth, count=20_000, classes=3):
    """Pixels that are right as often as calibrated logits say."""
    logits = 3 * randn(count, classes)
    chance = winning_scores(logits, truth)
    generator = torch.Generator().manual_seed(1)
    right = (torch.rand(count, generator=generator) < chance).float()
    return Observations(logits, right, left_out=logits[:0])


@pytest.mark.parametrize(
    "truth",
    [Calibration(1.0, 0.0, 0.5), Calibration(0.4, 0.7, 0.9), Calibration(1.8, -1.0, 0.2)],
    ids=str,
)
def test_the_fit_finds_what_made_the_pixels(randn, truth):
    seen = observations(randn, truth, 100_000)
    fitted = fit([seen])
    assert dataclasses.astuple(fitted) == pytest.approx(dataclasses.astuple(truth), abs=0.12)
    error = CalibrationError()
    scores = winning_scores(seen.logits, fitted).numpy()[None]
    right = seen.right.numpy()[None].astype(int)
    error.update(scores, right, np.ones_like(right))
    assert error.expected_calibration_error() < 0.02


def test_a_vocabularys_only_word_can_be_rejected(randn):
    """Even where which class is right depends on the differences between logits alone."""
    logits = 3 * randn(20_000, 3) + 8 * randn(20_000, 1)
    chance = logits.softmax(dim=1).amax(dim=1)
    generator = torch.Generator().manual_seed(1)
    right = (torch.rand(len(chance), generator=generator) < chance).float()
    left_out = logits[:5000, :2] - 20
    left_out = F.pad(left_out, (0, 1), value=-torch.inf)
    word = torch.tensor([[-20.0]])
    assert winning_scores(word, fit([Observations(logits, right, left_out[:0])])) > 0.9
    fitted = fit([Observations(logits, right, left_out)])
    assert winning_scores(word, fitted) < 0.2
    assert winning_scores(torch.tensor([[10.0]]), fitted) > 0.8


def test_every_set_counts_the_same(randn):
    many, few = (
        observations(randn, Calibration(bias=bias), count, classes=1)
        for bias, count in ((0.0, 20_000), (2.0, 2_000))
    )
    alone = [fit([one]).bias for one in (many, few)]
    assert sum(alone) / 2 == pytest.approx(fit([many, few]).bias, abs=0.2)


def test_padding_changes_nothing(randn):
    seen = observations(randn, Calibration(0.5, -0.5, 0.6))
    padded = torch.cat([seen.logits, torch.full((len(seen.logits), 5), -torch.inf)], dim=1)
    wide = dataclasses.replace(seen, logits=padded)
    assert dataclasses.astuple(fit([wide])) == pytest.approx(dataclasses.astuple(fit([seen])))
    torch.testing.assert_close(
        winning_scores(padded, fit([seen])), winning_scores(seen.logits, fit([seen]))
    )


def test_scores_never_turn_around(randn):
    seen = observations(randn, Calibration(), classes=1)
    turned = dataclasses.replace(seen, right=1 - seen.right)
    assert fit([turned]).scale > 0


def test_the_threshold_rejects_few_right_pixels(randn):
    seen = observations(randn, Calibration())
    threshold = advise_threshold([seen], Calibration(), false_rejection=0.1)
    scores = winning_scores(seen.logits, Calibration())[seen.right > 0]
    assert (scores < threshold).float().mean() <= 0.1
    assert (scores < threshold + 0.02).float().mean() > 0.1


def test_full_competition_is_a_softmax_with_none(randn):
    logits = 4 * randn(2, 5, 3, 3)
    scores = calibrate_logits(logits, Calibration(competition=1.0)).sigmoid()
    with_none = torch.cat([logits, torch.zeros(2, 1, 3, 3)], dim=1).softmax(dim=1)
    torch.testing.assert_close(scores, with_none[:, :-1], rtol=1e-4, atol=1e-6)


def test_competition_stays_finite_where_one_class_is_certain():
    logits = torch.tensor([200.0, -200.0, 0.0, 199.0])[None, :, None]
    out = calibrate_logits(logits, Calibration(competition=0.7))
    assert out.isfinite().all()
    assert torch.equal(out.argsort(dim=1), logits.argsort(dim=1))


def test_a_calibrated_model_travels_with_its_numbers(tmp_path, make_model, halves):
    model = make_model(lite=True, cost_shortcut=True)
    model.config = dataclasses.replace(model.config, input_size=128)  # the predictor's least
    save_model(model, tmp_path / "model.safetensors")
    model = load_model(tmp_path / "model.safetensors")  # rounded, as it will be once more
    calibrate(model, load_sets(halves), photos=2)
    save_model(model, tmp_path / "model.safetensors")
    loaded = load_model(tmp_path / "model.safetensors")
    assert loaded.config == model.config
    assert loaded.config.calibration.scale != 1
    again = calibrate(loaded, load_sets(halves), photos=2).config.calibration
    assert again.scale == pytest.approx(model.config.calibration.scale, rel=1e-3)  # starts anew


@torch.inference_mode()
def test_calibration_moves_scores_not_winners(make_model, make_pixels):

    model = make_model(lite=True, cost_shortcut=True)
    text = model.encode_text(["cat", "dog", "sky"])
    features = model.encode_image(make_pixels(1, 64, 64))
    before = model.decode(features, text).kept_logits
    calibration = Calibration(scale=0.5, bias=-1.0, competition=0.5)
    model.config = dataclasses.replace(model.config, calibration=calibration)
    after = model.decode(features, text).kept_logits
    assert (after < 0.5 * before - 1.0).all()
    assert torch.equal(after.argmax(dim=1), before.argmax(dim=1))


@pytest.fixture
def halves(tmp_path):
    """Photos whose left half is sky and whose right half is grass."""

    folder = tmp_path / "data" / "halves"
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    mask = np.zeros((64, 64), np.uint8)
    mask[:, 32:] = 1
    colors = np.array([(60, 90, 220), (60, 180, 60)], np.uint8)
    for stem in ("a", "b", "c"):
        Image.fromarray(colors[mask]).save(folder / "images" / f"{stem}.jpg")
        Image.fromarray(mask).save(folder / "masks" / f"{stem}.png")
    (folder / "classes.json").write_text(json.dumps({"0": "sky", "1": "grass"}))
    (folder / "validation.txt").write_text("c\n")
    return folder.parent


@torch.inference_mode()
def test_the_cost_maps_can_weigh_more_than_in_training(make_model, make_pixels):
    model = make_model(lite=True, cost_shortcut=True)
    text = model.encode_text(["cat", "dog", "sky"])
    features = model.encode_image(make_pixels(1, 64, 64))
    before = model.decode(features, text)
    scale = model.shortcut_scale.item()
    after = weigh_cost(model, 1.7).decode(features, text)
    assert torch.equal(after.kept, before.kept)
    cost = model.cost_maps(features, text).stride16[0, before.kept[0]]
    cost = F.interpolate(cost[None], before.kept_logits.shape[-2:], mode="bilinear")
    expected = before.kept_logits + 0.7 * scale * cost
    torch.testing.assert_close(after.kept_logits, expected, rtol=0, atol=1e-4)


def test_only_what_adds_cost_maps_can_weigh_them(make_model):
    with pytest.raises(InputError, match="adds no cost maps"):
        weigh_cost(make_model(), 1.7)
    for weight in (0.0, -1.0, float("inf"), float("nan")):
        with pytest.raises(InputError, match="above 0"):
            weigh_cost(make_model(lite=True, cost_shortcut=True), weight)
