"""``python -m errseg attention``: figures over photos that are its photos' own, and sentences."""

import dataclasses
import json
import math

import numpy as np
import pytest
from command_line import refused
from photo_sets import write_photo_set
from PIL import Image

from errseg.__main__ import main
from errseg.checkpoints.weights import load_model
from errseg.datasets.folders import load_sets
from errseg.inference.attended import Attended, Figure2, Look, figure2
from errseg.inference.photo import load_image
from errseg.inference.predictor import Predictor
from errseg.measuring.attention import Study, study_set, summaries
from errseg.measuring.attention_report import ALL_KEPT
from errseg.options import Options
from errseg.words.vocabulary import parse_classes

NAMES = ("cat", "dog", "sky", "grass", "tree")
ASKED = ("--input-size", "128", "--precision", "float32", "--device", "cpu")


@pytest.fixture
def data(tmp_path, make_pixels):
    """A set of two photos, of which the first shows two classes and the second none."""
    labels = [np.repeat([[3] * 48 + [1] * 48], 64, axis=0), np.full((64, 96), 255)]
    photos = make_pixels(2, 64, 96).permute(0, 2, 3, 1).numpy()
    return write_photo_set(tmp_path / "data" / "pets", NAMES, zip(photos, labels, strict=True))


def run(capsys, *arguments):
    assert main(["attention", *map(str, arguments)]) == 0
    return capsys.readouterr().out


def test_photos_are_measured_under_the_words_that_are_given(
    lite_weights, photo_file, data, tmp_path, capsys
):
    """A photo and a folder of photos: the mean over all of what each comes to."""
    files = {name: tmp_path / f"figures.{name}" for name in ("json", "png")}
    asked = (photo_file, data / "images", "--classes", ",".join(NAMES), "--kept-classes", 3)
    wanted = ("--json", files["json"], "--plot", files["png"])
    text = run(capsys, *asked, *ASKED, "--model", lite_weights, *wanted)
    assert "photos, 3 photos: T = 5, P = 3, the network's own labels" in text
    found = json.loads(files["json"].read_text())["studies"][0]
    predictor = Predictor(load_model(lite_weights, "cpu", "float32"))
    options, words = Options(kept_classes=3, input_size=128), parse_classes(list(NAMES))
    photos = [photo_file, *sorted((data / "images").iterdir())]
    assert [photo["name"] for photo in found["photos"]] == [photo.name for photo in photos]
    figures = [figure2(predictor, load_image(photo), words, options) for photo in photos]
    by_measure = {(row["measure"], row["layer"]): row for row in found["summaries"]}
    assert len(by_measure) == 8
    for layer in (1, 2):
        for measure in ("distance", "own", "own_far"):
            row = by_measure[measure, layer]
            for side in ("with_crm", "without_crm"):
                each = [getattr(getattr(f, side).sfm[layer - 1], measure) for f in figures]
                assert row[side] == pytest.approx(np.mean(each), rel=1e-5)
            assert row["evenly"] == pytest.approx(
                np.mean([getattr(f.evenly, measure) for f in figures]), rel=1e-5
            )
        row = by_measure["on_present", layer]
        for side in ("with_crm", "without_crm"):
            each = [getattr(f, side).on_present[layer - 1] for f in figures]
            assert row[side] == pytest.approx(np.mean(each), rel=1e-5)
    with Image.open(files["png"]) as picture:
        assert picture.width > 500


def test_a_set_is_measured_by_its_true_labels(lite_weights, data, tmp_path, capsys):
    file = tmp_path / "figures.json"
    options = ("--data", data.parent, "--kept-classes", 4, "--json", file)
    text = run(capsys, *options, *ASKED, "--model", lite_weights)
    assert "pets, 1 photo: T = 5, P = 4, true labels" in text
    predictor = Predictor(load_model(lite_weights, "cpu", "float32"))
    (pets,) = load_sets(data.parent)
    study = study_set(predictor, pets, Options(input_size=128), 4)
    (_, shown), (_, bare) = study.photos
    assert bare.cells == 0
    assert set(shown.present) <= {1, 3}
    assert shown.present
    found = json.loads(file.read_text())["studies"][0]
    assert found["true_labels"]
    assert found["photos"][0]["cells"] == shown.cells
    assert found["photos"][1]["evenly"]["distance"] is None
    # The photo that shows nothing counts for nothing.
    rows = {(row["measure"], row["layer"]): row for row in found["summaries"]}
    assert rows["own", 2]["with_crm"] == pytest.approx(shown.with_crm.sfm[1].own, rel=1e-5)


def test_where_all_are_kept_one_side_is_told_and_why(lite_weights, photo_file, tmp_path, capsys):
    words = ("--classes", "cat, dog", "--plot", tmp_path / "figure.pdf")
    text = run(capsys, photo_file, *words, *ASKED, "--model", lite_weights)
    assert "T = 2, P = 2" in text
    assert ALL_KEPT in text
    assert "| - | - | - | - |" in text
    assert (tmp_path / "figure.pdf").read_bytes().startswith(b"%PDF")


def test_photos_count_alike_and_the_change_has_its_error():
    def photo(with_crm, without, cells):
        one, other = (Attended(4, (Look(value, 0, 0),), (), 0.5) for value in (with_crm, without))
        return Figure2(cells, (0,), Look(0.25, 0, 0), one, other)

    photos = [photo(0.5, 0.25, 10), photo(0.25, 0.5, 1), photo(0.75, 0.0, 1)]
    study = Study("made up", True, 8, 4, tuple(zip("abc", photos, strict=True)))
    row = next(row for row in summaries(study) if row.measure == "distance")
    assert dataclasses.astuple(row)[:7] == ("distance", 1, 3, 0.5, 0.25, 0.25, 0.25)
    assert row.change == 0.25
    assert row.error == pytest.approx(0.5 / math.sqrt(3))
    assert row.more == pytest.approx(2 / 3)


def test_mistakes_get_a_sentence(photo_file, data, tmp_path, capsys):
    words = ("--classes", "cat, dog")
    for arguments, sentence in (
        ((), "Give a photo with words, or sets of photos with masks by --data DIR."),
        ((photo_file,), "No class was given"),
        ((tmp_path / "gone.png", *words), "There is no photo"),
        ((tmp_path / "data", *words), "holds no photos"),
        ((photo_file, *words, "--data", data), "either photos with words, or sets"),
        (("--data", data, *words), "sets are asked for their own classes"),
        (("--data", tmp_path / "gone"), "There is no data folder"),
        ((photo_file, *words, "--plot", tmp_path / "a.xyz"), "can't be drawn"),
        ((photo_file, *words, "--json", tmp_path / "no" / "a.json"), "There is no folder"),
        ((photo_file, *words, "--kept-classes", "0"), "must be 1 or more"),
    ):
        assert sentence in refused(capsys, "attention", *arguments)
