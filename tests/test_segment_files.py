"""``segment --save``: the files that travel, and nothing of the photo's own file in any of them."""

import dataclasses
import json
import re

import numpy as np
import pypdfium2
import pytest
from command_line import refused
from odd_photos import PHONE
from PIL import Image
from pycocotools.coco import COCO

from errseg.__main__ import main
from errseg.pictures.files import FORMATS
from errseg.pictures.masks import file_name, write_index

# pycocotools 2.0.11 has not followed NumPy's newest.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
LONG = "sky " + "w" * 96
CLASSES = ("temple/pagoda", "tree..", LONG, "CON", "\U0001f415", "lake: a | water")
NAMES = (*CLASSES[:5], "lake: a")
BASE64 = re.compile(rb"[\w+/=]{40,}")  # the page's pictures and packed numbers
ALL = ",".join(FORMATS)


def segment(photo, folder, *options) -> int:
    words = ("--classes", ", ".join(CLASSES), "--input-size", 256, "--threshold", 0, "--beta", 0.5)
    return main([*map(str, ("segment", photo, *words, "--out", folder, *options))])


@pytest.fixture(scope="module")
def folder(odd_photos, tmp_path_factory):
    """All that can be written of a phone's photo."""
    folder = tmp_path_factory.mktemp("saved")
    assert segment(odd_photos[PHONE], folder, "--save", ALL, "--kept-classes", 6) == 0
    return folder


@pytest.fixture(scope="module")
def labels(folder):
    with Image.open(folder / "mask.png") as mask:
        return np.asarray(mask).astype(int)


def test_every_format_is_written_and_listed(folder):
    described = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {*described["files"], "result.json"} == files
    assert {name.split("/")[0] for name in files} == {
        *("overlay.png", "mask.png", "result.json", "coco.json", "result.html", "index.png"),
        *("figure.png", "figure.pdf", "masks", "cutouts"),
    }
    assert {*described["how_to_read"]} == {name.split("/")[0] for name in files}


def test_coco_file_masks_and_cut_outs_say_what_the_palette_mask_says(folder, labels):
    read = COCO(str(folder / "coco.json"))
    assert read.loadImgs(1)[0]["file_name"] == PHONE
    present = {*np.unique(labels).tolist()} - {255}
    annotations = read.loadAnns(read.getAnnIds())
    assert {a["category_id"] - 1 for a in annotations} == present
    assert len(present) > 2
    for annotation in annotations:
        index = annotation["category_id"] - 1
        own = labels == index
        assert np.array_equal(read.annToMask(annotation), own)
        name = file_name(index, NAMES[index])
        with Image.open(folder / "masks" / name) as mask:
            assert np.array_equal(np.asarray(mask), own * 255)
        left, top, width, height = map(int, annotation["bbox"])
        with Image.open(folder / "cutouts" / name) as cut:
            assert cut.size == (width, height)
            window = own[top : top + height, left : left + width]
            assert np.array_equal(np.asarray(cut)[..., 3], window * 255)
    for kind in ("masks", "cutouts"):
        assert len([*(folder / kind).iterdir()]) == len(present)


def test_the_index_picture_says_what_the_palette_mask_says(folder, labels):
    described = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    assert described["index"] == {"file": "index.png", "bits": 8, "none_value": 255}
    with Image.open(folder / "index.png") as index:
        assert index.mode == "L"
        assert np.array_equal(np.asarray(index), labels)


def test_an_index_picture_of_many_classes_has_16_bits(answer, tmp_path):
    names = tuple(f"class {number}" for number in range(256))
    labels = np.arange(-1, 799).reshape(20, 40).clip(-1, 255)
    result = dataclasses.replace(answer.result, classes=names, labels=labels)
    with Image.open(write_index(result, tmp_path)) as index:
        assert index.mode == "I;16"
        assert np.array_equal(np.asarray(index), np.where(labels < 0, 65_535, labels))
    fewer = dataclasses.replace(result, classes=names[:255], labels=labels.clip(-1, 254))
    with Image.open(write_index(fewer, tmp_path)) as index:
        assert index.mode == "L"
        assert np.asarray(index)[0, 0] == 255


def test_nothing_says_where_or_when_the_photo_was_taken_or_lies(folder, odd_photos):
    for path in (path for path in folder.rglob("*") if path.is_file()):
        content = BASE64.sub(b"", path.read_bytes())  # letters may stand in it by chance
        for told in (b"GPS", b"Exif", b"exif", str(odd_photos[PHONE].parent).encode()):
            assert told not in content, (path.name, told)
        assert str(folder).encode() not in content, path.name
        if path.suffix == ".png":
            with Image.open(path) as picture:
                assert not picture.getexif()
                assert not picture.info.keys() - {"dpi"}
    document = pypdfium2.PdfDocument(folder / "figure.pdf")
    assert not any(document.get_metadata_dict().values())
    document.close()


def test_the_page_and_the_json_tell_the_same_numbers(folder):
    described = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    page = (folder / "result.html").read_text(encoding="utf-8")
    assert described["settings"]["weights_hash"] in page
    assert "--beta 0.5 --threshold 0 --input-size 256" in page
    for entry in described["classes"]:
        assert f"&quot;score&quot;:{round(entry['crm_score'], 2)}" in page


def test_an_earlier_result_of_more_files_is_replaced(odd_photos, tmp_path, capsys):
    assert segment(odd_photos[PHONE], tmp_path, "--save", "coco,masks,html") == 0
    said = capsys.readouterr().out
    last = "overlay.png, mask.png, result.json, coco.json, masks, result.html"
    assert said.endswith(f"Wrote {last} to {tmp_path}.\n")
    assert segment(odd_photos[PHONE], tmp_path) == 0
    left = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {"overlay.png", "mask.png", "result.json"}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            ["--save", "coco,gif,svg"],
            "--save can't write gif, svg; it can write coco, masks, cutouts, index, html, figure, "
            "pdf.",
        ),
        (["--save", "COCO"], "--save can't write COCO"),
        (
            ["--save", "html", "--vocabulary", "ade150", "--kept-classes", "101"],
            "Attention is shown for up to 100 kept classes, not for 101; lower P",
        ),
    ],
)
def test_what_cannot_be_saved_gets_a_sentence_before_any_work(
    odd_photos, tmp_path, capsys, monkeypatch, options, sentence
):
    monkeypatch.setattr("errseg.checkpoints.weights.load_model", None)
    out = tmp_path / "out"
    words = ["--classes", "sky", "--out", out]
    assert sentence in refused(capsys, "segment", odd_photos[PHONE], *words, *options)
    assert not out.exists()


def test_a_file_of_weights_is_told_by_its_name(odd_photos, lite_weights, tmp_path):
    folder = tmp_path / "out"
    words = ["--classes", "cat, sky", "--input-size", "128", "--save", "html,figure"]
    command = ["segment", odd_photos[PHONE], "--model", lite_weights, "--out", folder, *words]
    assert main([*map(str, command)]) == 0
    page = (folder / "result.html").read_text(encoding="utf-8")
    assert f"--model {lite_weights.name}" in page
    assert str(lite_weights.parent) not in page
