"""Masks in files have the size of the photo, whatever the size of what was looked at."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from errseg.pictures.coco import coco_photo, write_coco
from errseg.pictures.export import as_dict, run_lengths, write_result
from errseg.pictures.overlay import enlarged

# pycocotools 2.0.11 has not followed NumPy's newest.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
OWN = (64, 128)
"""Of a photo looked at as 20 x 40 pixels; no pixel has its centre between two of those."""


@pytest.fixture
def large(answer):
    labels = np.random.default_rng(0).integers(-1, 3, (4, 8)).repeat(5, 0).repeat(5, 1)
    result = dataclasses.replace(answer.result, labels=labels, own_size=OWN)
    return dataclasses.replace(answer, result=result)


def expected(labels) -> np.ndarray:
    """Pillow's own way to the nearest pixel."""
    picture = Image.fromarray(labels.astype(np.int32))
    return np.asarray(picture.resize(OWN[::-1], Image.Resampling.NEAREST))


@pytest.mark.parametrize("size", [(20, 40), OWN, (300, 57), (7, 13)])
def test_the_nearest_pixel_is_pillow_s(size):
    values = np.random.default_rng(1).integers(0, 255, (20, 40), dtype=np.uint8)
    resized = Image.fromarray(values).resize(size[::-1], Image.Resampling.NEAREST)
    assert np.array_equal(enlarged(values, size), np.asarray(resized))


sides = st.integers(1, 12)


@settings(deadline=None, max_examples=60)
@given(st.data(), sides, sides, st.integers(0, 40), st.integers(0, 40))
def test_stretched_runs_are_those_of_the_enlarged_mask(data, height, width, down, across):
    bits = data.draw(st.lists(st.booleans(), min_size=height * width, max_size=height * width))
    mask, size = np.array(bits).reshape(height, width), (height + down, width + across)
    runs = run_lengths(mask, size)
    assert runs == run_lengths(enlarged(mask, size))
    encoded = coco_mask.frPyObjects(runs, *size)
    assert np.array_equal(coco_mask.decode(encoded), enlarged(mask, size))


def test_every_mask_in_a_file_has_the_photo_s_own_size(large, tmp_path):
    labels = expected(large.result.labels)
    write_result(large.result, large.photo, tmp_path)
    for picture in (large.mask, Image.open(tmp_path / "mask.png")):
        assert np.array_equal(np.where(labels < 0, 255, labels), np.asarray(picture))
    described = as_dict(large.result, large.colors, masks=True)
    told = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    assert told["photo"] == described["photo"] == {"width": OWN[1], "height": OWN[0]}
    write_coco(tmp_path / "coco.json", large.result.classes, [coco_photo(large.result, "a.jpg")])
    read = COCO(str(tmp_path / "coco.json"))
    assert {(i["height"], i["width"]) for i in read.loadImgs(read.getImgIds())} == {OWN}
    annotations = read.loadAnns(read.getAnnIds())
    assert len(annotations) == 3
    for annotation in annotations:
        index = annotation["category_id"] - 1
        assert np.array_equal(read.annToMask(annotation), labels == index)
        assert annotation["area"] == (labels == index).sum()
        rows, columns = np.nonzero(labels == index)
        left, top, width, height = annotation["bbox"]
        assert (left, top) == (columns.min(), rows.min())
        assert (width, height) == (np.ptp(columns) + 1, np.ptp(rows) + 1)
        entry = described["classes"][index]["rle"]
        decoded = coco_mask.decode(coco_mask.frPyObjects(entry, *OWN))
        assert np.array_equal(decoded, labels == index)


def test_a_pixel_is_found_in_the_photo_s_own_size(large):
    assert large.own_pixel((0, 0)) == (1, 1)
    assert large.own_pixel((39, 19)) == (126, 62)
