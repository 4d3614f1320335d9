"""Priors: against a plain loop, what they change and what never, and who asks them."""

import math
from collections.abc import Sequence
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from photo_sets import write_sets

from errseg.config import Calibration
from errseg.datasets.folders import load_sets
from errseg.inference.predictor import Predictor
from errseg.inference.priors import (
    BROADER,
    LEAST_PHOTO,
    LEAST_WORD,
    MOST_LIKELY,
    NO_WORD,
    PHOTO_SHARE,
    SHARPNESS,
    WORD_SHARE,
    Priors,
)
from errseg.measuring import evaluation
from errseg.network.scores import calibrate_best, calibrate_logits
from errseg.words.broader import are_broader
from errseg.words.vocabulary import ClassPrompt, Vocabulary, parse_classes

PLAIN = Calibration(scale=0.4)
SHARP = Calibration(scale=0.4, bias=-1.5, competition=0.9)
CHANNELS = 16


@pytest.fixture
def photo(make_pixels):
    return make_pixels(1, 128, 160)[0].permute(1, 2, 0).numpy()


@pytest.fixture
def weigh():
    """``weigh(priors, logits, text)``: what priors make of logits of words that none is broader."""

    def weigh(priors: Priors, logits: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        every = torch.arange(len(text))[None].expand(len(logits), -1)
        words = Vocabulary(tuple(ClassPrompt(f"w{i}", (f"w{i}",)) for i in range(len(text))))
        return priors.of_words(words, text)(logits.clone(), every)

    return weigh


def plain(
    priors: Priors, logits: np.ndarray, text: np.ndarray, broader: Sequence[bool]
) -> np.ndarray:
    """Adjust logits (P, h, w) of words (P, C) number by number, as the module's text says."""
    words, rows, columns = logits.shape
    got = [[] for _ in range(words)]
    for place in priors.places.double().numpy():
        powers = [math.exp(SHARPNESS * float(own @ place)) for own in text]
        total = sum(powers) + math.exp(SHARPNESS * NO_WORD)
        for own, power in zip(got, powers, strict=True):
            own.append(power / total)
    most = [sorted(own)[-MOST_LIKELY:] for own in got]
    taken = [
        WORD_SHARE * math.log(max(sum(own) / len(own), LEAST_WORD)) + BROADER * broad
        for own, broad in zip(most, broader, strict=True)
    ]
    shown = np.zeros(words)
    for row in range(0, rows, 4):
        for column in range(0, columns, 4):
            means = logits[:, row : row + 4, column : column + 4].mean(axis=(1, 2))
            powers = np.exp(PLAIN.scale * means - np.array(taken))
            shown += powers / powers.sum()
    shown /= rows * columns / 16
    adjusted = logits.copy()
    for own in range(words):
        added = -taken[own] + PHOTO_SHARE * math.log(max(shown[own], LEAST_PHOTO))
        adjusted[own] += added / PLAIN.scale
    for row in range(rows):
        for column in range(columns):
            here = slice(None), row, column
            adjusted[here] += logits[here].max() - adjusted[here].max()
    return PLAIN.scale * adjusted


def test_logits_are_those_of_a_plain_loop(randn, unit):
    """Photos with other kept classes, words between both floors and far above, one broader."""
    places = torch.cat([unit(MOST_LIKELY, CHANNELS), unit(2 * MOST_LIKELY, CHANNELS)])
    priors, text = Priors(places, PLAIN), unit(5, CHANNELS)
    text[0] = places[0]
    kept = torch.tensor([[0, 1, 3, 4], [1, 2, 3, 4]])
    logits = 3 * randn(2, 4, 8, 12)
    logits[:, 3] -= 40
    words = parse_classes("cat, dog, sky, animal, swan")
    broader = are_broader(words.classes)
    assert broader == (False, False, False, True, False)
    found = priors.of_words(words, text)(logits.clone(), kept)
    for own, classes, adjusted in zip(logits, kept, found, strict=True):
        expected = plain(
            priors,
            own.double().numpy(),
            text[classes].double().numpy(),
            [broader[place] for place in classes],
        )
        np.testing.assert_allclose(adjusted.numpy(), expected, rtol=0, atol=1e-4)
    assert not torch.equal(found.argmax(dim=1), logits.argmax(dim=1))


def test_how_sure_a_place_is_of_its_best_word_stays(weigh, randn, unit):
    logits, text = 5 * randn(1, 6, 8, 8), unit(6, CHANNELS)
    before = calibrate_logits(logits, SHARP)
    found = weigh(Priors(unit(50, CHANNELS), SHARP), logits, text)
    torch.testing.assert_close(found.amax(dim=1), before.amax(dim=1), rtol=0, atol=1e-4)
    assert not torch.equal(found.argmax(dim=1), before.argmax(dim=1))


def test_one_word_alone_changes_nothing(weigh, randn, unit):
    logits = randn(2, 1, 8, 8)
    found = weigh(Priors(unit(50, CHANNELS), SHARP), logits, unit(1, CHANNELS))
    assert torch.equal(found, calibrate_logits(logits, SHARP))


def test_a_word_that_takes_every_typical_place_gives_way_to_one_nearly_as_good(weigh):
    everywhere, elsewhere = torch.eye(CHANNELS)[:2]
    priors = Priors(everywhere.repeat(MOST_LIKELY, 1), PLAIN)
    logits = torch.tensor([1.0, 0.5]).view(1, 2, 1, 1).repeat(1, 1, 4, 4)
    text = torch.stack([everywhere, elsewhere])
    assert (weigh(priors, logits, text).argmax(dim=1) == 1).all()
    assert (weigh(priors, logits, text.flip(0)).argmax(dim=1) == 0).all()
    logits[:, 1] = -9.5  # but not to one that is far worse
    assert (weigh(priors, logits, text).argmax(dim=1) == 0).all()


def test_a_word_that_the_photo_shows_wins_where_it_is_nearly_as_good_as_another(weigh):
    priors = Priors(torch.eye(CHANNELS)[:1], PLAIN)
    text = torch.eye(CHANNELS)[1:3]  # both are as far from all typical places
    logits = torch.zeros(1, 2, 16, 16)
    logits[:, 0] = 10.0
    logits[..., :4, :4] = torch.tensor([4.9, 5.0])[:, None, None]
    assert (weigh(priors, logits, text).argmax(dim=1) == 0).all()
    logits[..., :4, :4] = torch.tensor([0.0, 9.0])[:, None, None]
    best = weigh(priors, logits, text).argmax(dim=1)
    assert best[0, :4, :4].all()
    assert best.sum() == 16


def test_beside_a_swivel_chair_a_chair_is_another_chair(unit):
    priors, text = Priors(unit(1, CHANNELS), PLAIN), unit(1, CHANNELS).repeat(2, 1)
    logits = torch.tensor([1.0, 0.5]).view(1, 2, 1, 1).repeat(1, 1, 4, 4)
    kept = torch.tensor([[0, 1]])
    for words, best in (("chair, swivel chair", 1), ("swivel chair, chair", 0), ("chair, cat", 0)):
        found = priors.of_words(parse_classes(words), text)(logits.clone(), kept)
        assert (found.argmax(dim=1) == best).all(), words


def test_photos_of_a_batch_do_not_see_each_other(weigh, randn, unit):
    priors, logits, text = Priors(unit(60, CHANNELS), PLAIN), randn(3, 4, 8, 8), unit(4, CHANNELS)
    together = weigh(priors, logits, text)
    for own in range(3):
        alone = weigh(priors, logits[own : own + 1], text)
        torch.testing.assert_close(alone[0], together[own], rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("words", "broader"),
    [
        ("furniture, chair, swivel chair, cat", (True, True, False, False)),
        ("Wall, brick wall, stone_wall", (True, False, False)),
        ("poodle, dog, animal, kite, bird", (False, False, True, False, False)),
        ("chair | furniture, sofa", (True, False)),
        ("chair | furniture, sky", (False, False)),  # broader than itself is nothing
        ("water", (False,)),
    ],
)
def test_broader_is_what_training_took_for_broader(words, broader):
    assert are_broader(parse_classes(words).classes) == broader


def test_the_predictor_asks_them_for_the_photo_and_for_each_tile(tiled_model, photo):
    predictor, asked = Predictor(tiled_model), []

    class Negative:
        def of_words(self, vocabulary, text):
            assert vocabulary.names == ("dog", "sky", "tree")
            return lambda logits, kept: asked.append(kept.tolist()) or -logits

    plain = predictor.segment(photo, "dog, sky, tree").kept_logits
    predictor.__dict__["priors"] = Negative()
    predictor.forget()
    changed = predictor.segment(photo, "dog, sky, tree").kept_logits
    torch.testing.assert_close(changed, -plain)  # these weights calibrate nothing
    assert asked == [[[0, 1, 2]]]
    asked.clear()
    predictor.segment(photo, "dog, sky, tree", tiles=2)
    assert asked == [[[0, 1, 2]]] * 5


def test_the_best_alone_is_calibrated_as_among_all(randn):
    logits = 5 * randn(2, 7, 4, 6)
    for calibration in (PLAIN, SHARP):
        expected = calibrate_logits(logits, calibration).amax(dim=1, keepdim=True)
        found = calibrate_best(logits, calibration)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_what_is_measured_is_what_a_person_gets(lite_model, tmp_path, monkeypatch):
    """Each word in turn gets all of the photo, if the priors say so."""
    sets, asked = load_sets(write_sets(tmp_path), ["scenes"]), []
    monkeypatch.setattr(evaluation, "network_size", lambda *_: (64, 96))
    for best in range(3):

        def of_words(vocabulary, text, best=best):
            asked.append(vocabulary.names)
            others = torch.arange(len(text)) != min(best, len(text) - 1)
            return lambda logits, _: logits - 1000 * others.view(-1, 1, 1)

        priors = SimpleNamespace(of_words=of_words)
        monkeypatch.setattr("errseg.inference.predictor.priors_of", lambda _, priors=priors: priors)
        (scores,) = evaluation.evaluate(lite_model, sets)
        assert [iou > 0 for iou in scores.crm.class_iou] == [place == best for place in range(3)]
        whole, left_out = asked[-2:]
        assert whole == ("road", "pedestrian", "sky")
        assert len(left_out) == 2
        assert set(left_out) < set(whole)


def test_only_the_weights_that_ship_have_any(lite_model, clip_model):
    for model in (lite_model, clip_model):
        assert Predictor(model).priors is None
