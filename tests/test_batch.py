"""Several photos at once."""

import re
import zipfile

import pytest

from errseg.demo.backend import batch
from errseg.demo.backend.request import check_request
from errseg.errors import InputError


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
    assert len(names) == 7
    assert batch.run_batch(OnePhoto(answer), ["bad.txt"], request, tmp_path / "b")[0] is None


@pytest.mark.parametrize("photos", [[], ["x"] * (batch.MOST_PHOTOS + 1)])
def test_a_batch_has_bounds(photos, tmp_path):
    with pytest.raises(InputError):
        batch.run_batch(None, photos, check_request("later", "cat"), tmp_path)


def test_folder_names_are_safe():
    for name in ("../../etc/passwd", "..", "a\\b<c>.jpg", "x" * 300 + ".jpg"):
        assert re.fullmatch(r"01_[\w-]{1,60}", batch.folder_name(1, name))
