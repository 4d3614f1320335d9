"""Files and JSON of a result say the same as the result."""

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from errseg.inference.result import Result, Settings
from errseg.pictures.colors import class_color, class_colors
from errseg.pictures.export import (
    as_dict,
    crm_ranks,
    result_colors,
    run_lengths,
    shared_colors,
    write_result,
)
from errseg.pictures.masks import write_cutouts, write_masks


def make_result(classes, labels, kept, scores=None, crm_scores=None) -> Result:
    rng = np.random.default_rng(0)
    count = len(classes)
    return Result(
        classes=tuple(classes),
        labels=labels,
        scores=rng.random(labels.shape, np.float32) if scores is None else scores,
        kept=tuple(kept),
        crm_scores=rng.random(count, np.float32) if crm_scores is None else crm_scores,
        votes=rng.integers(0, 99, (count, 3)),
        ranking=rng.integers(0, count, (3, 4, 6)),
        class_scores=rng.random((len(kept), 10, 15), np.float32),
        notices=("Left out: 1 blank.",),
        settings=Settings(
            model="errseg-lite", weights_hash="ab" * 32, threshold=0.0, network_size=(320, 480)
        ),
        timings={"read": 0.0123456789, "decode": 1.5},
    )


@pytest.fixture
def photo():
    return np.random.default_rng(1).integers(0, 256, (40, 60, 3), np.uint8)


@pytest.fixture
def small():
    labels = np.zeros((40, 60), np.int64)
    labels[:10] = 2
    labels[10:14] = -1
    return make_result(["dog", "<b>", "ciel bleu é"], labels, kept=(0, 2))


@pytest.fixture
def large():
    """300 classes, of which two above 255 are present."""
    labels = np.full((40, 60), 299, np.int64)
    labels[:10] = 256
    labels[10:20] = 7
    labels[20:21] = -1
    return make_result([f"class {i}" for i in range(300)], labels, kept=range(5, 300, 7))


def test_files_agree_with_the_result_and_each_other(small, photo, tmp_path):
    folder = tmp_path / "new" / "folder"
    overlay, mask, result = write_result(small, photo, folder)
    assert [path.name for path in (overlay, mask, result)] == [
        "overlay.png",
        "mask.png",
        "result.json",
    ]
    assert {path.name for path in folder.iterdir()} == {overlay.name, mask.name, result.name}
    content = json.loads(result.read_text(encoding="utf-8"))
    with Image.open(mask) as image:
        assert image.mode == "P"
        indices, palette = np.asarray(image), np.array(image.getpalette()).reshape(-1, 3)
    assert content["mask"] == {"file": "mask.png", "none_index": 255, "class_of_index": None}
    np.testing.assert_array_equal(indices, np.where(small.labels < 0, 255, small.labels))
    for entry in content["classes"]:
        assert "#{:02x}{:02x}{:02x}".format(*palette[entry["index"]]) == entry["color"]
        assert entry["area"] == pytest.approx((indices == entry["index"]).mean(), abs=1e-6)
    with Image.open(overlay) as image:
        assert image.format == "PNG"
        assert image.width >= 60
        assert image.height > 40  # the legend


def test_json_says_what_was_found_and_how(small):
    content = as_dict(small, result_colors(small))
    assert json.loads(json.dumps(content, allow_nan=False)) == content
    assert content["format"] == "errseg-result-1"
    assert content["photo"] == {"width": 60, "height": 40}
    assert [entry["name"] for entry in content["classes"]] == ["dog", "<b>", "ciel bleu é"]
    assert [entry["kept"] for entry in content["classes"]] == [True, False, True]
    assert content["classes"][1]["area"] == 0
    assert content["classes"][1]["mean_score"] is None
    assert content["classes"][2]["mean_score"] == pytest.approx(small.scores[:10].mean(), abs=1e-5)
    assert content["none_area"] == pytest.approx(0.1)
    assert sum(entry["area"] for entry in content["classes"]) + content["none_area"] == (
        pytest.approx(1, abs=1e-5)
    )
    assert content["settings"]["weights_hash"] == "ab" * 32
    assert content["settings"]["network_size"] == [320, 480]
    assert content["timings"] == {"read": 0.012346, "decode": 1.5}
    assert content["notices"] == ["Left out: 1 blank."]


def test_the_mask_of_a_large_vocabulary_says_which_class_an_index_is(large, photo, tmp_path):
    _, mask, result = write_result(large, photo, tmp_path)
    content = json.loads(result.read_text(encoding="utf-8"))
    with Image.open(mask) as image:
        indices = np.asarray(image)
    assert content["mask"]["class_of_index"] == [7, 256, 299]
    lookup = np.full(256, -1)
    lookup[: len(content["mask"]["class_of_index"])] = content["mask"]["class_of_index"]
    np.testing.assert_array_equal(lookup[indices], large.labels)


def test_files_carry_nothing_but_pixels(small, photo, tmp_path):
    overlay, mask, _ = write_result(small, photo, tmp_path)
    for path in (overlay, mask):
        with Image.open(path) as image:
            assert not image.getexif()
            assert not image.info


def test_an_earlier_result_is_replaced(small, large, photo, tmp_path):
    write_result(large, photo, tmp_path)
    write_result(small, photo, tmp_path)
    content = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    assert len(content["classes"]) == 3


def test_the_json_says_what_lies_beside_it_and_how_it_is_read(small, photo, tmp_path):
    masks = write_masks(small, tmp_path)
    write_result(small, photo, tmp_path, others=masks)
    content = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    assert content["files"] == [
        "overlay.png",
        "mask.png",
        "masks/0_dog.png",
        masks[1].as_posix()[len(tmp_path.as_posix()) + 1 :],
    ]
    assert set(content["how_to_read"]) == {"overlay.png", "mask.png", "masks", "result.json"}
    described = as_dict(small, result_colors(small), masks=True)
    assert "column-major" in described["run_lengths"]
    assert "run_lengths" not in as_dict(small, result_colors(small))


def test_what_an_earlier_result_wrote_and_nothing_else_is_removed(small, large, photo, tmp_path):
    folder, outside = tmp_path / "result", tmp_path / "mask.png"
    others = [*write_masks(large, folder), *write_cutouts(large, photo, folder)]
    write_result(large, photo, folder, others=others)
    mine = folder / "masks" / "99_mine.png"
    for path in (mine, outside, folder / "notes.txt"):
        path.write_text("mine")
    described = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    odd = ["../mask.png", str(outside), "notes.txt", "masks/../../mask.png", "masks", 7, None]
    described["files"] += odd
    (folder / "result.json").write_text(json.dumps(described))
    again = write_masks(small, folder)
    write_result(small, photo, folder, others=again)
    assert {path for path in folder.rglob("*") if path.is_file()} == {
        *again,
        mine,
        *(folder / name for name in ("overlay.png", "mask.png", "result.json", "notes.txt")),
    }
    assert outside.read_text() == "mine"


@pytest.mark.parametrize("text", ["", "[]", "7", '{"files": 7}', '{"files": [[1]]}', "\xff"])
def test_a_json_of_something_else_is_replaced(small, photo, tmp_path, text):
    (tmp_path / "result.json").write_text(text, encoding="latin-1")
    write_result(small, photo, tmp_path)
    content = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    assert len(content["classes"]) == 3


def test_a_folder_that_cannot_be_made_is_an_os_error(small, photo, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        write_result(small, photo, tmp_path / "file" / "folder")


def test_ranks_break_ties_to_the_lower_index():
    labels = np.zeros((16, 16), np.int64)
    scores = np.array([1, 5, 0, 5, 1], np.float32)
    result = make_result("abcde", labels, kept=(1, 3), crm_scores=scores)
    assert crm_ranks(result).tolist() == [3, 1, 5, 2, 4]


def test_only_classes_with_pixels_decide_about_colours(small, large):
    """Neither P nor a word that wins no pixel changes what is seen."""
    kept = dataclasses.replace(small, kept=(0, 1, 2))
    assert result_colors(small) == result_colors(kept)
    colors = result_colors(large)
    assert len(set(colors)) == 300
    present = [7, 256, 299]
    names = [large.classes[index] for index in present]
    alone = make_result(names, np.searchsorted(present, large.labels), kept=(0, 1, 2))
    alone.labels[large.labels < 0] = -1
    assert result_colors(alone) == tuple(colors[index] for index in present)


def test_the_larger_class_takes_its_colour_first():
    labels = np.zeros((4, 4), np.int64)
    labels[0] = 1
    names = ["rudder", "stapler"]
    for own in (labels, 1 - labels):
        areas = [(own == 0).mean(), (own == 1).mean()]
        assert result_colors(make_result(names, own, (0, 1))) == class_colors(names, areas)


def test_pictures_beside_each_other_give_a_name_one_colour():
    vocabularies = [[f"part {i}" for i in range(20)], [f"Part {i}" for i in range(19, 4, -1)]]
    labels = [np.arange(20).reshape(4, 5), np.full((6, 6), 3)]
    labels[1][0] = -1
    first, second = shared_colors(vocabularies, labels)
    assert (len(first), len(second)) == (20, 15)
    assert second == first[:4:-1]
    assert len(set(first)) == 20


def test_a_large_picture_counts_no_more_than_a_small_one_beside_it():
    names = [f"part {i}" for i in range(200)]
    pair = [names[0], next(n for n in names[1:] if class_color(n) == class_color(names[0]))]
    small, large = np.zeros((4, 4), np.int64), np.zeros((100, 100), np.int64)
    small[0, 0] = 1  # 94 % of the first here, 40 % there
    large[:60] = 1
    colors = shared_colors([pair, pair], [small, large])
    assert colors[0] == colors[1]
    assert colors[0][0] == class_color(pair[0])


def test_run_lengths_are_coco_s(answer):
    for index in (-1, 0, 1):
        mask = answer.result.labels == index
        encoded = run_lengths(mask)
        column = np.repeat(np.arange(len(encoded["counts"])) % 2, encoded["counts"])
        assert np.array_equal(column.reshape(encoded["size"], order="F"), mask)
    assert run_lengths(np.ones((2, 2), bool))["counts"] == [0, 4]
    assert run_lengths(np.zeros((2, 2), bool))["counts"] == [4]


def test_the_settings_of_a_result_have_the_names_they_always_had(answer):
    settings = as_dict(answer.result, answer.colors)["settings"]
    assert settings == {
        "model": "errseg-lite",
        "weights_hash": "ab" * 32,
        "weights_origin": "",
        "kept_classes": 2,
        "votes_per_pixel": 2,
        "beta": 0.1,
        "threshold": 0.0,
        "network_size": [320, 480],
        "expand": True,
        "precision": "float32",
        "tiles": "auto",
        "closer_at": None,
        "tile_size": None,
    }
