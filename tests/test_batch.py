"""Several photos at once."""

import dataclasses
import errno
import json
import re
import zipfile

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

from errseg.__main__ import main
from errseg.demo.backend import batch
from errseg.demo.backend.answers import Answer
from errseg.demo.backend.models import Models
from errseg.demo.backend.request import check_request
from errseg.demo.backend.service import Service
from errseg.demo.backend.view import LONGEST_SHOWN
from errseg.errors import InputError
from errseg.pictures.export import legend
from errseg.pictures.files import FORMATS
from errseg.pictures.sheet import GAP, TILE

# pycocotools 2.0.11 has not followed NumPy's newest.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


class OnePhoto:
    """A service that knows one good photo."""

    def __init__(self, answer):
        self.known = answer
        self.models = self

    def settle_all(self, requests, same_photo, what, beside):
        pass

    def named(self, request):
        return request

    def answer(self, request):
        if "good" in request.photo:
            return self.known
        if "odd" in request.photo:
            raise RuntimeError("a secret of the server")
        if "shut" in request.photo:
            raise OSError(errno.EROFS, "Read-only file system")
        raise InputError("This is no photo.")


def run(photos, answer, request, folder, wanted=()):
    """What became of all photos, the last that a batch tells."""
    folder.mkdir(exist_ok=True)
    return [*batch.run_batch(OnePhoto(answer), photos, request, folder, wanted)]


def test_a_batch_goes_on_after_a_bad_photo(answer, tmp_path):
    request = check_request("later", "cat, dog")
    photos = ["a/good.jpg", "bad.txt", "odd.png", "b/../good.jpg"]
    *steps, last = run(photos, answer, request, tmp_path)
    said = [outcome.sentence for outcome in last.outcomes]
    assert said[1:3] == ["This is no photo.", batch.UNREADABLE]
    assert [step.outcomes for step in steps] == [last.outcomes[:count] for count in (1, 2, 3, 4)]
    assert [step.packed for step in steps] == [None] * 4
    with zipfile.ZipFile(last.packed) as file:
        names = file.namelist()
    assert "01_good/mask.png" in names
    assert "04_good/result.json" in names
    assert "outcomes.txt" in names
    assert len(names) == 9
    [only] = run(["bad.txt"], answer, request, tmp_path / "b")
    assert only.packed is None
    assert only.outcomes[0].picture is None


def test_each_photo_s_masks_can_be_shown_small_and_large(answer, tmp_path):
    photo = np.tile(answer.photo, (100, 50, 1))
    labels = np.kron(answer.result.labels, np.ones((100, 50), int))
    result = dataclasses.replace(answer.result, labels=labels, scores=np.ones(labels.shape))
    answer = Answer(photo, result, answer.colors, legend(result, answer.colors), answer.request)
    [outcome] = run(["good.jpg"], answer, check_request("later", "cat"), tmp_path)[-1].outcomes
    assert outcome.sentence.split(", ")[0] == answer.legend[0].name
    assert list(outcome.legend) == answer.legend
    for path, longest in ((outcome.thumbnail, min(TILE)), (outcome.picture, LONGEST_SHOWN)):
        with Image.open(path) as picture:
            assert not picture.getexif()
            assert picture.size == (longest, longest)


def test_files_of_each_photo_lie_in_its_folder(answer, tmp_path, monkeypatch):
    drawn = []

    def draw(self, request, price, work):
        drawn.append(price)
        work()

    monkeypatch.setattr(OnePhoto, "draw", draw, raising=False)
    request = check_request("later", "cat, dog", model="errseg-lite")
    last = run(["good.jpg", "b/good.jpg"], answer, request, tmp_path, ["masks", "cutouts"])[-1]
    with zipfile.ZipFile(last.packed) as file:
        names = file.namelist()
        described = json.loads(file.read("01_good/result.json"))
    for folder in ("01_good", "02_good"):
        for kind in ("masks", "cutouts"):
            assert len([name for name in names if name.startswith(f"{folder}/{kind}/")]) == 2
    assert {"masks", "cutouts"} <= {*described["how_to_read"]}
    assert [price.seconds > 0 for price in drawn] == [True, True]
    with pytest.raises(InputError, match="do without the figure"):
        run(["good.jpg"], answer, request_with_all_kept(), tmp_path / "c", ["pdf"])


@pytest.mark.slow
def test_a_batch_has_figures_and_pages_as_the_command_has(lite_weights, photo_file, tmp_path):
    service = Service(Models(lite_weights, "cpu"))
    request = check_request("later", "cat, dog, sky", input_size=128, threshold=0)
    (tmp_path / "out").mkdir()
    wanted = [name for name in FORMATS if name != "coco"]
    *_, last = batch.run_batch(service, [str(photo_file)], request, tmp_path / "out", wanted)
    with zipfile.ZipFile(last.packed) as file:
        names = file.namelist()
        assert file.read("01_photo/figure.pdf").startswith(b"%PDF")
        with Image.open(file.open("01_photo/figure.png")) as figure:
            assert min(figure.size) > 2000
        assert b"photo.png" in file.read("01_photo/result.html")
        described = json.loads(file.read("01_photo/result.json"))
        assert json.loads(file.read("coco.json"))["info"]["run_lengths"]
    for name in (*described["files"], "result.json"):
        assert f"01_photo/{name}" in names
    command = tmp_path / "command"
    words = ["--classes", "cat, dog, sky", "--input-size", "128", "--threshold", "0"]
    words += ["--model", str(lite_weights), "--save", ",".join(wanted), "--out", str(command)]
    assert main(["segment", str(photo_file), *words]) == 0
    written = {p.relative_to(command).as_posix() for p in command.rglob("*") if p.is_file()}
    assert {f"01_photo/{name}" for name in written} <= {*names}
    assert "figure.pdf" in written


def request_with_all_kept():
    return check_request("later", ", ".join(map(str, range(200))), kept_classes=200)


def test_a_disk_that_can_not_be_used_ends_the_batch(answer, tmp_path):
    request = check_request("later", "cat, dog")
    with pytest.raises(OSError, match="Read-only"):
        run(["good.jpg", "shut.jpg"], answer, request, tmp_path)


def test_the_zip_has_all_photos_in_one_coco_file_and_on_one_sheet(answer, tmp_path):
    answer = dataclasses.replace(answer, photo=np.full_like(answer.photo, 90))
    request = check_request("later", ", ".join(answer.result.classes))
    photos = ["good.jpg", "bad.txt", "b/good 2.jpg", "../c/good.jpg"]
    packed = run(photos, answer, request, tmp_path)[-1].packed
    with zipfile.ZipFile(packed) as file:
        file.extract("coco.json", tmp_path)
        with Image.open(file.open("contact_sheet.jpg")) as sheet:
            assert not sheet.getexif()
            pixels = np.asarray(sheet)
    read = COCO(str(tmp_path / "coco.json"))
    images = read.loadImgs(read.getImgIds())
    assert [i["file_name"] for i in images] == ["good.jpg", "good 2.jpg", "04_good.jpg"]
    assert [c["name"] for c in read.loadCats(read.getCatIds())] == [*request.vocabulary.names]
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
        run(photos, None, check_request("later", "cat"), tmp_path)


def test_folder_names_are_safe():
    for name in ("../../etc/passwd", "..", "a\\b<c>.jpg", "x" * 300 + ".jpg"):
        assert re.fullmatch(r"01_[\w-]{1,60}", batch.folder_name(1, name))
