"""A contact sheet shows every photo beside its masks."""

import json

import numpy as np
import pytest
from PIL import Image

from errseg.__main__ import main
from errseg.inference.predictor import Predictor
from errseg.pictures.sheet import GAP, TILE, contact_sheet


@pytest.fixture
def predictor(lite_model):
    return Predictor(lite_model)


def test_every_photo_stands_beside_its_masks(predictor):
    rng = np.random.default_rng(0)
    wide = rng.integers(0, 256, (135, 720, 3), np.uint8)
    photos = [(np.full((270, 360, 3), shade, np.uint8), "cat, sky") for shade in (0, 90)]
    sheet = contact_sheet(predictor, [*photos, (wide, "red sofa, tree")], columns=1, input_size=128)
    assert sheet.size == (2 * (TILE[0] + GAP) + GAP, 3 * (TILE[1] + GAP) + GAP)
    picture = np.asarray(sheet)
    left, right = GAP, GAP + TILE[0] + GAP
    for row, shade in enumerate((0, 90)):
        top = GAP + row * (TILE[1] + GAP)
        tile = picture[top : top + TILE[1], left : left + TILE[0]]
        assert (tile == shade).all()
        masks = picture[top : top + TILE[1], right : right + TILE[0]]
        assert (masks != shade).any()
    third = picture[GAP + 2 * (TILE[1] + GAP) :]
    assert (third[:60] == 255).all()  # a panorama is not stretched


def test_the_command_writes_a_sheet_of_a_list(tmp_path, capsys):
    Image.new("RGB", (80, 60), "green").save(tmp_path / "a.png")
    listed = [{"file": "a.png", "classes": "grass, sky"}]
    (tmp_path / "list.json").write_text(json.dumps(listed))
    out = tmp_path / "sheet.png"
    assert main(["sheet", "--list", str(tmp_path / "list.json"), "--out", str(out)]) == 0
    with Image.open(out) as sheet:
        assert f"{sheet.width} x {sheet.height}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("listed", "out", "sentence"),
    [
        ("# Not JSON", "sheet.png", "list.json is no list of photos; give JSON"),
        ('{"file": "a.png"}', "sheet.png", "is no list of photos"),
        ('[{"file": "a.png"}]', "sheet.png", "is no list of photos"),
        ("7", "sheet.png", "is no list of photos"),
        ("[]", "sheet.xyz", "sheet.xyz is no picture's name; end it in .png or .jpg."),
        ("[]", "sheet", "is no picture's name"),
        ("[]", "gone/sheet.png", "There is no folder"),
    ],
)
def test_what_cannot_be_drawn_gets_a_sentence_before_any_work(
    tmp_path, capsys, monkeypatch, listed, out, sentence
):
    monkeypatch.setattr("errseg.checkpoints.weights.load_model", None)
    (tmp_path / "list.json").write_text(listed)
    command = ["sheet", "--list", str(tmp_path / "list.json"), "--out", str(tmp_path / out)]
    assert main(command) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1
