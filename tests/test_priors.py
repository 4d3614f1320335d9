"""Priors: against a plain loop, what they change and what never, and the places that ship."""

import dataclasses
import json
import math

import numpy as np
import pytest
import torch
from photo_sets import write_sets
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from errseg.__main__ import main
from errseg.checkpoints.weights import load_model
from errseg.config import EMBEDDED_PRIORS
from errseg.datasets.folders import load_sets
from errseg.errors import InputError
from errseg.inference.photo import network_size
from errseg.inference.predictor import Predictor
from errseg.inference.priors import (
    LEAST_PHOTO,
    LEAST_WORD,
    MOST_LIKELY,
    NO_WORD,
    PHOTO_SHARE,
    PLACES,
    PLACES_PER_NAME,
    SHARPNESS,
    WORD_SHARE,
    Priors,
    make_priors,
    priors_of,
    read_priors,
    write_places,
)
from errseg.measuring import evaluation, typical_places
from errseg.words.relations import with_synonyms

SCALE = 0.4
CHANNELS = 16


@pytest.fixture
def unit(randn):
    """``unit(*shape)``: random embeddings of length 1."""
    return lambda *shape: torch.nn.functional.normalize(randn(*shape), dim=-1)


@pytest.fixture
def photo(make_pixels):
    return make_pixels(1, 128, 160)[0].permute(1, 2, 0).numpy()


def plain(priors: Priors, logits: np.ndarray, text: np.ndarray) -> np.ndarray:
    """Adjust logits (P, h, w) of words (P, C) number by number, as the module's text says."""
    words, rows, columns = logits.shape
    got = [[] for _ in range(words)]
    for place in priors.places.double().numpy():
        powers = [math.exp(SHARPNESS * float(own @ place)) for own in text]
        total = sum(powers) + math.exp(SHARPNESS * NO_WORD)
        for own, power in zip(got, powers, strict=True):
            own.append(power / total)
    most = [sorted(own)[-MOST_LIKELY:] for own in got]
    expected = [math.log(max(sum(own) / len(own), LEAST_WORD)) for own in most]
    shown = np.zeros(words)
    for row in range(0, rows, 4):
        for column in range(0, columns, 4):
            means = logits[:, row : row + 4, column : column + 4].mean(axis=(1, 2))
            powers = np.exp(SCALE * means - WORD_SHARE * np.array(expected))
            shown += powers / powers.sum()
    shown /= rows * columns / 16
    adjusted = logits.copy()
    for own in range(words):
        added = -WORD_SHARE * expected[own] + PHOTO_SHARE * math.log(max(shown[own], LEAST_PHOTO))
        adjusted[own] += added / SCALE
    for row in range(rows):
        for column in range(columns):
            here = slice(None), row, column
            adjusted[here] += logits[here].max() - adjusted[here].max()
    return adjusted


def test_logits_are_those_of_a_plain_loop(randn, unit):
    """More places than r is the mean of, and words between both floors and far above them."""
    places = torch.cat([unit(MOST_LIKELY, CHANNELS), unit(2 * MOST_LIKELY, CHANNELS)])
    priors, text = Priors(places, SCALE), unit(2, 5, CHANNELS)
    text[:, 0] = places[0]
    logits = 3 * randn(2, 5, 8, 12)
    logits[:, 4] -= 40
    found = priors(logits.clone(), text)
    for own, words, adjusted in zip(logits, text, found, strict=True):
        expected = plain(priors, own.double().numpy(), words.double().numpy())
        np.testing.assert_allclose(adjusted.numpy(), expected, rtol=0, atol=1e-4)
    assert not torch.equal(found.argmax(dim=1), logits.argmax(dim=1))


def test_how_sure_a_place_is_of_its_best_word_stays(randn, unit):
    priors, logits = Priors(unit(50, CHANNELS), SCALE), randn(1, 6, 8, 8)
    found = priors(logits.clone(), unit(1, 6, CHANNELS))
    torch.testing.assert_close(found.amax(dim=1), logits.amax(dim=1), rtol=0, atol=1e-5)


def test_one_word_alone_changes_nothing(randn, unit):
    priors, logits = Priors(unit(50, CHANNELS), SCALE), randn(2, 1, 8, 8)
    assert torch.equal(priors(logits.clone(), unit(2, 1, CHANNELS)), logits)


def test_a_word_that_takes_every_typical_place_gives_way_to_one_nearly_as_good():
    everywhere, elsewhere = torch.eye(CHANNELS)[:2]
    priors = Priors(everywhere.repeat(MOST_LIKELY, 1), SCALE)
    logits = torch.tensor([1.0, 0.5]).view(1, 2, 1, 1).repeat(1, 1, 4, 4)
    text = torch.stack([everywhere, elsewhere])[None]
    assert (priors(logits.clone(), text).argmax(dim=1) == 1).all()
    assert (priors(logits.clone(), text.flip(1)).argmax(dim=1) == 0).all()
    logits[:, 1] = -9.5  # but not to one that is far worse
    assert (priors(logits.clone(), text).argmax(dim=1) == 0).all()


def test_a_word_that_the_photo_shows_wins_where_it_is_nearly_as_good_as_another():
    priors = Priors(torch.eye(CHANNELS)[:1], SCALE)
    text = torch.eye(CHANNELS)[None, 1:3]  # both are as far from all typical places
    logits = torch.zeros(1, 2, 16, 16)
    logits[:, 0] = 10.0
    logits[..., :4, :4] = torch.tensor([4.9, 5.0])[:, None, None]
    best = priors(logits.clone(), text).argmax(dim=1)
    assert (best == 0).all()
    logits[..., :4, :4] = torch.tensor([0.0, 9.0])[:, None, None]
    best = priors(logits.clone(), text).argmax(dim=1)
    assert best[0, :4, :4].all()
    assert best.sum() == 16


def test_more_words_than_one_do_not_see_each_others_photos(randn, unit):
    """A batch is what its photos are one by one."""
    priors, logits, text = Priors(unit(60, CHANNELS), SCALE), randn(3, 4, 8, 8), unit(3, 4, 16)
    together = priors(logits.clone(), text)
    for own in range(3):
        alone = priors(logits[own : own + 1].clone(), text[own : own + 1])
        torch.testing.assert_close(alone[0], together[own], rtol=0, atol=1e-5)


def test_the_predictor_asks_them_for_the_photo_and_for_each_tile(tiled_model, photo):
    predictor, asked = Predictor(tiled_model), []

    def weigh(logits, text):
        asked.append((tuple(logits.shape[:2]), text.shape[1]))
        return -logits

    plain = predictor.segment(photo, "dog, sky, tree").kept_logits
    predictor.__dict__["priors"] = weigh
    predictor.forget()
    changed = predictor.segment(photo, "dog, sky, tree").kept_logits
    torch.testing.assert_close(changed, -plain)  # these weights calibrate nothing
    assert asked == [((1, 3), 3)]
    asked.clear()
    predictor.segment(photo, "dog, sky, tree", tiles=2)
    assert asked == [((1, 3), 3)] * 5


def test_they_come_before_the_calibration(make_model, photo):
    model = make_model(lite=True, cost_shortcut=True)
    calibration = dataclasses.replace(model.config.calibration, scale=0.5, bias=3.0)
    model.config = dataclasses.replace(model.config, calibration=calibration)
    predictor = Predictor(model)
    asked = {"input_size": 128}
    before = predictor.segment(photo, "dog, sky", **asked).kept_logits
    predictor.__dict__["priors"] = lambda logits, _: logits + 1
    predictor.forget()
    torch.testing.assert_close(
        predictor.segment(photo, "dog, sky", **asked).kept_logits, before + 0.5
    )


def test_what_is_measured_is_what_a_person_gets(lite_model, tmp_path, monkeypatch):
    asked = []

    def weigh(logits, _):
        asked.append(logits.shape[1])
        return logits

    monkeypatch.setattr("errseg.inference.predictor.priors_of", lambda _: weigh)
    monkeypatch.setattr(evaluation, "network_size", lambda *_: (64, 96))
    evaluation.evaluate(lite_model, load_sets(write_sets(tmp_path), ["scenes"]))
    assert asked == [3, 2]  # with all words, and with one left out


def test_only_the_weights_that_ship_have_any(lite_model, clip_model):
    for model in (lite_model, clip_model):
        assert Predictor(model).priors is None


def test_what_ships_is_of_the_names_that_training_saw():
    model = load_model("errseg-lite", "cpu", "float32")
    priors = priors_of(model)
    assert priors.scale == model.config.calibration.scale
    lengths = priors.places.norm(dim=1)
    torch.testing.assert_close(lengths, torch.ones_like(lengths), rtol=0, atol=2e-3)
    with safe_open(EMBEDDED_PRIORS["errseg-lite"], framework="pt") as file:
        names = json.loads(file.metadata()["names"])
    assert sum(names.values()) == len(priors.places)
    assert max(names.values()) == PLACES_PER_NAME
    assert not names.keys() & with_synonyms(model.config.held_out)
    assert {"person", "dog", "sky", "road"} <= names.keys()


def test_places_of_other_weights_are_not_used_and_changed_ones_are_refused(
    lite_model, make_model, tmp_path, unit
):
    file = tmp_path / "priors.safetensors"
    places = unit(5, lite_model.config.towers.embedding)
    write_places(file, lite_model, places, {"dog": 5})
    torch.testing.assert_close(read_priors(file, lite_model).places, places, rtol=0, atol=1e-3)
    other = make_model(lite=True)
    other.weights_hash = "another"
    assert read_priors(file, other) is None
    with safe_open(file, framework="pt") as opened:
        metadata = opened.metadata()
    tensors = load_file(file)
    tensors[PLACES][0, 0] += 1
    save_file(tensors, file, metadata)
    with pytest.raises(InputError, match="was changed after it was written; get it again with"):
        read_priors(file, lite_model)
    file.write_bytes(b"not tensors")
    with pytest.raises(InputError, match="is not a safetensors file"):
        read_priors(file, lite_model)


def test_places_are_drawn_of_each_name_but_those_held_out(make_model, tmp_path, monkeypatch):
    """Each is what the tower makes of a cell whose middle pixel has the name."""
    model = make_model(lite=True, cost_shortcut=True)
    model.config = dataclasses.replace(model.config, held_out=("pedestrian",))
    predictor, sets = Predictor(model), load_sets(write_sets(tmp_path), ["scenes", "walls"])
    monkeypatch.setattr(typical_places, "network_size", lambda *_: (64, 96))
    monkeypatch.setattr(typical_places, "PLACES_PER_NAME", 3)
    found, names = typical_places.typical_places(predictor, sets, 5)
    assert set(names) <= {"road", "sky", "wall", "brick wall", "metal"}
    assert {"road", "wall"} <= set(names)
    assert set(names.values()) <= {1, 2, 3}
    assert len(found) == sum(names.values())
    owners = [name for name, count in names.items() for _ in range(count)]
    seen = {name: [] for name in names}
    for sample_set in sets:
        for photo, label in typical_places.samples(sample_set, sample_set.training):
            assert network_size(photo.shape[:2], model.config)
            dense = predictor.encode(photo, (64, 96)).dense16[0]
            for row in range(4):
                for column in range(6):
                    if (own := label[row * 16 + 8, column * 16 + 8]) >= 0:
                        name = sample_set.class_names[own]
                        seen.setdefault(name, []).append(dense[:, row, column])
    for place, owner in zip(found, owners, strict=True):
        assert min((place - own).abs().max() for own in seen[owner]) < 1e-6


def test_the_command_writes_what_the_predictor_reads(tmp_path, lite_model, monkeypatch, capsys):
    monkeypatch.setattr("errseg.checkpoints.weights.load_model", lambda *_: lite_model)
    monkeypatch.setattr(typical_places, "network_size", lambda *_: (64, 96))
    file = tmp_path / "priors.safetensors"
    data = str(write_sets(tmp_path / "data"))
    assert main(["priors", "--data", data, "--sets", "scenes", "--out", str(file)]) == 0
    assert "places of" in capsys.readouterr().out
    places = read_priors(file, lite_model).places
    assert torch.equal(places, make_priors(lite_model, load_file(file)[PLACES]).places)
