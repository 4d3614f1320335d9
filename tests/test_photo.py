"""Photos as people have them are read upright and in colour; anything else is refused politely.

The network sees them in the size and the way that its training did.
"""

import dataclasses
import io
import random
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image, features
from torch.nn import functional as F

from errseg.config import model_config
from errseg.errors import InputError
from errseg.inference.photo import load_image, network_size, resize_photo
from errseg.inference.photo_files import LARGEST_PHOTO

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
ORIENTATION = 274


def quarters(size=(48, 32)) -> Image.Image:
    """A photo whose corners tell how it is turned: red, green / blue, white."""
    width, height = size
    image = Image.new("RGB", size, WHITE)
    image.paste(RED, (0, 0, width // 2, height // 2))
    image.paste(GREEN, (width // 2, 0, width, height // 2))
    image.paste(BLUE, (0, height // 2, width // 2, height))
    return image


def corners(array: np.ndarray) -> list[str]:
    """Names of the colours at the four corners, row by row."""
    names = {RED: "red", GREEN: "green", BLUE: "blue", WHITE: "white"}
    found = []
    for y, x in ((2, 2), (2, -3), (-3, 2), (-3, -3)):
        pixel = array[y, x].astype(int)
        found.append(names[min(names, key=lambda color: np.abs(pixel - color).sum())])
    return found


# The orientation tag says how the stored rows and columns lie (EXIF 2.3, table of tag 274).
@pytest.mark.parametrize(
    ("orientation", "expected"),
    [
        (1, ["red", "green", "blue", "white"]),
        (2, ["green", "red", "white", "blue"]),
        (3, ["white", "blue", "green", "red"]),
        (4, ["blue", "white", "red", "green"]),
        (5, ["red", "blue", "green", "white"]),
        (6, ["blue", "red", "white", "green"]),
        (7, ["white", "green", "blue", "red"]),
        (8, ["green", "white", "red", "blue"]),
    ],
)
def test_exif_orientation_is_honoured(tmp_path, orientation, expected):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    path = tmp_path / "phone.jpg"
    quarters().save(path, exif=exif, quality=95, subsampling=0)
    photo = load_image(path)
    assert photo.shape == ((32, 48, 3) if orientation < 5 else (48, 32, 3))
    assert corners(photo) == expected


@pytest.mark.parametrize(
    ("name", "mode", "options"),
    [
        ("a.jpg", "RGB", {}),
        ("cmyk.jpg", "CMYK", {"quality": 95, "subsampling": 0}),
        ("a.png", "RGBA", {}),
        ("palette.png", "P", {}),
        ("a.gif", "P", {}),
        ("a.webp", "RGB", {"lossless": True}),
        ("a.bmp", "RGB", {}),
        ("a.tiff", "RGB", {"compression": "tiff_lzw"}),
        ("phone.mpo", "RGB", {"save_all": True}),
    ],
)
def test_any_mode_and_format_becomes_rgb(tmp_path, name, mode, options):
    path = tmp_path / name
    quarters().convert(mode).save(path, **options)
    photo = load_image(path)
    assert photo.shape == (32, 48, 3)
    assert photo.dtype == np.uint8
    assert corners(photo) == ["red", "green", "blue", "white"]


@pytest.mark.parametrize("format", ["PNG", "WEBP", "GIF", "TIFF", "BMP"])
def test_the_name_may_lie_about_the_format(tmp_path, format):
    path = tmp_path / "photo.jpg"
    quarters().save(path, format)
    assert corners(load_image(path)) == ["red", "green", "blue", "white"]


def test_transparency_is_laid_on_white(tmp_path):
    image = Image.new("RGBA", (20, 20), (255, 0, 0, 255))
    image.paste((0, 0, 0, 0), (10, 0, 20, 20))
    image.save(tmp_path / "cut_out.png")
    photo = load_image(tmp_path / "cut_out.png")
    assert photo[5, 2].tolist() == [255, 0, 0]
    assert photo[5, 15].tolist() == [255, 255, 255]


def test_16_bit_grey_keeps_its_tones(tmp_path):
    ramp = np.linspace(0, 65535, 64).round().astype(np.uint16)
    Image.fromarray(np.tile(ramp, (32, 1))).save(tmp_path / "microscope.png")
    photo = load_image(tmp_path / "microscope.png")
    expected = np.round(ramp / 65535 * 255)
    assert np.abs(photo[0, :, 0] - expected).max() <= 1
    assert (photo[..., 0] == photo[..., 2]).all()


def test_a_black_16_bit_photo_is_black(tmp_path):
    Image.fromarray(np.zeros((32, 32), np.uint16)).save(tmp_path / "night.png")
    assert not load_image(tmp_path / "night.png").any()


def test_images_and_arrays_are_read_like_files(tmp_path):
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    quarters().save(tmp_path / "a.png", exif=exif)
    from_file = load_image(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as opened:
        assert np.array_equal(load_image(opened), from_file)
    assert np.array_equal(load_image(from_file), from_file)
    assert np.array_equal(load_image(str(tmp_path / "a.png")), from_file)


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims to be this large."""

    def chunk(kind, data):
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(999))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data


def png(size) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("notes.jpg", b"milk, bread", "'notes.jpg' is not a photo"),
        ("empty.png", b"", "'empty.png' is not a photo"),
        ("drawing.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is a drawing"),
        ("document.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n", "not a photo"),
        ("dot.png", png((1, 1)), "1 x 1 pixels; each side needs at least 16"),
        ("line.png", png((400, 2)), "400 x 2 pixels"),
        ("bomb.png", bomb(9000, 9000), "too large; shrink it to 40 megapixels"),
        ("bigger_bomb.png", bomb(60000, 60000), "too large; shrink it to 40 megapixels"),
        ("torn.png", png((300, 300))[:200], "'torn.png' is damaged"),
    ],
)
def test_what_is_no_photo_is_refused_in_a_sentence(tmp_path, recwarn, name, content, sentence):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError) as refused:
        load_image(path)
    assert sentence in str(refused.value)
    assert str(tmp_path) not in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not list(recwarn)


def test_missing_files_and_folders_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"There is no photo 'gone.jpg'"):
        load_image(tmp_path / "gone.jpg")
    with pytest.raises(InputError, match="is a folder; give a photo's file"):
        load_image(tmp_path)


def test_arrays_of_another_kind_are_refused():
    for array in (np.zeros((32, 32, 5), "u1"), np.zeros(32), np.zeros((9, 9, 3), "u1")):
        with pytest.raises(InputError):
            load_image(array)
    assert LARGEST_PHOTO < 9000 * 9000  # what the bombs above rely on


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "MPO", "AVIF"])
def test_damaged_files_are_read_or_refused(tmp_path, format):
    if format == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow reads no AVIF")
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    file = io.BytesIO()
    quarters().save(file, format, exif=exif)
    whole, rng, path = file.getvalue(), random.Random(0), tmp_path / "damaged"
    for trial in range(60):
        content = bytearray(whole)
        if trial % 3:
            for _ in range(1 + trial % 7):
                content[rng.randrange(len(content))] = rng.randrange(256)
        else:
            content = content[: rng.randrange(len(content))]
        path.write_bytes(content)
        try:
            photo = load_image(path)
        except InputError:
            continue
        assert photo.dtype == np.uint8
        assert photo.ndim == 3


def test_the_network_size_follows_the_photo_where_the_model_does():
    lite, base = model_config("errseg-lite"), model_config("errseg-base")
    assert network_size((512, 512), lite) == (608, 608)
    assert network_size((3000, 4000), base) == (640, 640)
    for height, width in ((427, 640), (640, 427), (3000, 4000), (1000, 1600)):
        size = network_size((height, width), lite)
        assert size[0] % 32 == size[1] % 32 == 0
        assert abs(size[0] * size[1] / 608**2 - 1) < 0.15
        assert abs(size[1] / size[0] / (width / height) - 1) < 0.15
    assert min(network_size((16, 4000), lite)) >= 64
    assert network_size((512, 512), lite, input_size=256) == (256, 256)


@pytest.mark.parametrize(
    ("size", "loaded_size"),
    [
        ((300, 400), (800, 1067)),
        ((400, 300), (1067, 800)),
        ((64, 65), (800, 813)),  # 812.5: the loader rounds halves up
        ((100, 400), (333, 1333)),  # the long side's limit: 333.25
        ((1000, 16), (1333, 21)),
        ((16, 60_000), (1, 1333)),  # 0.36 of a pixel
    ],
)
def test_the_published_models_see_the_photo_as_their_evaluation_did(make_pixels, size, loaded_size):
    """The loader's resize to 800 on the short side, then a bilinear squeeze to the square."""
    config = dataclasses.replace(model_config("errseg-base"), input_size=128)
    photo = make_pixels(1, *size)[0].permute(1, 2, 0).numpy()
    seen = resize_photo(photo, (64, 64), config)
    loaded = Image.fromarray(photo).resize(loaded_size[::-1], Image.Resampling.BILINEAR)
    pixels = torch.from_numpy(np.array(loaded)).permute(2, 0, 1)[None].float()
    expected = F.interpolate(pixels, (64, 64), mode="bilinear", align_corners=False)[0]
    assert np.abs(seen.transpose(2, 0, 1) - expected.numpy()).max() <= 0.5
