"""A picture a class: what is white is the class, and what is cut out is the photo."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from errseg.pictures.masks import file_name, write_cutouts, write_masks

AWKWARD = (
    "dog/../../etc/passwd",
    "..",
    ".",
    "CON",
    "nul.txt",
    "\U0001f415",
    "w" * 100,
    "w" * 99 + "v",
    "Dog",
    "dog",
    'a<b>:"|?*\\c',
    "天空 ท้องฟ้า",
    "e\u0301 / \u00e9",
    "ends with a dot.",
    " -rf",
    "line\nbreak",
)
RESERVED = {"con", "prn", "aux", "nul", *(f"{d}{i}" for d in ("com", "lpt") for i in range(10))}


@pytest.fixture
def result(answer):
    """Every class has a pixel, the first has most, and some have none."""
    labels = np.zeros((20, 40), np.int64)
    labels[3, : len(AWKWARD)] = np.arange(len(AWKWARD))
    labels[10:15] = -1
    labels[17:19, 30:] = 1
    return dataclasses.replace(answer.result, classes=(*AWKWARD, "absent"), labels=labels)


def test_file_names_are_safe_and_no_two_are_equal():
    names = [file_name(index, name) for index, name in enumerate(AWKWARD)]
    assert len({name.casefold() for name in names}) == len(AWKWARD)
    for name in names:
        assert not set(name) & set('/\\:*?"<>|\n\r\t\0 ')
        assert name.split(".")[0].casefold() not in RESERVED
        assert name[0].isdigit()  # no option, no hidden file
        assert name.count(".") == 1
        assert len(name.encode()) <= 200
    assert file_name(3, "dog") == "3_dog.png"
    assert file_name(11, AWKWARD[11]) == "11_天空_ท้องฟ้า.png"  # marks above letters stay
    assert file_name(5, AWKWARD[5]) == "5.png"
    assert len(file_name(0, "𠮷" * 100).encode()) <= 200


def test_a_mask_is_white_where_its_class_is(result, tmp_path):
    paths = write_masks(result, tmp_path / "new")
    assert [path.name for path in paths] == [file_name(i, name) for i, name in enumerate(AWKWARD)]
    assert sorted((tmp_path / "new" / "masks").iterdir()) == sorted(paths)
    for index, path in enumerate(paths):
        with Image.open(path) as picture:
            assert picture.mode == "L"
            assert not picture.info
            expected = np.where(result.labels == index, 255, 0)
            assert np.array_equal(np.asarray(picture), expected)


def test_a_cut_out_is_the_photo_where_the_class_is_and_nothing_elsewhere(answer, result, tmp_path):
    paths = write_cutouts(result, answer.photo, tmp_path)
    with Image.open(paths[1]) as picture:
        assert picture.mode == "RGBA"
        assert not picture.info
        assert not picture.getexif()
        pixels = np.asarray(picture)
    assert pixels.shape == (16, 39, 4)  # from row 3 and column 1 to row 18 and column 39
    own = (result.labels == 1)[3:19, 1:]
    assert np.array_equal(pixels[..., 3], own * 255)
    assert np.array_equal(pixels[own][:, :3], answer.photo[3:19, 1:][own])
    assert not pixels[~own].any()  # what is not seen is not in the file either


def test_no_class_no_picture(answer, tmp_path):
    nothing = dataclasses.replace(answer.result, labels=np.full((20, 40), -1))
    assert write_masks(nothing, tmp_path) == []
    assert write_cutouts(nothing, answer.photo, tmp_path) == []
