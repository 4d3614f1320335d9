"""A teacher's labels: what it may say, what people said stands, and that training takes them."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from errseg.__main__ import main
from errseg.checkpoints.weights import save_model
from errseg.datasets.folders import load_sets
from errseg.datasets.sets import open_mask
from errseg.errors import InputError
from errseg.inference.photo import network_size
from errseg.inference.predictor import Predictor
from errseg.training.config import LITE, with_settings
from errseg.training.crops import CropDataset
from errseg.training.pseudo_labels import FOLDER, WEIGHT, write_pseudo_labels
from errseg.words.vocabulary import load_vocabulary, parse_classes

NAMES = ("sky", "airplane", "person", "dog", "toaster", "grass")
RECIPE = with_settings(LITE, {"held_out": ("toaster",)})
AEROPLANE, SEAT = 1, 2


def _write(root, name, classes, mask, **description):
    folder = root / name
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    photo = np.random.default_rng(0).integers(0, 256, (*mask.shape, 3), dtype=np.uint8)
    Image.fromarray(photo).save(folder / "images" / "p0.jpg")
    Image.fromarray(mask).save(folder / "masks" / "p0.png")
    (folder / "classes.json").write_text(json.dumps(classes))
    (folder / "validation.txt").write_text("")
    (folder / "set.json").write_text(json.dumps(description))


@pytest.fixture
def data(tmp_path):
    """Write two sets: one names an aeroplane and a car seat, the other labels every pixel."""
    mask = np.zeros((96, 128), np.uint8)
    mask[:24, :64], mask[:24, 64:], mask[90:] = AEROPLANE, SEAT, 255
    root = tmp_path / "data"
    _write(root, "things", {"0": "background", "1": "aeroplane", "2": "car seat"}, mask)
    _write(root, "scenes", {"0": "sky"}, np.zeros((96, 128), np.uint8), exhaustive=True)
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

    def label(confidence):
        out = tmp_path / "pseudo"
        assert write_pseudo_labels(teacher, load_sets(data), NAMES, out, RECIPE, confidence) == 1
        (made,) = load_sets(out)
        assert made.name == FOLDER
        assert made.training == ("things-p0",)
        assert not made.exhaustive
        assert made.weight == WEIGHT
        return np.asarray(open_mask(made, "things-p0")), made.classes

    return label


def test_what_people_labelled_stands(labelled):
    mask, classes = labelled(confidence=0.0)
    assert {classes[v] for v in np.unique(mask[:24, :64])} == {"airplane"}  # its synonym
    assert (mask[:24, 64:] == 255).all()  # no name says it


def test_a_name_that_people_marked_absent_is_not_given(labelled):
    mask, classes = labelled(confidence=0.0)
    background = mask[24:90]
    assert "airplane" not in {classes[v] for v in np.unique(background[background != 255])}


def test_held_out_names_are_not_labelled(labelled, teacher):
    teacher.config = dataclasses.replace(teacher.config, held_out=("lawn", "grass"))
    _, classes = labelled(confidence=0.0)
    assert set(classes.values()) == set(NAMES) - {"toaster", "grass"}


@torch.inference_mode()
@pytest.mark.parametrize("quantile", [0.0, 0.5])
def test_the_rest_is_the_raw_cost_maps_argmax_where_it_is_confident(
    labelled, data, teacher, quantile
):
    photo = np.asarray(Image.open(data / "things" / "images" / "p0.jpg"))
    predictor, names = Predictor(teacher), [name for name in NAMES if name != "toaster"]
    text, _ = predictor.embed(parse_classes(names), expand=False)
    features = predictor.encode(photo, network_size(photo.shape[:2], teacher.config))
    cost = teacher.cost_maps(features, text).stride16
    shares = torch.nn.functional.interpolate(
        (RECIPE.losses.ranking_scale * cost).softmax(dim=1), size=photo.shape[:2], mode="bilinear"
    )[0].numpy()
    best = shares.max(axis=0)
    confidence = float(np.quantile(best, quantile))
    mask, classes = labelled(confidence)
    assert list(classes.values()) == names
    expected = np.where(best >= confidence, shares.argmax(axis=0) + 1, 255)
    airplane = expected[:90] == names.index("airplane") + 1
    expected[:90][airplane] = 255  # marked absent in the background, not in the gap below
    assert np.array_equal(mask[24:], expected[24:])
    assert (mask[24:] == 255).mean() == pytest.approx(quantile, abs=0.3)


def test_the_command_writes_a_set_that_training_takes(data, tmp_path, teacher, capsys):
    save_model(teacher, tmp_path / "teacher.safetensors")
    weights, out = str(tmp_path / "teacher.safetensors"), str(tmp_path / "more")
    arguments = ["--names-of", "scenes", "--sure", "0", "--sets", "things"]
    main(["pseudo-label", "--data", str(data), "--model", weights, "--out", out, *arguments])
    assert "Labelled 1 photos" in capsys.readouterr().out
    crops = CropDataset(load_sets(tmp_path / "more"), with_settings(RECIPE, {"crop": 64}))
    label = crops[0].label
    assert {crops.space.names[i] for i in label[label >= 0].unique()} == {"sky"}
    wanted = ["--data", "x", "--model", weights, "--out", out]
    assert main(["pseudo-label", *wanted, "--sure", "2"]) == 2
    assert "--sure is a share from 0 to 1, not 2." in capsys.readouterr().err


def test_a_run_that_was_stopped_goes_on_and_never_with_another_teacher(
    data, tmp_path, teacher, monkeypatch
):
    def label(**changes):
        asked = {"names": NAMES, "confidence": 0.0} | changes
        return write_pseudo_labels(
            teacher, load_sets(data), asked["names"], tmp_path, RECIPE, asked["confidence"]
        )

    masks = tmp_path / FOLDER / "masks"
    label()
    whole = (masks / "things-p0.png").read_bytes()
    for part in ("images", "masks"):
        for path in (data / "things" / part).iterdir():
            shutil.copy(path, path.with_stem("p1"))
    encoded, encode = [], Predictor.encode
    monkeypatch.setattr(Predictor, "encode", lambda *given: encoded.append(given) or encode(*given))
    assert label() == 2
    assert len(encoded) == 1
    assert {path.name: path.read_bytes() for path in masks.iterdir()} == {
        "things-p0.png": whole,
        "things-p1.png": whole,
    }
    for changes in ({"names": NAMES[1:]}, {"confidence": 0.5}):
        with pytest.raises(InputError, match=f"{FOLDER} was labelled by another model, with other"):
            label(**changes)
    teacher.weights_hash = "another"
    with pytest.raises(InputError, match="another model"):
        label()


def test_more_names_than_8_bits_hold_are_told_apart(data, tmp_path, teacher):
    """People's label comes back under its name, whichever side of the ignored value that is."""
    for at in (253, 254, 255, 299):
        names = [f"thing {i}" for i in range(300)]
        names[at] = "airplane"
        out = tmp_path / str(at)
        write_pseudo_labels(teacher, load_sets(data), names, out, RECIPE, confidence=1.0)
        (made,) = load_sets(out)
        mask = np.asarray(open_mask(made, "things-p0"))
        assert {made.classes[v] for v in np.unique(mask[:24, :64])} == {"airplane"}
        assert (mask[:24, 64:] == 255).all()
        assert len(made.classes) == 300


def test_a_photo_keeps_its_ending(data, tmp_path, teacher):
    jpeg = data / "things" / "images" / "p0.jpg"
    with Image.open(jpeg) as photo:
        photo.save(jpeg.with_suffix(".PNG"), format="PNG")
    jpeg.unlink()
    write_pseudo_labels(teacher, load_sets(data), NAMES, tmp_path / "out", RECIPE, 0.5)
    (made,) = load_sets(tmp_path / "out")
    assert made.image_path("things-p0").name == "things-p0.PNG"


def test_sets_that_leave_nothing_to_label_are_refused(data, tmp_path, teacher):
    for names, sentence in (
        (["scenes"], "labels every pixel already"),
        (["things"], "for training"),
    ):
        (data / "things" / "validation.txt").write_text("p0")
        with pytest.raises(InputError, match=sentence):
            write_pseudo_labels(teacher, load_sets(data, names), NAMES, tmp_path, RECIPE, 0.5)


def test_names_may_be_a_vocabulary_s(data, tmp_path, teacher, capsys):
    save_model(teacher, tmp_path / "teacher.safetensors")
    weights = ["--model", str(tmp_path / "teacher.safetensors"), "--out"]
    lone = ["--dataset", "folder", "--root", str(data / "things")]
    assert main(["pseudo-label", *lone, *weights, str(tmp_path / "a"), "--names-of", "voc20"]) == 0
    (made,) = load_sets(tmp_path / "a")
    assert made.class_names == load_vocabulary("voc20").names
    weights += [str(tmp_path / "b")]
    assert main(["pseudo-label", *lone, *weights]) == 0
    (made,) = load_sets(tmp_path / "b")
    assert len(made.class_names) == 171
    assert main(["pseudo-label", *lone, *weights, "--names-of", "scenes"]) == 2
    assert "there is no vocabulary scenes; there are voc20" in capsys.readouterr().err
