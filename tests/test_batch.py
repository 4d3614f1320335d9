"""Several photos at once."""

import dataclasses
import re
import zipfile

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

from errseg.demo.backend import batch
from errseg.demo.backend.request import check_request
from errseg.errors import InputError
from errseg.pictures.sheet import GAP, TILE

# pycocotools 2.0.11 has not followed NumPy's newest.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


class OnePhoto:
    """A service that knows one good photo."""

    def __init__(self, answer):
        self.known = answer

    def check_all(self, requests, same_photo, what):
        pass

    def answer(self, request):
        if "good" in request.photo:
            return self.known
        if "odd" in request.photo:
            raise RuntimeError("a secret of the server")
        raise InputError("This is no photo.")


def test_a_batch_goes_on_after_a_bad_photo(answer, tmp_path):
    request = check_request("later", "cat, dog")
    photos = ["a/good.jpg", "bad.txt", "odd.png", "b/../good.jpg"]
    packed, outcomes = batch.run_batch(OnePhoto(answer), photos, request, tmp_path)
    assert [outcome for _, outcome in outcomes][1:3] == ["This is no photo.", batch.UNREADABLE]
    with zipfile.ZipFile(packed) as file:
        names = file.namelist()
    assert "01_good/mask.png" in names
    assert "04_good/result.json" in names
    assert "outcomes.txt" in names
    assert len(names) == 9
    assert batch.run_batch(OnePhoto(answer), ["bad.txt"], request, tmp_path / "b")[0] is None


def test_the_zip_has_all_photos_in_one_coco_file_and_on_one_sheet(answer, tmp_path):
    answer = dataclasses.replace(answer, photo=np.full_like(answer.photo, 90))
    request = check_request("later", ", ".join(answer.result.classes))
    photos = ["good.jpg", "bad.txt", "b/good 2.jpg", "../c/good.jpg"]
    packed, _ = batch.run_batch(OnePhoto(answer), photos, request, tmp_path)
    with zipfile.ZipFile(packed) as file:
        file.extract("coco.json", tmp_path)
        with Image.open(file.open("contact_sheet.jpg")) as sheet:
            assert not sheet.getexif()
            pixels = np.asarray(sheet)
    read = COCO(str(tmp_path / "coco.json"))
    images = read.loadImgs(read.getImgIds())
    assert [i["file_name"] for i in images] == ["good.jpg", "good 2.jpg", "04_good.jpg"]
    assert [c["name"] for c in read.loadCats(read.getCatIds())] == [*answer.result.classes]
    for image in images:
        annotations = read.loadAnns(read.getAnnIds(imgIds=image["id"]))
        assert {a["category_id"] - 1 for a in annotations} == {0, 1}
        for annotation in annotations:
            own = answer.result.labels == annotation["category_id"] - 1
            assert np.array_equal(read.annToMask(annotation), own)
    # Two photos in the first row and one in the second, each beside its masks.
    middles = [pixels[GAP + TILE[1] // 2 + row * (TILE[1] + GAP)] for row in (0, 1)]
    grey = [
        [
            bool(np.abs(m[GAP + TILE[0] // 2 + c * (TILE[0] + GAP)].astype(int) - 90).max() < 9)
            for c in range(4)
        ]
        for m in middles
    ]
    assert grey == [[True, False, True, False], [True, False, False, False]]


@pytest.mark.parametrize("photos", [[], ["x"] * (batch.MOST_PHOTOS + 1)])
def test_a_batch_has_bounds(photos, tmp_path):
    with pytest.raises(InputError):
        batch.run_batch(None, photos, check_request("later", "cat"), tmp_path)


def test_folder_names_are_safe():
    for name in ("../../etc/passwd", "..", "a\\b<c>.jpg", "x" * 300 + ".jpg"):
        assert re.fullmatch(r"01_[\w-]{1,60}", batch.folder_name(1, name))
