"""COCO files, as COCO's own reader reads them."""

import dataclasses
import json

import numpy as np
import pytest
from pycocotools import mask as coco_masks
from pycocotools.coco import COCO

from errseg.pictures.coco import box_of, coco_photo, compressed, write_coco
from errseg.pictures.export import run_lengths

# pycocotools 2.0.11 has not followed NumPy's newest.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
NAMES = ("dog", "sofa | couch", "天空 / \U0001f415", "absent")


def labelled(answer, labels):
    """A result with other labels, of four classes."""
    scores = np.random.default_rng(3).random(labels.shape, np.float32)
    return dataclasses.replace(answer.result, classes=NAMES, labels=labels, scores=scores)


@pytest.fixture
def results(answer):
    """Two photos; the second has no class at its first and last pixel."""
    first = np.random.default_rng(0).integers(-1, 3, (23, 31))
    second = np.full((64, 48), 2)
    second[0, 0], second[-1, -1], second[5:9, 7:30] = -1, -1, 0
    return [labelled(answer, first), labelled(answer, second)]


def test_coco_s_own_reader_finds_every_mask(results, tmp_path, capsys):
    file = tmp_path / "coco.json"
    photos = [coco_photo(r, f"somewhere/{n}.jpg") for n, r in enumerate(results)]
    write_coco(file, NAMES, photos)
    read = COCO(str(file))
    assert [c["name"] for c in read.loadCats(read.getCatIds())] == list(NAMES)
    assert len(read.getAnnIds()) == len(set(read.getAnnIds())) == 3 + 2
    for number, result in enumerate(results, start=1):
        (image,) = read.loadImgs(number)
        assert image["file_name"] == f"{number - 1}.jpg"  # nobody's folders
        assert (image["height"], image["width"]) == result.labels.shape
        seen = set()
        for annotation in read.loadAnns(read.getAnnIds(imgIds=number)):
            index = annotation["category_id"] - 1
            own = result.labels == index
            assert np.array_equal(read.annToMask(annotation), own)
            assert annotation["area"] == coco_masks.area(read.annToRLE(annotation)) == own.sum()
            box = coco_masks.toBbox(read.annToRLE(annotation)).tolist()
            assert annotation["bbox"] == box
            assert annotation["iscrowd"] == 0
            assert annotation["score"] == pytest.approx(result.scores[own].mean(), abs=1e-5)
            seen.add(index)
        assert seen == {*np.unique(result.labels).tolist()} - {-1}


@pytest.mark.parametrize("share", [0, 0.001, 0.5, 0.999, 1])
def test_run_lengths_are_compressed_as_coco_does(share):
    mask = np.random.default_rng(1).random((301, 199)) < share
    ours = compressed(run_lengths(mask)["counts"])
    theirs = coco_masks.encode(np.asfortranarray(mask.astype(np.uint8)))
    assert ours.encode() == theirs["counts"]


def test_run_lengths_of_any_size_come_back():
    """Numbers of one letter and of many, and differences below zero."""
    counts = [0, 15, 16, 1, 31, 32, 1_000_000, 1, 3, 2, 999_999]
    size = [sum(counts), 1]
    read = coco_masks.decode({"size": size, "counts": compressed(counts).encode()})
    assert np.array_equal(read[:, 0], np.repeat(np.arange(len(counts)) % 2, counts))


def test_a_photo_without_any_class_is_an_image_without_annotations(answer, tmp_path):
    nothing = labelled(answer, np.full((8, 8), -1))
    write_coco(tmp_path / "coco.json", NAMES, [coco_photo(nothing, "a.jpg")])
    content = json.loads((tmp_path / "coco.json").read_text())
    assert (len(content["images"]), content["annotations"]) == (1, [])


def test_a_box_holds_just_the_mask():
    mask = np.zeros((9, 12), bool)
    mask[2:5, 3], mask[4, 3:11] = True, True
    assert box_of(mask) == [3, 2, 8, 3]
    mask[:] = True
    assert box_of(mask) == [0, 0, 12, 9]
