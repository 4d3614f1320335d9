"""Calibration's formulas, closed, and what it looks at, pixel by pixel."""

import dataclasses
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from made_up_answers import CAT, GRASS, IGNORED, RHINO, SKY, MadeUp, write_made_up

from errseg.config import KEPT_CLASSES, Calibration
from errseg.errors import InputError
from errseg.measuring import calibration as module
from errseg.measuring.calibration import (
    LEFT_OUT_WEIGHT,
    Observations,
    advise_threshold,
    calibrate,
    fit,
    observe,
    winning_scores,
)
from errseg.network.scores import calibrate_logits


def logit(share):
    return math.log(share / (1 - share))


def pixels(value, count, right_share):
    """So many pixels with one class's logit, of which a share is right."""
    right = torch.arange(count) < round(count * right_share)
    return torch.full((count, 1), value), right.float()


def seen(*groups, left_out=None):
    logits, right = (torch.cat(parts) for parts in zip(*groups, strict=True))
    return Observations(logits, right, logits[:0] if left_out is None else left_out)


def test_one_class_s_scale_and_bias_are_platt_s():
    """Two logits, right 0.9 and 0.3 of the time: two equations for two numbers."""
    fitted = fit([seen(pixels(2.0, 100, 0.9), pixels(-1.0, 100, 0.3))])
    scale = (logit(0.9) - logit(0.3)) / 3
    assert fitted.scale == pytest.approx(scale, abs=1e-4)
    assert fitted.bias == pytest.approx(logit(0.9) - 2 * scale, abs=1e-4)


def test_pixels_whose_class_was_left_out_are_wrong_and_count_little():
    """However many there are, beside however many others."""
    left_out = torch.full((7, 1), 2.0)
    fitted = fit([seen(pixels(2.0, 100, 0.9), pixels(-1.0, 100, 0.3), left_out=left_out)])
    # Of 1 the pixels of each logit weigh a half.
    right, all_of_it = 0.9 / 2, 1 / 2 + LEFT_OUT_WEIGHT
    assert 2 * fitted.scale + fitted.bias == pytest.approx(logit(right / all_of_it), abs=1e-3)
    assert fitted.bias - fitted.scale == pytest.approx(logit(0.3), abs=1e-3)


def test_sets_count_the_same_however_many_pixels_they_have():
    sets = [
        seen(pixels(2.0, 1000, 0.9), pixels(-1.0, 1000, 0.3)),
        seen(pixels(2.0, 10, 0.5), pixels(-1.0, 10, 0.1)),
    ]
    fitted = fit(sets)
    assert 2 * fitted.scale + fitted.bias == pytest.approx(logit(0.7), abs=1e-3)
    assert fitted.bias - fitted.scale == pytest.approx(logit(0.2), abs=1e-3)


def test_of_the_pixels_left_out_half_the_weight_is_of_one_word_alone():
    """The words take turns, and padding is no word."""
    logits = torch.tensor([[3.0, 1.0, -math.inf]] * 3)
    alone = module._alone(logits)
    assert alone[:, 0].tolist() == [3.0, -math.inf, 3.0]
    assert alone[:, 1].tolist() == [-math.inf, 1.0, -math.inf]
    assert (alone[:, 2] == -math.inf).all()


@pytest.mark.parametrize("competition", [0.0, 0.3, 1.0])
def test_a_calibrated_logit_is_lowered_by_what_the_others_claim(randn, competition):
    logits, numbers = randn(4, 5), Calibration(0.7, -0.4, competition)
    found = calibrate_logits(logits, numbers)
    for row, scores in zip(logits.tolist(), found.tolist(), strict=True):
        scaled = [0.7 * value - 0.4 for value in row]
        for place, score in enumerate(scores):
            others = sum(math.exp(v) for i, v in enumerate(scaled) if i != place)
            assert score == pytest.approx(
                scaled[place] - competition * math.log1p(others), abs=1e-5
            )
    best = [1 / (1 + math.exp(-max(scores))) for scores in found.tolist()]
    assert winning_scores(logits, numbers).tolist() == pytest.approx(best, abs=1e-6)


def with_scores(scores, right):
    logits = torch.tensor(scores, dtype=torch.float64).logit()[:, None]
    return Observations(logits, torch.tensor(right), logits[:0])


def test_the_threshold_is_the_highest_that_rejects_few_enough():
    tenths = [0.055 + 0.1 * k for k in range(10)]
    one = with_scores(tenths, [1.0] * 10)
    # Under 0.35 are three of ten, at 0.36 four.
    assert advise_threshold([one], Calibration(), false_rejection=0.3) == 0.35
    assert advise_threshold([one], Calibration(), false_rejection=0.39) == 0.35
    assert advise_threshold([one], Calibration(), false_rejection=0.4) == 0.45
    # Wrong pixels may be rejected, and sets count the same.
    wrong = with_scores([*tenths, *[0.01] * 90], [1.0] * 10 + [0.0] * 90)
    assert advise_threshold([wrong], Calibration(), false_rejection=0.3) == 0.35
    sure = with_scores([0.999] * 500, [1.0] * 500)
    assert advise_threshold([one, sure], Calibration(), false_rejection=0.15) == 0.35


def test_logits_are_read_where_the_pixels_are():
    """A grid half as fine as the photo; two of six classes kept."""
    maps = torch.arange(12.0).reshape(2, 2, 3) * torch.tensor([1.0, -1.0])[:, None, None] + 1
    out = SimpleNamespace(kept_logits=maps[None], kept=torch.tensor([[2, 5]]))
    label = np.full((4, 6), 2)
    label[0, 0] = 5
    logits, right = module._logits_at(out, label, label >= 0, np.random.default_rng(0))
    assert logits.shape == (24, KEPT_CLASSES)
    assert (logits[:, 2:] == -math.inf).all()
    cells = sorted(logits[:, 0].tolist())
    assert cells == sorted(4 * maps[0].flatten().tolist())  # four pixels a cell
    assert right.sum() == 23  # the first class wins everywhere
    chosen, _ = module._logits_at(out, label, label == 5, np.random.default_rng(0))
    assert chosen[:, :2].tolist() == [[1.0, -5.0]]


def test_no_photo_counts_for_more_pixels_than_another(monkeypatch):
    monkeypatch.setattr(module, "PIXELS_PER_PHOTO", 5)
    out = SimpleNamespace(kept_logits=torch.zeros(1, 1, 4, 6), kept=torch.tensor([[0]]))
    label = np.zeros((4, 6), np.int64)
    logits, right = module._logits_at(out, label, label >= 0, np.random.default_rng(0))
    assert len(logits) == len(right) == 5


def photo(label, winner, score, second, second_score):
    """A photo of one kind of pixel, but for two that aren't labelled."""
    pixel = (winner, score, second, second_score)
    return [(label, *pixel)] * 6 + [(IGNORED, *pixel)] * 2


PHOTOS = (
    photo(SKY, SKY, 0.9, GRASS, 0.5),
    photo(CAT, CAT, 0.9, GRASS, 0.5),  # every second is looked at
    photo(RHINO, GRASS, 0.7, RHINO, 0.2),
    photo(CAT, CAT, 0.9, GRASS, 0.5),
    photo(IGNORED, CAT, 0.9, GRASS, 0.5),  # has nothing to say
    photo(CAT, CAT, 0.9, GRASS, 0.5),
    photo(SKY, SKY, 0.8, GRASS, 0.5),
)


@pytest.mark.parametrize(
    ("photos", "right"), [(2, [1] * 6 + [0] * 6), (9, [1] * 6 + [0] * 6 + [1] * 6)]
)
def test_every_second_photo_is_looked_at_with_and_without_its_class(
    monkeypatch, tmp_path, photos, right
):
    made_up = MadeUp(photos=PHOTOS)
    monkeypatch.setattr(module, "Predictor", lambda model: made_up)
    (sample_set,) = write_made_up(tmp_path / "scenes", PHOTOS)
    found = observe(made_up, sample_set, photos, np.random.default_rng(0))
    assert found.right.tolist() == right
    best = found.logits.amax(dim=1).sigmoid().tolist()
    assert best[:12] == pytest.approx([0.9] * 6 + [0.7] * 6)
    # Without its class the sky goes to the runner-up; the rhino's pixels were the grass's anyhow.
    rest = found.left_out.amax(dim=1).sigmoid().tolist()
    assert rest == pytest.approx(([0.5] * 6 + [0.7] * 6 + [0.5] * 6)[: len(right)])
    assert (found.left_out[:, :3] > -math.inf).all()
    assert (found.left_out[:, 3:] == -math.inf).all()


def test_without_a_class_only_its_own_pixels_are_looked_at(monkeypatch, tmp_path):
    photos = [[*photo(SKY, SKY, 0.9, GRASS, 0.5), *photo(CAT, CAT, 0.8, RHINO, 0.3)]]
    made_up = MadeUp(photos=photos)
    monkeypatch.setattr(module, "Predictor", lambda model: made_up)
    (sample_set,) = write_made_up(tmp_path / "scenes", photos)
    found = observe(made_up, sample_set, 1, np.random.default_rng(0))
    assert found.right.tolist() == [1] * 12
    rest = found.left_out.amax(dim=1).sigmoid().tolist()
    assert rest in (pytest.approx([0.5] * 6), pytest.approx([0.3] * 6))  # the sky or the cat


def test_one_class_alone_calibrates_nothing(monkeypatch, tmp_path):
    sets = write_made_up(tmp_path / "scenes", PHOTOS[:1], ("sky",))
    with pytest.raises(InputError, match="one class"):
        calibrate(MadeUp(), sets, 1)


def test_what_was_fitted_ends_in_the_model(monkeypatch, tmp_path):
    """The right pixels score 0.9 and 0.8, the wrong 0.7: all right ones stay."""
    made_up = MadeUp(photos=PHOTOS)
    made_up.config = dataclasses.replace(
        made_up.config, calibration=Calibration(3.0, 2.0, 0.1, 0.9)
    )
    monkeypatch.setattr(module, "Predictor", lambda model: made_up)
    assert calibrate(made_up, write_made_up(tmp_path / "scenes", PHOTOS), 9) is made_up
    fitted = made_up.config.calibration
    sets = write_made_up(tmp_path / "again" / "scenes", PHOTOS)
    expected = observe(made_up, sets[0], 9, np.random.default_rng(0))
    scores = winning_scores(expected.logits, fitted)
    assert scores[expected.right == 0].max() < scores[expected.right == 1].min()
    assert scores[expected.right == 1].min() >= fitted.threshold
