"""AVIF, HEIC, animations, and files of other kinds, each of which is called by its name."""

import io
import struct
import sys
import types

import numpy as np
import pytest
from hostile_photos import saved
from PIL import Image, features

from errseg.config import EXAMPLES
from errseg.errors import InputError
from errseg.inference import photo_kinds
from errseg.inference.photo import load_image, load_photo
from errseg.inference.photo_files import read_photo

needs_avif = pytest.mark.skipif(not features.check("avif"), reason="this Pillow reads no AVIF")
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(400)


@pytest.fixture(scope="module")
def cat():
    with Image.open(EXAMPLES.with_name("cat.jpg")) as photo:
        return photo.convert("RGB").resize((120, 80))


@needs_avif
def test_avif_is_read_upright_and_reduced(cat, tmp_path):
    exif = Image.Exif()
    exif[274] = 6
    path = tmp_path / "renamed.jpg"
    cat.rotate(90, expand=True).save(path, "AVIF", exif=exif, quality=95)
    for longest, shape in ((500, (80, 120, 3)), (60, (40, 60, 3))):
        photo = read_photo(path, longest)
        assert photo.pixels.shape == shape
        assert photo.size == (120, 80)
        assert photo.notices == ()
        small = np.asarray(cat.resize(shape[1::-1])).astype(int)
        assert np.abs(photo.pixels - small).mean() < 6


@needs_avif
def test_broken_and_large_avif_gets_a_sentence(cat):
    whole = saved(cat, "AVIF")
    for length in (40, 200, len(whole) // 2, len(whole) - 9):
        with pytest.raises(InputError, match=r"damaged|not a photo|can't read"):
            load_image(whole[:length])
    with pytest.raises(InputError, match="shrink it to 13 megapixels"):
        load_image(saved(Image.new("L", (4000, 3300)), "AVIF", speed=10))


def test_heic_is_called_by_its_name(monkeypatch, tmp_path):
    monkeypatch.setattr(photo_kinds.importlib.util, "find_spec", lambda name: None)
    (tmp_path / "phone.heic").write_bytes(HEIC)
    with pytest.raises(InputError, match=r"'phone.heic' is a HEIC photo.*pip install pillow-heif"):
        load_image(tmp_path / "phone.heic")


def test_heic_is_read_where_its_reader_is_installed(monkeypatch, cat):
    """A stand-in for the optional package: a HEIC file that holds a PNG."""

    class Opened(Image.Image):
        pass

    def open_heic(file, prefix=None):
        file.seek(len(HEIC))
        opened = Image.open(io.BytesIO(file.read()))
        opened.format = "HEIF"
        return opened

    def register():
        Image.register_open("HEIF", open_heic, lambda start: start[4:12] == b"ftypheic")

    package = types.ModuleType("pillow_heif")
    package.register_heif_opener = register
    package.__spec__ = types.SimpleNamespace()
    monkeypatch.setitem(sys.modules, "pillow_heif", package)
    monkeypatch.setattr(Image, "OPEN", dict(Image.OPEN))
    monkeypatch.setattr(Image, "ID", list(Image.ID))
    photo = load_photo(HEIC + saved(cat, "PNG"))
    assert np.array_equal(photo.pixels, np.asarray(cat))


@pytest.mark.parametrize(
    ("start", "sentence"),
    [
        (b"%PDF-1.7\n", "a PDF"),
        (b"8BPS\0\1", "a Photoshop file"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL photo"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000 photo"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0isommp42", "a video"),
        (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", "a video"),
        (b"PK\x03\x04", "a ZIP"),
        (b"\xef\xbb\xbf\n<!DOCTYPE html><html>", "a web page"),
        (b"<?xml version='1.0'?><svg/>", "a drawing"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "a Git LFS pointer"),
        (b"IIU\0\x18\0\0\0", "a camera's raw file"),
    ],
)
def test_other_files_are_called_by_their_names(start, sentence):
    with pytest.raises(InputError, match=f"This is {sentence}"):
        load_image(start + bytes(300))


def test_a_preview_in_a_raw_file_is_not_taken_for_the_photo(cat):
    from PIL import TiffImagePlugin

    for tag, value in ((50706, b"\1\4\0\0"), (254, 1)):
        directory = TiffImagePlugin.ImageFileDirectory_v2()
        directory[tag] = value
        if tag == 254:
            directory[330] = 8
        with pytest.raises(InputError, match="camera's raw file"):
            load_image(saved(cat, "TIFF", tiffinfo=directory))
    canon = saved(cat, "TIFF")
    assert canon.startswith(b"II*\0\x08\0\0\0")
    moved = canon[:4] + struct.pack("<L", len(canon)) + b"CR\2\0" + canon[12:]
    with pytest.raises(InputError, match="camera's raw file"):
        load_image(moved)


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP", "AVIF"])
@pytest.mark.parametrize("blank", [0, 1, 3])
def test_the_first_frame_that_shows_something_is_taken_and_told(cat, format, blank):
    if format == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow reads no AVIF")
    shades = ("black", "white", "black")
    frames = [*(Image.new("RGB", cat.size, shades[i]) for i in range(blank)), cat]
    frames += [cat.transpose(Image.Transpose.FLIP_LEFT_RIGHT)]
    content = saved(frames[0], format, save_all=True, append_images=frames[1:], duration=50)
    photo = load_photo(content)
    assert np.abs(photo.pixels - np.asarray(cat).astype(int)).mean() < 12
    said = f"frame {blank + 1} was taken" if blank else "its first frame was taken"
    assert said in photo.notices[0]


def test_only_the_first_frames_are_looked_at_and_broken_ones_do_no_harm(cat):
    frames = [Image.new("RGB", cat.size, (shade, 0, 0)) for shade in range(12)] + [cat]
    content = saved(frames[0], "PNG", save_all=True, append_images=frames[1:])
    photo = load_photo(content)
    assert not photo.pixels.any()
    assert "first frame" in photo.notices[0]
    short = saved(Image.new("RGB", cat.size), "PNG", save_all=True, append_images=[cat])
    assert not load_photo(short[: len(short) - 2000]).pixels.any()


def test_a_gif_s_later_frames_may_not_cost_more_than_its_first(cat):
    """Comments without an end behind the first picture: Pillow would read them all."""
    frame, noise = Image.new("P", (64, 64)), cat.resize((64, 64)).quantize(8)
    whole = saved(frame, "GIF", save_all=True, append_images=[noise])
    second = whole.rindex(b"!\xf9")
    assert second > whole.index(b",")
    words = b"!\xfe" + (b"\xff" + b"x" * 255) * 3000 + b"\0"
    assert load_photo(whole).pixels.std() > 9
    assert load_photo(whole[:second] + words + whole[second:]).pixels.std() == 0
