"""Photos, masks and lists as people have them: read rightly, or refused in one sentence."""

import json
import os
import struct
import zlib

import numpy as np
import pytest
from odd_photos import chunk
from PIL import Image

from errseg.datasets.folders import load_set
from errseg.datasets.sets import IGNORE, at_even_distances, open_mask, samples, with_photos
from errseg.errors import InputError
from errseg.inference.photo import load_image
from errseg.training.crops import _open_photo

ORIENTATION = 274
QUARTERS = np.array([[1, 2], [3, 4]])  # mask values of a photo's quarters, upright
COLOURS = {1: (220, 30, 30), 2: (30, 200, 30), 3: (30, 30, 220), 4: (230, 230, 230)}
NAMES = {"1": "red", "2": "green", "3": "blue", "4": "white"}
STORED = {
    # EXIF 2.3, tag 274: how the upright rows and columns are stored.
    1: lambda image: image,
    2: lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    3: lambda image: image.transpose(Image.Transpose.ROTATE_180),
    4: lambda image: image.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
    5: lambda image: image.transpose(Image.Transpose.TRANSPOSE),
    6: lambda image: image.transpose(Image.Transpose.ROTATE_90),
    7: lambda image: image.transpose(Image.Transpose.TRANSVERSE),
    8: lambda image: image.transpose(Image.Transpose.ROTATE_270),
}


def quarters(size):
    """A mask (H, W) of four quarters, and its photo."""
    width, height = size
    values = np.kron(QUARTERS, np.ones((height // 2, width // 2), int)).astype(np.uint8)
    photo = np.zeros((height, width, 3), np.uint8)
    for value, colour in COLOURS.items():
        photo[values == value] = colour
    return values, Image.fromarray(photo)


@pytest.fixture
def folder(tmp_path):
    """A set of one photo of 96 x 64, whose files each test changes."""
    for part in ("images", "masks"):
        (tmp_path / "mine" / part).mkdir(parents=True)
    values, photo = quarters((96, 64))
    photo.save(tmp_path / "mine/images/p0.jpg", quality=95, subsampling=0)
    Image.fromarray(values).save(tmp_path / "mine/masks/p0.png")
    (tmp_path / "mine/classes.json").write_text(json.dumps(NAMES))
    (tmp_path / "mine/validation.txt").write_text("p0\n")
    return tmp_path / "mine"


def lies_on_its_label(image, label):
    image = np.asarray(image)
    for value, colour in COLOURS.items():
        if (label == value - 1).any():
            seen = np.median(image[label == value - 1], axis=0)
            assert np.abs(seen - colour).max() < 40, value


def only_sample(folder, part="validation"):
    sample_set = load_set(folder)
    ((photo, label),) = samples(sample_set, getattr(sample_set, part))
    return photo, label


@pytest.mark.parametrize("orientation", STORED)
def test_a_turned_photo_is_read_upright_as_the_predictor_reads_it(folder, orientation):
    _, photo = quarters((96, 64))
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    path = folder / "images" / "p0.jpg"
    STORED[orientation](photo).save(path, exif=exif, quality=95, subsampling=0)
    photo, label = only_sample(folder)
    assert np.array_equal(photo, load_image(path))
    lies_on_its_label(photo, label)


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("size", [(96, 64), (1600, 800)])
def test_a_crop_of_a_turned_photo_lies_on_its_label(folder, orientation, size):
    """A large JPEG is decoded small, as it is stored, and turned after that."""
    values, photo = quarters(size)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    path = folder / "images" / "p0.jpg"
    STORED[orientation](photo).save(path, exif=exif, quality=95, subsampling=0)
    mask, side = Image.fromarray(values), size[1] // 2
    for x, y in ((0, 0), (size[0] // 2, 0), (size[0] // 4, size[1] // 4)):
        box = (x, y, x + side, y + side)
        crop = _open_photo(path, size, box, 32)
        assert crop.size == (32, 32)
        label = np.asarray(mask.resize((32, 32), Image.Resampling.NEAREST, box=box)).astype(int) - 1
        lies_on_its_label(crop, label)


def test_a_mask_of_the_photo_as_it_is_stored_is_refused(folder):
    _, photo = quarters((96, 64))
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    photo.save(folder / "images" / "p0.jpg", exif=exif)
    sentence = "is 64 x 96 pixels upright, but its mask is 96 x 64"
    with pytest.raises(InputError, match=sentence):
        only_sample(folder)
    with pytest.raises(InputError, match=sentence):
        _open_photo(folder / "images" / "p0.jpg", (96, 64), (0, 0, 64, 64), 32)


@pytest.mark.parametrize("name", ["p0.JPG", "p0.jpeg", "p0.Jpeg", "p0.png", "p0.PNG", "p0.webp"])
def test_endings_of_photos_may_be_any(folder, name):
    (folder / "images/p0.jpg").unlink()
    _, photo = quarters((96, 64))
    photo.save(folder / "images" / name)
    (folder / "masks/p0.png").rename(folder / "masks/p0.PNG")
    (folder / "images/._p0.jpg").write_bytes(b"what a Mac leaves")
    (folder / "images/notes.txt").write_text("no photo")
    lies_on_its_label(*only_sample(folder))


def test_a_see_through_photo_lies_on_white_as_for_the_predictor(folder):
    (folder / "images/p0.jpg").unlink()
    _, photo = quarters((96, 64))
    photo.putalpha(Image.linear_gradient("L").resize(photo.size))
    photo.save(folder / "images/p0.png")
    assert np.array_equal(only_sample(folder)[0], load_image(folder / "images/p0.png"))


def test_two_photos_with_one_stem_are_refused(folder):
    quarters((96, 64))[1].save(folder / "images/p0.png")
    with pytest.raises(InputError, match=r"two photos named p0: p0\.jpg and p0\.png; rename one"):
        load_set(folder)


LISTS = {
    "a mark": "\ufeffp0\n".encode(),
    "utf-16": "p0\r\n".encode("utf-16"),
    "big-endian": b"\xfe\xff" + "p0\n".encode("utf-16-be"),
    "windows": b"p0\r\n\r\n",
    "old mac": b"p0\r",
    "no end": b"  p0",
    "ending": b"p0.jpg\n",
    "other ending": b"p0.png\n",
    "path": b"images/p0.jpg\n",
    "windows path": b"mine\\images\\p0.jpg\r\n",
    "two columns": b"/images/p0.jpg /masks/p0.png\n",
    "a class behind it": b"p0  -1\n",
    "twice": b"p0\np0.jpg\n",
}


@pytest.mark.parametrize("written", LISTS.values(), ids=LISTS)
def test_lists_are_understood_however_they_are_written(folder, written):
    (folder / "validation.txt").write_bytes(written)
    read = load_set(folder)
    assert (read.validation, read.training) == (("p0",), ())


def test_a_name_with_a_dot_or_a_space_is_its_own(folder):
    values, photo = quarters((96, 64))
    for stem in ("my photo", "p0.v2"):
        photo.save(folder / "images" / f"{stem}.jpg")
        Image.fromarray(values).save(folder / "masks" / f"{stem}.png")
    (folder / "validation.txt").write_text("my photo\np0.v2\n")
    read = load_set(folder)
    assert (read.validation, read.training) == (("my photo", "p0.v2"), ("p0",))


def test_lists_that_are_no_text_or_name_others_are_refused(folder):
    (folder / "validation.txt").write_bytes(b"\xff\x00\xd8 p0")
    with pytest.raises(InputError, match=r"validation\.txt is no text in UTF-8 or UTF-16"):
        load_set(folder)
    (folder / "validation.txt").write_text("p0\np7.jpg\n")
    with pytest.raises(InputError, match=r"lists p7\.jpg, of which there is no photo"):
        load_set(folder)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_classes_are_read_in_other_encodings(folder, encoding):
    (folder / "classes.json").write_text(json.dumps(NAMES), encoding=encoding)
    assert load_set(folder).class_names == tuple(NAMES.values())


@pytest.mark.parametrize("part", ["training", "validation"])
def test_an_empty_part_is_refused_where_it_is_needed(folder, part):
    (folder / "validation.txt").write_text("p0\n" if part == "training" else "")
    sets = [load_set(folder)]
    with pytest.raises(InputError, match=rf"chosen sets \(mine\) has photos for {part}"):
        with_photos(sets, part)
    other = {"training": "validation", "validation": "training"}[part]
    assert with_photos(sets, other) == sets


def save_mask(folder, values, mode=None):
    image = Image.fromarray(np.asarray(values))
    (image.convert(mode) if mode else image).save(folder / "masks/p0.png")


def mask_of(value, dtype=np.uint8):
    return np.full((64, 96), value, dtype)


@pytest.mark.parametrize("value", [0, 5, 254])
def test_a_value_without_a_name_is_refused_with_its_file(folder, value):
    values = quarters((96, 64))[0]
    values[:2, :5] = value
    save_mask(folder, values)
    path = folder / "masks" / "p0.png"
    with pytest.raises(InputError) as refusal:
        open_mask(load_set(folder), "p0")
    assert f"{path} holds the value {value}, for which mine has no name" in str(refusal.value)
    assert "(10 pixels)" in str(refusal.value)


@pytest.mark.parametrize("classes", [{"1": "cat"}, {"0": "background", "1": "cat"}])
def test_black_and_white_masks_are_explained(folder, classes):
    (folder / "classes.json").write_text(json.dumps(classes))
    values = mask_of(0)
    values[:9] = 255
    save_mask(folder, values)
    sentence = "looks like a black-and-white mask; masks hold class indices, here 1 for cat"
    with pytest.raises(InputError, match=sentence):
        open_mask(load_set(folder), "p0")


def test_black_and_white_is_right_where_black_is_a_class(folder):
    (folder / "classes.json").write_text('{"0": "sky"}')
    values = mask_of(0)
    values[:9] = 255
    save_mask(folder, values)
    label = only_sample(folder)[1]
    assert (label[:9] == IGNORE).all()
    assert (label[9:] == 0).all()


@pytest.mark.parametrize("value", [0, 255])
def test_a_mask_of_background_alone_or_of_nothing_is_none_of_black_and_white(folder, value):
    (folder / "classes.json").write_text('{"0": "background", "1": "cat"}')
    save_mask(folder, mask_of(value))
    assert (only_sample(folder)[1] == IGNORE).all()


def test_masks_of_16_bits_hold_more_than_256_classes(folder):
    names = {str(i): f"thing {i}" for i in (3, 300, 65_534)}
    (folder / "classes.json").write_text(json.dumps(names))
    values = mask_of(300, np.uint16)
    values[:8], values[8:16], values[16:24] = 3, 65_534, 255
    save_mask(folder, values)
    sample_set = load_set(folder)
    assert open_mask(sample_set, "p0").mode == "I"
    label = only_sample(folder)[1]
    assert [np.unique(label[i * 8]).tolist() for i in range(4)] == [[0], [2], [-1], [1]]
    table = sample_set.table([10, 20, 30])
    assert {v: table[v] for v in (3, 300, 65_534, 255, 0)} == {
        **{3: 10, 300: 20, 65_534: 30},
        **{255: IGNORE, 0: IGNORE},
    }
    values[0, 0] = 400
    save_mask(folder, values)
    with pytest.raises(InputError, match="holds the value 400"):
        open_mask(sample_set, "p0")
    save_mask(folder, mask_of(3, np.uint16))
    assert open_mask(sample_set, "p0").mode == "L"  # they fit


def test_a_value_beyond_every_name_is_refused(folder):
    values = quarters((96, 64))[0].astype(np.uint16)
    values[0, 0] = 60_000
    save_mask(folder, values)
    with pytest.raises(InputError, match="holds the value 60000"):
        open_mask(load_set(folder), "p0")
    (folder / "masks/p0.png").unlink()
    for value in (2_000_000_000, -1):  # a TIFF holds 32 bits
        Image.fromarray(mask_of(value, np.int32)).save(folder / "masks/p0.tif")
        with pytest.raises(InputError, match=f"holds the value {value}; .* lie in 0 to 65,535"):
            open_mask(load_set(folder), "p0")


def test_palettes_and_few_bits_hold_the_values_that_they_store(folder):
    values = quarters((96, 64))[0]
    picture = Image.fromarray(values)
    picture.putpalette([9, 9, 9] * 256)
    picture.save(folder / "masks/p0.png")
    assert np.array_equal(np.asarray(open_mask(load_set(folder), "p0")), values)
    picture.save(folder / "masks/p0.png", bits=4)
    assert np.array_equal(np.asarray(open_mask(load_set(folder), "p0")), values)
    (folder / "classes.json").write_text('{"0": "sky", "1": "tree"}')
    Image.fromarray(values > 2).save(folder / "masks/p0.png")  # of one bit
    assert np.array_equal(np.asarray(open_mask(load_set(folder), "p0")), values > 2)


@pytest.mark.parametrize("bits", [2, 4])
def test_greys_of_few_bits_hold_the_values_that_they_store(folder, bits):
    """Pillow writes no such file: the bytes are packed here, as the PNG specification has them."""
    values = quarters((96, 64))[0]
    values[values == 4] = 3
    each = 8 // bits
    shifts = bits * np.arange(each)[::-1]
    rows = (values.reshape(64, -1, each) << shifts).sum(axis=-1).astype(np.uint8)
    packed = b"".join(b"\0" + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", 96, 64, bits, 0, 0, 0, 0)
    (folder / "masks/p0.png").write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(packed))
        + chunk(b"IEND", b"")
    )
    assert np.array_equal(np.asarray(open_mask(load_set(folder), "p0")), values)


def test_a_mask_that_is_no_image_is_named(folder):
    (folder / "masks/p0.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"p0\.png can't be read as an image"):
        open_mask(load_set(folder), "p0")


def test_names_that_are_one_word_to_a_model_are_refused(folder):
    (folder / "classes.json").write_text('{"1": "cat", "2": "cat | kitten"}')
    with pytest.raises(InputError, match="can't be told apart by their names"):
        load_set(folder).vocabulary()
    (folder / "classes.json").write_text('{"1": "cat | kitten", "2": "dog"}')
    vocabulary = load_set(folder).vocabulary(published_spelling=True)
    assert vocabulary.names == ("cat", "dog")


def test_a_set_in_the_current_folder_has_its_name(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert load_set(folder.relative_to(os.getcwd())).name == "mine"


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ('{"255": "cat"}', "255 means ignored"),
        ('{"65535": "cat"}', "lie in 0 to 65534"),
        ('{"-1": "cat"}', "lie in 0 to 65534"),
        ('{"1": " "}', "must give a name to each of its indices"),
        ('{"0": "background"}', "names no class"),
        ("{}", "names no class"),
    ],
)
def test_indices_that_no_mask_can_hold_are_refused(folder, written, sentence):
    (folder / "classes.json").write_text(written)
    with pytest.raises(InputError, match=sentence):
        load_set(folder)


@pytest.mark.parametrize(
    ("photos", "chosen"), [(1, "a"), (2, "ad"), (3, "ace"), (7, "abcdefg"), (9, "abcdefg")]
)
def test_photos_are_chosen_at_even_distances(photos, chosen):
    assert at_even_distances("abcdefg", photos) == list(chosen)
