"""The command line, as a person uses it: files that are right, mistakes answered in a sentence."""

import dataclasses
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import refused
from odd_photos import PHONE, READABLE, REFUSED
from PIL import Image

import errseg
from errseg.__main__ import main

ROOT = Path(__file__).resolve().parent.parent
CHINA = ROOT / "examples" / "china.jpg"


def run(*arguments, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "errseg", *map(str, arguments)]
    settings = {"cwd": ROOT, "capture_output": True, "text": True, "timeout": 300, "check": False}
    return subprocess.run(command, **{**settings, **options})


@pytest.fixture(scope="session")
def phone_photo(odd_photos) -> Path:
    return odd_photos[PHONE]


@pytest.fixture(scope="session")
def segmented(phone_photo, tmp_path_factory):
    """One whole run in a process of its own."""
    folder = tmp_path_factory.mktemp("results") / "first"
    words = "temple | pagoda, tree, sky, lake | water, tree"
    done = run(
        *("segment", phone_photo, "--classes", words, "--out", folder),
        *("--kept-classes", 3, "--threshold", 0.3, "--input-size", 256, "--device", "cpu"),
    )
    assert done.returncode == 0, done.stderr
    return done, folder


def test_segment_writes_what_the_predictor_says(segmented, phone_photo):
    _, folder = segmented
    predictor = errseg.Predictor(errseg.load_model("errseg-lite"))
    expected = predictor(
        phone_photo,
        ["temple | pagoda", "tree", "sky", "lake | water"],
        kept_classes=3,
        threshold=0.3,
        input_size=256,
    )
    with Image.open(folder / "mask.png") as mask:
        assert mask.mode == "P"
        assert mask.size == (320, 213)  # upright
        indices, palette = np.asarray(mask), np.array(mask.getpalette()).reshape(-1, 3)
    agree = np.where(expected.labels < 0, 255, expected.labels) == indices
    assert agree.mean() > 0.999  # another process may round otherwise
    content = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    assert [entry["name"] for entry in content["classes"]] == list(expected.classes)
    assert [entry["index"] for entry in content["classes"] if entry["kept"]] == [*expected.kept]
    for entry in content["classes"]:
        assert "#{:02x}{:02x}{:02x}".format(*palette[entry["index"]]) == entry["color"]
        assert entry["area"] == pytest.approx((indices == entry["index"]).mean(), abs=1e-6)
    settings = content["settings"]
    assert (settings["kept_classes"], settings["threshold"]) == (3, 0.3)
    assert len(settings["weights_hash"]) == 64
    assert content["photo"] == {"width": 320, "height": 213}
    assert content["timings"]["encode"] > 0
    with Image.open(folder / "overlay.png") as overlay:
        assert overlay.width == 320
        assert overlay.height > 213


def test_nothing_written_says_where_the_photo_was_taken(segmented):
    _, folder = segmented
    for path in folder.iterdir():
        assert b"GPS" not in path.read_bytes()
        if path.suffix == ".png":
            with Image.open(path) as image:
                assert not image.getexif()
                assert not image.info


def test_segment_tells_in_short_what_it_found(segmented):
    done, folder = segmented
    lines = done.stdout.splitlines()
    assert lines[0].startswith("phone.jpg, 320 x 213: 3 of 4 classes kept by errseg-lite")
    assert "Left out as repeated: tree." in lines
    assert lines[-1] == f"Wrote overlay.png, mask.png, result.json to {folder}."
    shares = [float(line.split("%")[0]) for line in lines if "%" in line]
    assert sum(shares) == pytest.approx(100, abs=0.3)
    assert done.stderr == ""


def test_a_named_vocabulary_is_added_to_the_words(phone_photo, tmp_path, capsys):
    arguments = ["--classes", "pagoda, Cat", "--vocabulary", "voc20", "--input-size", "128"]
    assert main(["segment", str(phone_photo), "--out", str(tmp_path), *arguments]) == 0
    content = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    names = [entry["name"] for entry in content["classes"]]
    assert names[:3] == ["pagoda", "Cat", "aeroplane"]
    assert len(names) == 21  # voc20 without its cat
    assert "21 classes kept" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--classes", ""], "No class was given"),
        (["--classes", " , ;"], "No class was given"),
        ([], "No class was given"),
        (["--classes", ",".join(map(str, range(5000)))], "5,000 classes were given; at most 1,000"),
        (["--classes", "x" * 500], "500 characters"),
        (["--classes", "sky", "--vocabulary", "voc"], "no vocabulary 'voc'"),
        (["--classes", "sky", "--model", "errseg-huge"], "no model 'errseg-huge'"),
        (["--classes", "sky", "--model", "errseg-base"], "python -m errseg fetch errseg-base"),
        (["--classes", "sky", "--model", "gone.pth"], "no weights file gone.pth"),
        (["--classes", "sky", "--model", CHINA.with_suffix(".safetensors")], "no weights file"),
        (["--classes", "sky", "--kept-classes", "0"], "Kept classes (P) must be at least 1"),
        (["--classes", "sky", "--kept-classes", "many"], "invalid int value: 'many'"),
        (["--classes", "sky", "--votes-per-pixel", "0"], "Votes per pixel (K)"),
        (["--classes", "sky", "--beta", "2"], "beta must lie in [0, 1]"),
        (["--classes", "sky", "--threshold", "nan"], "threshold must lie between 0 and 1"),
        (["--classes", "sky", "--opacity", "3"], "opacity must lie between 0 and 1"),
        (["--classes", "sky", "--input-size", "5"], "input size must lie between 128 and 1024"),
        (["--classes", "sky", "--device", "abacus"], "no device 'abacus'"),
        (["--classes", "sky", "--colour", "red"], "Unrecognized arguments: --colour red"),
    ],
)
def test_options_that_cannot_be_used_get_a_sentence(tmp_path, capsys, arguments, sentence):
    out = tmp_path / "out"
    assert sentence in refused(capsys, "segment", CHINA, "--out", out, *arguments)
    assert not (out / "result.json").exists()


@pytest.mark.parametrize(
    ("name", "sentence"), [*REFUSED.items(), ("gone.jpg", "There is no photo 'gone.jpg'")]
)
def test_photos_that_cannot_be_used_get_a_sentence(odd_photos, tmp_path, capsys, name, sentence):
    photo, out = odd_photos.get(name, tmp_path / name), tmp_path / "out"
    assert sentence in refused(capsys, "segment", photo, "--classes", "sky", "--out", out)


@pytest.mark.parametrize("name", READABLE)
def test_unusual_photos_are_segmented(odd_photos, tmp_path, name):
    options = ["--classes", "sky, tree", "--out", tmp_path, "--input-size", "128"]
    assert main(list(map(str, ["segment", odd_photos[name], *options]))) == 0
    with Image.open(tmp_path / "mask.png") as mask:
        assert mask.size == (90, 60)


def test_a_folder_that_cannot_be_written_gets_a_sentence(tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    said = refused(capsys, "segment", CHINA, "--classes", "sky", "--out", tmp_path / "file")
    assert str(tmp_path / "file") in said
    assert (tmp_path / "file").read_text() == "mine"


def test_commands_that_are_none_get_a_sentence(capsys):
    assert "invalid choice: 'sgement'" in refused(capsys, "sgement")
    assert "COMMAND" in refused(capsys)


def test_a_reader_that_goes_away_gets_a_sentence():
    reader, writer = os.pipe()
    os.close(reader)
    done = run("models", capture_output=False, stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert done.returncode == 2
    assert done.stderr == "The output was closed before all of it was written.\n"


def test_models_are_listed(capsys):
    assert main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["errseg-lite", "errseg-base", "errseg-large"]


def test_help_and_mistakes_are_answered_without_slow_imports():
    code = (
        "import sys; from errseg.__main__ import main\n"
        "for arguments in (['--help'], ['segment', '--help'], ['segment', 'x.jpg'], ['nonsense'],\n"
        "                  ['segment', 'x.jpg', '--out', '/nowhere']):\n"
        "    try: main(arguments)\n"
        "    except SystemExit: pass\n"
        "print(sorted({'torch', 'timm', 'open_clip', 'gradio'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
    assert "segment photos with the words you give" in done.stdout


@pytest.fixture
def tiny_set(tmp_path) -> Path:
    """Two photos, one of them for validation, whose masks split them in halves."""
    folder = tmp_path / "data" / "halves"
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    mask = np.ones((60, 90), np.uint8)
    mask[:, 45:] = 2
    with Image.open(CHINA) as image:
        small = image.resize((90, 60))
    for stem in ("a", "b"):
        small.save(folder / "images" / f"{stem}.jpg")
        Image.fromarray(mask).save(folder / "masks" / f"{stem}.png")
    names = {"0": "background", "1": "temple", "2": "lake"}
    (folder / "classes.json").write_text(json.dumps(names))
    (folder / "validation.txt").write_text("b\n")
    return folder.parent


@pytest.mark.parametrize("options", [[], ["--no-without-crm", "--kept-classes", "1"]])
def test_evaluate_prints_a_table_and_writes_every_figure(tiny_set, capsys, tmp_path, options):
    file = tmp_path / "figures.json"
    fixed = ["--data", str(tiny_set), "--input-size", "128", "--threshold", "0.6"]
    assert main(["evaluate", *fixed, "--json", str(file), *options]) == 0
    table = capsys.readouterr().out.splitlines()
    assert "mIoU" in table[0]
    assert {line.count("|") for line in table} == {14, 0, 8}  # two tables
    assert table[2].startswith("| halves | 1 | 2 (2) |")
    (figures,) = json.loads(file.read_text(encoding="utf-8"))
    assert (figures["name"], figures["photos"], figures["threshold"]) == ("halves", 1, 0.6)
    assert f"| {figures['crm']['miou']:.1%} |" in table[2]
    assert table[2].endswith(f"| {figures['crm']['false_rejection']:.1%} |")
    assert figures["crm"]["held_out_iou"] is None
    assert figures["crm"]["seen_iou"] == figures["crm"]["miou"]
    assert (figures["all_classes"] is None) == bool(options)
    if not options:  # CRM keeps both of two classes
        assert figures["all_classes"]["miou"] == figures["crm"]["miou"]


def test_average_writes_the_weights_between_two_files(make_model, capsys, tmp_path):
    start, tuned, out = (tmp_path / f"{name}.safetensors" for name in ("start", "tuned", "out"))
    model = make_model(lite=True)
    errseg.save_model(model, start)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(-3)
    towers = dataclasses.replace(model.config.towers, trained_words=("cat",))
    model.config = dataclasses.replace(model.config, towers=towers)
    errseg.save_model(model, tuned)
    command = ["average", str(start), str(tuned), "--out", str(out)]
    assert main([*command, "--share", "0.5"]) == 0
    assert capsys.readouterr().out == f"Wrote {out}.\n"
    assert errseg.load_model(out).config.towers.trained_words == ("cat",)
    before, after = (errseg.load_model(file).state_dict() for file in (start, out))
    for name, tensor in after.items():
        factor = 1 if name in dict(model.named_buffers()) else -1
        torch.testing.assert_close(tensor, factor * before[name], rtol=0.05, atol=5e-3)


def test_average_refuses_what_can_t_be_averaged(make_model, capsys, tmp_path):
    small, other = tmp_path / "small.safetensors", tmp_path / "other.safetensors"
    errseg.save_model(make_model(lite=True), small)
    errseg.save_model(make_model(lite=True, layers=1), other)
    out = ("--out", tmp_path / "out.safetensors")
    assert "models built alike" in refused(capsys, "average", small, other, *out)
    assert "from 0 to 1, not 2" in refused(capsys, "average", small, small, *out, "--share", "2")
    assert "no weights file gone" in refused(
        capsys, "average", tmp_path / "gone.safetensors", small, *out
    )


def test_weights_that_no_one_could_load_are_not_made(make_model, capsys, tmp_path):
    small, out = tmp_path / "small.safetensors", tmp_path / "out.pth"
    errseg.save_model(make_model(lite=True), small)
    sentence = "Weights are written as .safetensors; out.pth ends otherwise."
    assert sentence in refused(capsys, "average", small, tmp_path / "gone", "--out", out)
    assert sentence in refused(capsys, "calibrate", "--data", tmp_path / "gone", "--out", out)
    with pytest.raises(errseg.InputError, match=re.escape(sentence)):
        errseg.save_model(make_model(lite=True), out)
    assert not out.exists()


def test_calibrate_writes_a_model_with_a_threshold(tiny_set, capsys, tmp_path):
    out = tmp_path / "calibrated.safetensors"
    options = ["--data", str(tiny_set), "--photos", "2", "--out", str(out)]
    assert main(["calibrate", *options]) == 0
    fitted = errseg.load_model(out).config.calibration
    assert fitted.scale > 0
    assert f"threshold {fitted.threshold}" in capsys.readouterr().out


def test_evaluate_refuses_sets_that_are_not_there(tiny_set, tmp_path, capsys):
    assert "no set named thirds" in refused(
        capsys, "evaluate", "--data", tiny_set, "--sets", "thirds"
    )
    assert "no data folder" in refused(capsys, "evaluate", "--data", tmp_path / "gone")
    for number in ("--limit", "--kept-classes"):
        assert "must be 1 or more" in refused(capsys, "evaluate", "--data", tiny_set, number, "0")


@pytest.mark.parametrize("command", ["evaluate", "calibrate", "pseudo-label"])
def test_commands_on_sets_run_on_the_device_that_is_named(tiny_set, tmp_path, capsys, command):
    out = [] if command == "evaluate" else ["--out", tmp_path / "out.safetensors"]
    names = ["--names-of", "halves", "--model", "errseg-lite"] if command == "pseudo-label" else []
    options = ["--data", tiny_set, *out, *names, "--device", "abacus"]
    assert "no device 'abacus'" in refused(capsys, command, *options)
