"""A teacher's labels: what it may say, what people said stands, and that training takes them."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from PIL import Image

from errseg.__main__ import main
from errseg.checkpoints.weights import save_model
from errseg.datasets.folders import load_sets, open_mask
from errseg.inference.photo import network_size
from errseg.inference.predictor import Predictor
from errseg.training.config import LITE
from errseg.training.crops import CropDataset
from errseg.training.pseudo_labels import FOLDER, write_pseudo_labels
from errseg.words.vocabulary import parse_classes

NAMES = ("sky", "airplane", "person", "dog", "toaster", "grass")
CONFIG = dataclasses.replace(LITE, held_out=("toaster",))
AEROPLANE, SEAT = 1, 2


def _write(root, name, classes, mask):
    folder = root / name
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    photo = np.random.default_rng(0).integers(0, 256, (*mask.shape, 3), dtype=np.uint8)
    Image.fromarray(photo).save(folder / "images" / "p0.jpg")
    Image.fromarray(mask).save(folder / "masks" / "p0.png")
    (folder / "classes.json").write_text(json.dumps(classes))
    (folder / "validation.txt").write_text("")


@pytest.fixture
def data(tmp_path):
    """Two sets: one that names an aeroplane and a car seat, and one that labels every pixel."""
    mask = np.zeros((96, 128), np.uint8)
    mask[:24, :64], mask[:24, 64:], mask[90:] = AEROPLANE, SEAT, 255
    root = tmp_path / "data"
    _write(root, "voc2012", {"0": "background", "1": "aeroplane", "2": "car seat"}, mask)
    _write(root, "camvid", {"0": "sky"}, np.zeros((96, 128), np.uint8))
    return root


@pytest.fixture
def teacher(make_model):
    """A tiny model that takes photos as small as a photo may be."""
    model = make_model(lite=True, cost_shortcut=True).eval()
    model.config = dataclasses.replace(model.config, input_size=128)
    return model


@pytest.fixture
def labelled(data, tmp_path, teacher):
    """Label the photos; returns the one mask made and the names of its values."""

    def label(sure):
        out = tmp_path / "pseudo"
        assert write_pseudo_labels(teacher, load_sets(data), NAMES, out, CONFIG, sure) == 1
        (made,) = load_sets(out)
        assert made.name == FOLDER
        assert made.training == ("voc2012-p0",)
        assert not made.exhaustive
        return np.asarray(open_mask(made, "voc2012-p0")), made.classes

    return label


def test_what_people_labelled_stands(labelled):
    mask, classes = labelled(sure=0.0)
    assert {classes[v] for v in np.unique(mask[:24, :64])} == {"airplane"}  # its synonym
    assert (mask[:24, 64:] == 255).all()  # no name says it


def test_a_name_that_people_marked_absent_is_not_given(labelled):
    mask, classes = labelled(sure=0.0)
    background = mask[24:90]
    assert "airplane" not in {classes[v] for v in np.unique(background[background != 255])}


def test_held_out_names_are_not_labelled(labelled):
    _, classes = labelled(sure=0.0)
    assert set(classes.values()) == set(NAMES) - {"toaster"}


@torch.inference_mode()
@pytest.mark.parametrize("sure", [0.0, 0.21])
def test_the_rest_is_the_raw_cost_maps_argmax_where_it_is_sure(labelled, data, teacher, sure):
    mask, classes = labelled(sure)
    photo = np.asarray(Image.open(data / "voc2012" / "images" / "p0.jpg"))
    predictor, names = Predictor(teacher), list(classes.values())
    text, _ = predictor.embed(parse_classes(names), expand=False)
    features = predictor.encode(photo, network_size(photo.shape[:2], teacher.config))
    cost = teacher.cost_maps(features, text).stride16
    shares = torch.nn.functional.interpolate(
        (CONFIG.ranking_scale * cost).softmax(dim=1), size=photo.shape[:2], mode="bilinear"
    )[0].numpy()
    for y, x in [(30, 5), (50, 60), (70, 120), (92, 90)]:
        best = int(shares[:, y, x].argmax())
        given = shares[best, y, x] >= sure and not (names[best] == "airplane" and y < 90)
        assert mask[y, x] == (best + 1 if given else 255)


def test_the_command_writes_a_set_that_training_takes(data, tmp_path, teacher, capsys):
    save_model(teacher, tmp_path / "teacher.safetensors")
    weights, out = str(tmp_path / "teacher.safetensors"), str(tmp_path / "more")
    arguments = ["--names-of", "camvid", "--sure", "0", "--sets", "voc2012"]
    main(["pseudo-label", "--data", str(data), "--model", weights, "--out", out, *arguments])
    assert "Labelled 1 photos" in capsys.readouterr().out
    sets = [*load_sets(data), *load_sets(tmp_path / "more")]
    crops = CropDataset(sets, 64, seed=0, weights={FOLDER: 1.0, "voc2012": 0, "camvid": 0})
    label = crops[0].label
    assert {crops.space.names[i] for i in label[label >= 0].unique()} == {"sky"}
    wanted = ["--data", "x", "--model", weights, "--out", out]
    assert main(["pseudo-label", *wanted, "--sure", "2"]) == 2
    assert "--sure is a share from 0 to 1, not 2." in capsys.readouterr().err
