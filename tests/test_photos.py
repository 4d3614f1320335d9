"""A visitor's photo is read once for all that is asked of it, and no longer kept than it should."""

import os
import threading
import time

import numpy as np
import pytest
from PIL import Image

from errseg.demo.backend.photos import LONGEST_SIDE, PHOTO_CACHE, Photos
from errseg.demo.backend.reader import PhotoReader
from errseg.errors import InputError
from errseg.inference.photo_files import ReadPhoto, read_photo


class Counting:
    """Reads here, in this process, and says how often."""

    def __init__(self):
        self.files, self.may_go_on = [], threading.Event()
        self.may_go_on.set()

    def read(self, path, longest):
        self.files.append(str(path))
        assert self.may_go_on.wait(30)
        return read_photo(path, longest)


@pytest.fixture
def reader():
    return Counting()


@pytest.fixture
def photos(reader):
    return Photos(3600, reader)


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    Image.new("RGB", (40, 30), "red").save(path)
    return path


def test_large_photos_are_shrunk_and_it_is_said(photos, tmp_path):
    Image.new("RGB", (4500, 3000)).save(tmp_path / "large.jpg")
    small, size, notices = photos.read(tmp_path / "large.jpg")
    assert size == (4500, 3000)
    assert small.shape == (round(LONGEST_SIDE * 2 / 3), LONGEST_SIDE, 3)
    assert notices == (
        "The photo was shrunk from 4500 x 3000 to 2048 x 1365 pixels; masks in files have its own "
        "size.",
    )
    Image.new("RGB", (LONGEST_SIDE, 500)).save(tmp_path / "fits.png")
    same, _, notices = photos.read(tmp_path / "fits.png")
    assert same.shape == (500, LONGEST_SIDE, 3)
    assert notices == ()
    Image.new("RGB", (60_000, 16)).save(tmp_path / "line.png")
    assert photos.read(tmp_path / "line.png")[0].shape == (16, LONGEST_SIDE, 3)


def test_a_photo_is_read_once_and_is_read_only(photos, reader, photo):
    first, *_ = photos.read(photo)
    assert photos.read(str(photo))[0] is first
    assert reader.files == [str(photo)]
    with pytest.raises(ValueError, match="read-only"):
        first[:] = 0


def test_photos_are_told_apart_by_file_and_by_what_stands_in_it(photos, reader, photo):
    other = photo.with_name("other.png")
    Image.new("RGB", (40, 30), "blue").save(other)
    assert photos.read(photo)[0][0, 0].tolist() == [255, 0, 0]
    assert photos.read(other)[0][0, 0].tolist() == [0, 0, 255]
    Image.new("RGB", (40, 30), "white").save(other)
    os.utime(other, ns=(1, 1))  # a new file of the same name, whatever the clock's grain
    assert photos.read(other)[0][0, 0].tolist() == [255, 255, 255]
    other.unlink()
    with pytest.raises(InputError, match=r"There is no photo 'other.png'"):
        photos.read(other)
    assert reader.files == [str(photo), *[str(other)] * 3]


def asked_at_once(photos, reader, path, threads=8):
    """What so many threads get that ask for a photo while it is being read."""
    reader.may_go_on.clear()
    found = []

    def ask():
        try:
            found.append(photos.read(path))
        except InputError as error:
            found.append(str(error))

    asking = [threading.Thread(target=ask) for _ in range(threads)]
    for thread in asking:
        thread.start()
    time.sleep(0.2)  # all of them wait by now, or read the photo a second time
    reader.may_go_on.set()
    for thread in asking:
        thread.join(30)
    return found


def test_who_asks_at_the_same_time_gets_the_same_read(photos, reader, photo):
    found = asked_at_once(photos, reader, photo)
    assert reader.files == [str(photo)]
    assert len(found) == 8
    assert {id(pixels) for pixels, *_ in found} == {id(found[0][0])}


def test_a_failure_is_told_to_all_and_not_kept(photos, reader, photo):
    broken = photo.with_name("broken.png")
    broken.write_bytes(photo.read_bytes()[:60])
    found = asked_at_once(photos, reader, broken)
    assert len(found) == 8
    assert len(set(found)) == 1
    assert "'broken.png' is damaged" in found[0]
    assert len(reader.files) == 1
    with pytest.raises(InputError):
        photos.read(broken)
    assert len(reader.files) == 2


def test_what_is_kept_has_a_bound_and_an_end(photos, reader, photo):
    kept = photos._kept
    assert kept.maxsize == PHOTO_CACHE
    for number in range(20):
        kept[number] = ReadPhoto(np.zeros((LONGEST_SIDE, LONGEST_SIDE, 3), np.uint8), (1, 1))
    assert kept.currsize <= PHOTO_CACHE
    assert 19 in kept
    assert 0 not in kept
    short = Photos(0.05, reader)
    short.read(photo)
    time.sleep(0.1)
    short.read(photo)
    assert len(reader.files) == 2


def test_the_app_s_photos_are_read_in_another_process(photo, monkeypatch):
    def refuse(*arguments, **settings):
        raise AssertionError("decoded in the app")

    photos = Photos(3600)
    photos.start()
    monkeypatch.setattr(Image, "open", refuse)
    assert (photos.read(photo)[0] == (255, 0, 0)).all()
    assert isinstance(photos._reader, PhotoReader)
    photos._reader.close()
