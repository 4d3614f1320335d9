"""A photo may come in many forms from Python; what is none gets one sentence."""

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image

from errseg.config import EXAMPLES
from errseg.errors import InputError
from errseg.inference.photo import load_image, load_photo
from errseg.inference.predictor import Predictor

CAT = EXAMPLES.with_name("cat.jpg")


@pytest.fixture(scope="module")
def expected():
    return load_image(CAT)


def test_bytes_open_files_and_data_addresses_are_read_as_the_file(expected):
    content = CAT.read_bytes()
    encoded = base64.b64encode(content).decode()
    forms = [str(CAT), content, bytearray(content), memoryview(content), io.BytesIO(content)]
    forms += [f"data:image/jpeg;base64,{encoded}", f"DATA:;BASE64,{encoded[:99]}\n{encoded[99:]}"]
    forms += [load_photo(CAT)]
    for form in forms:
        assert np.array_equal(load_image(form), expected)
    with CAT.open("rb") as file:
        assert np.array_equal(load_image(file), expected)


def test_a_data_address_may_be_percent_encoded(tmp_path):
    Image.new("RGB", (16, 16), "red").save(tmp_path / "a.bmp")
    content = "".join(f"%{byte:02x}" for byte in (tmp_path / "a.bmp").read_bytes())
    assert (load_image(f"data:image/bmp,{content}") == (255, 0, 0)).all()


@pytest.mark.parametrize(
    "turn",
    [
        lambda rgb: rgb.astype(np.float64) / 255,
        lambda rgb: rgb.astype(np.float32),
        lambda rgb: rgb.astype(np.uint16) * 257,
        lambda rgb: rgb.astype(np.int64),
        lambda rgb: np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)]),
        lambda rgb: np.dstack([rgb / 255, np.ones(rgb.shape[:2])]),
        lambda rgb: np.asfortranarray(rgb),
        lambda rgb: torch.from_numpy(rgb),
        lambda rgb: Image.fromarray(rgb).convert("RGBA"),
    ],
)
def test_arrays_of_any_type(expected, turn):
    rgb = np.array(expected)
    assert np.abs(load_image(turn(rgb)).astype(int) - rgb).max() <= 1


def test_grey_arrays_masks_and_opacity():
    grey = np.arange(32 * 32).reshape(32, 32) % 256
    for array in (grey.astype(np.uint8), grey.astype(np.uint8)[..., None], grey.astype(float)):
        assert (load_image(array) == grey[..., None]).all()
    yes = grey > 100
    assert (load_image(yes) == yes[..., None] * 255).all()
    half = np.dstack([np.zeros_like(grey), np.where(yes, 255, 0)]).astype(np.uint8)
    assert (load_image(half) == ~yes[..., None] * 255).all()


class Broken:
    """An open file whose disk is gone."""

    def read(self):
        raise OSError("the disk is gone")


def truncated() -> Image.Image:
    return Image.open(io.BytesIO(CAT.read_bytes()[:5000]))


def closed() -> Image.Image:
    image = Image.open(CAT)
    image.close()
    return image


REFUSED = [
    (None, "not None"),
    (5, "not a int"),
    ({"path": "a.jpg"}, "not a dict"),
    ([CAT], "not a list"),
    (b"", "can be read, it is empty"),
    (b"milk, bread", "not a photo that can be read"),
    (CAT.read_bytes()[:5000], "This is damaged"),
    (io.StringIO("milk"), "opened as text"),
    (io.BytesIO(b""), "nothing left to read"),
    (Broken(), "the disk is gone"),
    (truncated, "PIL image is damaged"),
    (closed, "PIL image is damaged"),
    (Image.new("RGB", (0, 0)), "0 x 0 pixels"),
    ("https://example.com/cat.jpg", "That is an address"),
    ("http://example.com/cat.jpg", "That is an address"),
    ("s3://bucket/cat.jpg", "That is an address"),
    ("file:///photos/cat.jpg", "That is an address"),
    ("data:image/png;base64", "data: address is damaged"),
    ("data:image/png;base64,!!!", "data: address is damaged"),
    ("data:image/png;base64,bWlsaw==", "not a photo that can be read"),
    (str(CAT.parent), "'examples' is a folder; give a photo's file"),
    ("no\0name", "There is no photo"),
    ("x" * 5000, "There is no photo 'xxx"),
    ("", "is a folder|There is no photo"),
    (np.zeros((3, 64, 64), np.uint8), "channels come last"),
    (np.zeros((2, 64, 64, 3), np.uint8), "one photo of this array at a time"),
    (np.zeros((64, 64, 7), np.uint8), "has the shape"),
    (np.zeros(64, np.uint8), "has the shape"),
    (np.array(None), "holds numbers, not object"),
    (np.array([["a", "b"]]), "holds numbers"),
    (np.zeros((32, 32, 3), complex), "holds numbers"),
    (np.zeros((9, 9, 3), np.uint8), "9 x 9 pixels"),
    (torch.zeros(64, 64, 3, requires_grad=True), "can't be read"),
]


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_what_is_no_photo_gets_one_sentence(number):
    given, sentence = REFUSED[number]
    with pytest.raises(InputError, match=sentence) as refused:
        load_image(given() if callable(given) else given)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 250


def test_an_address_s_slashes_may_be_lost_on_the_way():
    from pathlib import Path

    with pytest.raises(InputError, match="That is an address"):
        load_image(Path("https://example.com/cat.jpg"))


SETTINGS = [
    ({"kept_classes": "many"}, r"Classes kept \(P\) must be a number, not 'many'"),
    ({"kept_classes": None}, r"Classes kept \(P\) must be a number, not None"),
    ({"kept_classes": 2.5}, r"Classes kept \(P\) must be a whole number, not 2.5"),
    ({"votes_per_pixel": [3]}, r"Votes per pixel \(K\) must be a number"),
    ({"votes_per_pixel": float("nan")}, r"Votes per pixel \(K\) must be a whole number"),
    ({"beta": "steep"}, "Beta must be a number"),
    ({"threshold": "high"}, "The threshold must be a number"),
    ({"input_size": "large"}, "The input size must be a number"),
    ({"expand": "no"}, "expand is True or False, not 'no'"),
    ({"precision": 16}, "There is no precision '16'"),
    ({"options": "fast"}, "Options come one by one"),
]


@pytest.mark.parametrize(("settings", "sentence"), SETTINGS)
def test_settings_of_another_type_get_one_sentence(lite_model, photo_file, settings, sentence):
    with pytest.raises(InputError, match=sentence):
        Predictor(lite_model)(photo_file, "cat, dog", **settings)


def test_numbers_may_come_as_text(lite_model, photo_file):
    predictor = Predictor(lite_model)
    asked = {"kept_classes": 1, "votes_per_pixel": 2, "threshold": 0.25, "input_size": 128}
    text = {name: str(value) for name, value in asked.items()}
    assert predictor(photo_file, "cat, dog", **text).settings == (
        predictor(photo_file, "cat, dog", **asked, expand=np.bool(True)).settings
    )


@pytest.mark.parametrize("pixel", ["12", (1.5, 2), (1, 2, 3), None, 5, ("a", "b")])
def test_a_pixel_is_two_whole_numbers(lite_model, photo_file, pixel):
    with pytest.raises(InputError):
        Predictor(lite_model).attention(photo_file, "cat, dog", pixel, input_size=128)


def test_what_was_decided_on_reading_is_in_the_result(lite_model):
    grey = np.arange(64 * 64).reshape(64, 64) % 1024
    result = Predictor(lite_model)(grey, "cat, cat, dog", input_size=128)
    assert "10 bits" in result.notices[0]
    assert "Left out as repeated: cat." in result.notices
