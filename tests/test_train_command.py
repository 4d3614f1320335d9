"""The command ``train``: what it passes on, and what it refuses."""

from pathlib import Path

import pytest
from command_line import refused
from photo_sets import write_set
from PIL import Image

from errseg.__main__ import main


@pytest.fixture
def data(tmp_path) -> Path:
    write_set(tmp_path / "data", "scenes", {"1": "road", "2": "cat"})
    return tmp_path / "data"


@pytest.mark.parametrize(
    ("arguments", "preset"),
    [
        ([], "lite"),
        (["--model", "errseg-base"], "published"),
        (["--start", "errseg-lite"], "fine-tune"),
        (["--start", "errseg-lite", "--recipe", "lite"], "lite"),
    ],
)
def test_train_takes_the_preset_and_what_is_given(monkeypatch, data, tmp_path, arguments, preset):
    from errseg.training import run as train
    from errseg.training.config import RECIPES, settings_of

    calls = []
    monkeypatch.setattr(train, "train", lambda *given: calls.append(given))
    command = ["train", *arguments, "--data", str(data), "--out", str(tmp_path)]
    assert main(command) == 0
    given = ["--steps", "7", "--rate", "0.5", "--held-out", "cat, dog", "--precision", "float32"]
    assert main([*command, *given, "--set", "head.cfm=false", "--workers", "2"]) == 0
    start = {"start": "errseg-lite"} if "--start" in arguments else {}
    expected = settings_of(RECIPES[preset]) | start
    name, sets, out, recipe, workers, head, processes = calls[0]
    assert name == {"published": "errseg-base"}.get(preset, "" if start else "errseg-lite")
    assert [s.folder for s in sets] == [path.parent for path in data.glob("*/classes.json")]
    assert (out, settings_of(recipe), workers, head) == (tmp_path, expected, 1, [])
    assert processes.count == 1
    changes = {"steps": 7, "rate": 0.5, "held_out": ("cat", "dog"), "precision": "float32"}
    assert settings_of(calls[1][3]) == expected | changes
    assert calls[1][4:6] == (2, ["head.cfm=false"])


def test_train_draws_its_losses_into_its_own_new_folder(monkeypatch, data, tmp_path, capsys):
    from errseg.training import run as train
    from errseg.training.checkpoint import append_to_log

    def trained(name, sets, out, *rest):
        out.mkdir()
        append_to_log(out, {"step": 1, "cost": 1.0, "seconds": 1.0})

    monkeypatch.setattr(train, "train", trained)
    out = tmp_path / "mine"
    command = ["train", "--data", data, "--out", out, "--plot"]
    assert main([*map(str, command), str(out / "losses.png")]) == 0
    assert Image.open(out / "losses.png").width > 500
    capsys.readouterr()
    assert "folder" in refused(capsys, *command, tmp_path / "gone" / "losses.png")
    assert "losses.txt" in refused(capsys, *command, out / "losses.txt")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--steps", "0"], "must be 1 or more"),
        (["--rate", "-1"], "must be 0 or more"),
        (["--model", "errseg-huge"], "no model 'errseg-huge'"),
        ([], "no data folder"),
    ],
)
def test_train_refuses_what_cannot_be_trained(tmp_path, capsys, arguments, sentence):
    data = tmp_path / "gone"
    assert sentence in refused(
        capsys, "train", "--data", data, "--out", tmp_path / "out", *arguments
    )
