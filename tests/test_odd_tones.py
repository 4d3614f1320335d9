"""Values that aren't bytes are read as bright as they were meant, and it is said; or refused."""

import io
import struct

import numpy as np
import pytest
from hostile_photos import chunk, with_chunks
from PIL import Image, TiffImagePlugin

from errseg.config import EXAMPLES
from errseg.errors import InputError
from errseg.inference.photo import load_photo


@pytest.fixture(scope="module")
def grey():
    """An everyday picture's greys, 0 to 255."""
    with Image.open(EXAMPLES.with_name("cat.jpg")) as photo:
        values = np.asarray(photo.convert("L").resize((120, 90))).astype(np.float64)
    return (values - values.min()) / np.ptp(values) * 255


def as_file(values, format="PNG", **settings) -> bytes:
    file = io.BytesIO()
    Image.fromarray(values).save(file, format, **settings)
    return file.getvalue()


def tags(**named) -> TiffImagePlugin.ImageFileDirectory_v2:
    directory = TiffImagePlugin.ImageFileDirectory_v2()
    for tag, value in named.items():
        directory[int(tag.removeprefix("tag"))] = value
    return directory


def away(photo, grey) -> float:
    """The greatest difference in grey levels."""
    assert photo.pixels.shape == (*grey.shape, 3)
    return np.abs(photo.pixels[..., 0] - grey).max()


@pytest.mark.parametrize("bits", [9, 10, 11, 12, 13, 14])
@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_greys_of_fewer_bits_in_16_keep_their_brightness(grey, bits, format):
    photo = load_photo(as_file((grey / 255 * (2**bits - 1)).astype(np.uint16), format))
    assert away(photo, grey) <= 1
    (notice,) = photo.notices
    assert f"read as {bits} bits, with {2**bits - 1:,} as white" in notice


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_what_fills_its_bits_is_read_without_a_word(grey, dtype):
    full = np.iinfo(dtype).max
    photo = load_photo(as_file((grey / 255 * full).astype(dtype)))
    assert away(photo, grey) <= 1
    assert photo.notices == ()


def test_what_the_file_says_counts_more_than_its_range(grey):
    """A dark picture of 12 bits stays dark where its file says that it has 12."""
    dark = (grey / 255 * 900).astype(np.uint16)
    expected = dark / 4095 * 255
    png = with_chunks(as_file(dark), chunk(b"sBIT", bytes([12])))
    tiff = as_file(dark, "TIFF", tiffinfo=tags(tag281=(4095,)))
    for content in (png, tiff):
        photo = load_photo(content)
        assert away(photo, expected) <= 1
        assert "up to 4,095, its white" in photo.notices[0]
    assert "10 bits" in load_photo(as_file(dark)).notices[0]
    # By the specification of PNG they may fill all 16 bits too, and these do.
    whole = with_chunks(as_file((grey * 257).astype(np.uint16)), chunk(b"sBIT", bytes([12])))
    assert away(load_photo(whole), grey) <= 1


def test_greys_of_12_bits_in_12(grey):
    values = (grey / 255 * 4095).astype(np.uint16)
    pairs = values.reshape(-1, 2).astype(int)
    packed = np.stack(
        [pairs[:, 0] >> 4, (pairs[:, 0] & 15) << 4 | pairs[:, 1] >> 8, pairs[:, 1] & 255], axis=1
    )
    height, width = values.shape
    rows = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 12), (259, 3, 1, 1)]
    rows += [(262, 3, 1, 1), (273, 4, 1, 200), (277, 3, 1, 1), (278, 4, 1, height)]
    rows += [(279, 4, 1, len(packed) * 3)]
    head = b"II*\0\x08\0\0\0" + struct.pack("<H", len(rows))
    head += b"".join(struct.pack("<HHLL", *row) for row in rows) + bytes(4)
    photo = load_photo(head.ljust(200, b"\0") + packed.astype(np.uint8).tobytes())
    assert away(photo, grey) <= 1
    assert "4,095" in photo.notices[0]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (lambda g: (g / 255).astype(np.float32), "0 (black) to 1 (white)"),
        (lambda g: g.astype(np.float32), "0 (black) to 255 (white)"),
        (lambda g: (g * 300).astype(np.float32), "from 0 to 76,500"),
        (lambda g: (g / 255 * 2 - 1).astype(np.float32), "from -1 to 1 were spread"),
        (lambda g: (20 + g / 30).astype(np.float32), "from 20 to 28.5 were spread"),
        (lambda g: (g / 255 * 1e-6).astype(np.float32), "from 0 to 1e-06"),
        (lambda g: (g * 65_537).astype(np.int32), "from 0 to 16,711,935"),
        (lambda g: (g / 255 * 4000).astype(np.int32) - 1000, "from -1,000 to 3,000"),
        (lambda g: (g / 255 * 1023).astype(np.int32), "10 bits"),
    ],
)
def test_fractions_and_numbers_of_32_bits(grey, values, said):
    photo = load_photo(as_file(values(grey), "TIFF"))
    assert away(photo, grey) <= 1
    assert said in photo.notices[0]


def test_32_bits_without_a_sign(grey):
    """Pillow reads them as if they had one: what is bright is below zero then."""
    values = (grey / 255 * (2**32 - 1)).astype(np.uint32)
    content = as_file(values.view(np.int32), "TIFF")
    signed = struct.pack("<HHL", 339, 3, 1) + b"\2\0\0\0"
    assert content.count(signed) == 1
    unsigned = content.replace(signed, signed[:-4] + b"\1\0\0\0")
    assert away(load_photo(unsigned), grey) <= 1


def test_white_may_be_zero(grey):
    values = (grey / 255 * 1023).astype(np.uint16)
    content = as_file(values, "TIFF")
    plain = struct.pack("<HHL", 262, 3, 1) + b"\1\0\0\0"
    assert content.count(plain) == 1
    photo = load_photo(content.replace(plain, plain[:-4] + bytes(4)))
    assert away(photo, 255 - grey) <= 1


def test_pixels_that_are_no_numbers_are_black_and_counted(grey):
    values = (grey / 255).astype(np.float32)
    values[:2, :3], values[5, 5] = np.nan, np.inf
    photo = load_photo(as_file(values, "TIFF"))
    assert not photo.pixels[:2, :3].any()
    assert (photo.pixels[5, 5] == 255).all()
    assert "7 pixels of the photo have no finite value." in photo.notices
    assert away(photo, np.where(np.isfinite(values), grey, photo.pixels[..., 0])) <= 1


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (np.full((32, 32), np.nan, np.float32), "No value of this photo is a number"),
        (np.full((32, 32), -np.inf, np.float32), "No value of this photo is a number"),
        (np.full((32, 32), 3.7, np.float32), "Every pixel of this photo has the value 3.7"),
        (np.full((32, 32), -5, np.int32), "Every pixel of this photo has the value -5"),
    ],
)
def test_what_has_no_meaning_is_refused(values, sentence):
    for given in (as_file(values, "TIFF"), Image.fromarray(values), values):
        with pytest.raises(InputError, match=sentence):
            load_photo(given)


def deep_png(values) -> bytes:
    """A PNG of 16 bits a colour (H, W, 3), which Pillow can't write."""
    import zlib

    height, width = values.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    head = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        [chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND")]
    )


def test_colours_of_16_bits(grey):
    colors = np.stack([grey * 257] * 3, axis=2).astype(np.uint16)
    assert away(load_photo(deep_png(colors)), grey) <= 1
    for bits in (8, 10, 12, 14):
        with pytest.raises(InputError, match="few of their 16 bits"):
            load_photo(deep_png(colors >> (16 - bits)))
