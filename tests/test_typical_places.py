"""Typical places: which are drawn, and the file that ships, for its weights only."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from photo_sets import write_sets
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from errseg.__main__ import main
from errseg.checkpoints.weights import load_model
from errseg.config import EMBEDDED_PRIORS
from errseg.datasets.folders import load_sets
from errseg.errors import InputError
from errseg.inference.places import DIRECTIONS, SHARES_KEY, read_places, write_places
from errseg.inference.predictor import Predictor
from errseg.inference.priors import priors_of
from errseg.measuring import typical_places
from errseg.words.relations import with_synonyms

CHANNELS = 16


def test_what_ships_is_of_the_names_that_training_saw():
    model = load_model("errseg-lite", "cpu", "float32")
    priors = priors_of(model)
    assert priors.calibration == model.config.calibration
    lengths = priors.places.norm(dim=1)
    torch.testing.assert_close(lengths, torch.ones_like(lengths), rtol=0, atol=1e-5)
    with safe_open(EMBEDDED_PRIORS["errseg-lite"], framework="pt") as file:
        names = json.loads(file.metadata()["names"])
    assert sum(names.values()) == len(priors.places)
    assert max(names.values()) == typical_places.PLACES_PER_NAME
    assert not names.keys() & with_synonyms(model.config.held_out)
    assert {"person", "dog", "sky", "road"} <= names.keys()


def test_places_of_other_weights_are_not_used_and_changed_ones_are_refused(
    lite_model, make_model, tmp_path, unit
):
    file = tmp_path / "priors.safetensors"
    write_places(file, lite_model, unit(5, CHANNELS), {"dog": 5})
    other = make_model(lite=True)
    other.weights_hash = "another"
    assert read_places(file, other) is None
    with safe_open(file, framework="pt") as opened:
        metadata = opened.metadata()
    tensors = load_file(file)
    tensors[SHARES_KEY][0, 0] += 1
    save_file(tensors, file, metadata)
    with pytest.raises(InputError, match="was changed after it was written; get it again with"):
        read_places(file, lite_model)
    file.write_bytes(b"not tensors")
    with pytest.raises(InputError, match="is not a safetensors file"):
        read_places(file, lite_model)


def test_places_near_few_directions_are_read_as_they_were_written(
    lite_model, tmp_path, unit, randn
):
    file, places = tmp_path / "priors.safetensors", unit(5, 4 * DIRECTIONS)
    write_places(file, lite_model, places, {"dog": 5})
    torch.testing.assert_close(read_places(file, lite_model), places, rtol=0, atol=0.01)
    directions = unit(DIRECTIONS, 4 * DIRECTIONS)
    many = torch.nn.functional.normalize(randn(1000, DIRECTIONS) @ directions, dim=1)
    write_places(file, lite_model, many, {"dog": 1000})
    assert (read_places(file, lite_model) * many).sum(dim=1).min() > 0.998
    assert file.stat().st_size < 1.6 * 1000 * DIRECTIONS


def test_places_are_drawn_of_each_name_but_those_held_out(make_model, tmp_path, monkeypatch):
    """Each is what the tower makes of a cell whose middle pixel has the name."""
    model = make_model(lite=True, cost_shortcut=True)
    model.config = dataclasses.replace(model.config, held_out=("pedestrian",))
    predictor, sets = Predictor(model), load_sets(write_sets(tmp_path), ["scenes", "walls"])
    monkeypatch.setattr(typical_places, "network_size", lambda *_: (64, 96))
    monkeypatch.setattr(typical_places, "PLACES_PER_NAME", 3)
    monkeypatch.setattr(typical_places, "DROPPED", 0.0)
    found, names = typical_places.typical_places(predictor, sets, 5)
    assert set(names) <= {"road", "sky", "wall", "brick wall", "metal"}
    assert {"road", "wall"} <= set(names)
    assert set(names.values()) <= {1, 2, 3}
    assert len(found) == sum(names.values())
    owners = [name for name, count in names.items() for _ in range(count)]
    seen = {name: [] for name in names}
    for sample_set in sets:
        for photo, label in typical_places.samples(sample_set, sample_set.training):
            dense = predictor.encode(photo, (64, 96)).dense16[0]
            for row in range(4):
                for column in range(6):
                    if (own := label[row * 16 + 8, column * 16 + 8]) >= 0:
                        name = sample_set.class_names[own]
                        seen.setdefault(name, []).append(dense[:, row, column])
    for place, owner in zip(found, owners, strict=True):
        assert min((place - own).abs().max() for own in seen[owner]) < 1e-6


def test_photos_without_a_label_have_no_places(lite_model, tmp_path, monkeypatch):
    monkeypatch.setattr(typical_places, "network_size", lambda *_: (64, 96))
    folder = write_sets(tmp_path) / "scenes"
    for mask in (folder / "masks").iterdir():
        Image.fromarray(np.full((64, 96), 255, np.uint8)).save(mask)
    with pytest.raises(InputError, match="None of the training photos has a label"):
        typical_places.typical_places(Predictor(lite_model), load_sets(tmp_path, ["scenes"]), 2)


def test_most_of_what_training_taught_is_dropped_alike_in_every_run(
    make_model, tmp_path, monkeypatch
):
    model = make_model(lite=True, cost_shortcut=True)
    before, predictor = model.towers.config, Predictor(model)
    sets = load_sets(write_sets(tmp_path), ["scenes"])
    monkeypatch.setattr(typical_places, "network_size", lambda *_: (64, 96))
    seen = {}
    for dropped in (0.0, 0.75, 0.75):
        monkeypatch.setattr(typical_places, "DROPPED", dropped)
        torch.manual_seed(len(seen))
        places, _ = typical_places.typical_places(predictor, sets, 2)
        if dropped in seen:
            assert torch.equal(places, seen[dropped])
        seen[dropped] = places
    assert (seen[0.0] - seen[0.75]).abs().amax(dim=1).min() > 1e-3
    assert model.towers.config is before
    assert not model.towers.always_drops
    photo = next(typical_places.samples(sets[0], ["p1"]))[0]
    again = Predictor(model).encode(photo, (64, 96)).dense16
    assert torch.equal(predictor.encode(photo, (64, 96)).dense16, again)


def test_the_command_writes_what_the_predictor_reads(tmp_path, lite_model, monkeypatch, capsys):
    monkeypatch.setattr("errseg.checkpoints.weights.load_model", lambda *_: lite_model)
    monkeypatch.setattr(typical_places, "network_size", lambda *_: (64, 96))
    file = tmp_path / "priors.safetensors"
    data = str(write_sets(tmp_path / "data"))
    assert main(["priors", "--data", data, "--sets", "scenes", "--out", str(file)]) == 0
    assert "places of" in capsys.readouterr().out
    assert read_places(file, lite_model).norm(dim=1).min() > 0.9
