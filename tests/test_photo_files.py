"""A photo's file is read in bounded time and memory, and to the bit as it would be in one piece."""

import re
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import hostile_photos as hostile
import numpy as np
import pytest
from PIL import Image

from errseg import upright
from errseg.errors import InputError
from errseg.inference import photo_files
from errseg.inference.jpeg_headers import MOST_SEGMENTS, check_jpeg
from errseg.inference.photo import load_image
from errseg.inference.photo_files import (
    LARGEST_DECODED,
    LARGEST_PHOTO,
    LARGEST_TIFF,
    LARGEST_WEBP,
    read_photo,
)
from errseg.upright import upright_rgb

ROOT = Path(__file__).resolve().parent.parent
ORIENTATION = 274
BOX = Image.Resampling.BOX
WIDE = (300, 211)
STRIP_ROWS = 50  # so that there are five strips
MOST_SECONDS, MOST_MEGABYTES = 2, 300


def noise(size, channels=3, dtype=np.uint8, most=256, seed=0):
    rng = np.random.default_rng(seed)
    values = rng.integers(0, most, (size[1] // 8 + 1, size[0] // 8 + 1, channels))
    values = values.repeat(8, 0).repeat(8, 1)[: size[1], : size[0]].astype(dtype)
    return Image.fromarray(values[..., 0] if channels == 1 else values)


def smooth(size):
    return noise((160, 120)).resize((20, 15), BOX).resize(size, Image.Resampling.BICUBIC)


def in_one_piece(path, longest=10**6) -> np.ndarray:
    """What the photo is without strips, headers and drafts: Pillow's own way in four lines."""
    with Image.open(path) as opened:
        upright = upright_rgb(opened)
    scale = min(1, longest / max(upright.size))
    size = tuple(max(16, round(side * scale)) for side in upright.size)
    return np.asarray(upright.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0))


def away(photo, other) -> float:
    """The mean difference of two photos, in grey levels."""
    return np.abs(photo.astype(int) - other).mean()


def palette(size, **settings):
    image = noise(size).quantize(64)
    image.info.update(settings)
    return image


PHOTOS = {
    "rgb.png": lambda size: noise(size),
    "grey.png": lambda size: noise(size, 1),
    "rgba.png": lambda size: noise(size, 4),
    "grey_alpha.png": lambda size: noise(size, 4).convert("LA"),
    "palette.png": palette,
    "see_through_palette.png": lambda size: palette(size, transparency=bytes(range(64))),
    "see_through_grey.png": lambda size: noise(size, 1),
    "one_bit.png": lambda size: noise(size, 1).convert("1"),
    "deep.png": lambda size: noise(size, 1, np.uint16, 65_536),
    "deep_but_small.png": lambda size: noise(size, 1, np.uint16, 256),
    "deep.tif": lambda size: noise(size, 1, np.uint16, 65_536),
    "integers.tif": lambda size: noise(size, 1, np.int32, 2**20),
    "floats.tif": lambda size: noise(size, 1, np.float32, 300),
    "cmyk.tif": lambda size: noise(size).convert("CMYK"),
    "lab.tif": lambda size: noise(size).convert("LAB"),
    "rgb.tif": lambda size: noise(size),
    "rgb.webp": lambda size: noise(size),
    "rgba.webp": lambda size: noise(size, 4),
    "a.gif": palette,
    "a.bmp": lambda size: noise(size),
    "rgb.jpg": lambda size: noise(size),
    "grey.jpg": lambda size: noise(size, 1),
    "cmyk.jpg": lambda size: noise(size).convert("CMYK"),
    "progressive.jpg": lambda size: noise(size),
    "phone.mpo": lambda size: noise(size),
}
SETTINGS = {
    "see_through_grey.png": {"transparency": 77},
    "progressive.jpg": {"progressive": True},
    "rgba.webp": {"lossless": True, "quality": 0, "method": 0},
    "rgb.webp": {"method": 0},
}


@pytest.mark.parametrize("name", sorted(PHOTOS))
def test_every_mode_is_read_to_the_bit_as_in_one_piece(tmp_path, monkeypatch, name):
    monkeypatch.setattr(upright, "STRIP_PIXELS", STRIP_ROWS * WIDE[0])
    path = tmp_path / name
    PHOTOS[name](WIDE).save(path, **SETTINGS.get(name, {}))
    expected = in_one_piece(path)
    assert expected.std() > 1
    assert np.array_equal(load_image(path), expected)
    pixels, size, _ = read_photo(path, max(WIDE))
    assert np.array_equal(pixels, expected)
    assert size == WIDE
    if not name.endswith((".jpg", ".mpo")):  # a JPEG's decoder reduces in its own way
        for longest in (max(WIDE) - 1, 140, 70, 31):
            small, size, _ = read_photo(path, longest)
            assert np.array_equal(small, in_one_piece(path, longest)), longest
            assert size == WIDE


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_photos_are_turned_whether_they_are_reduced_or_not(tmp_path, name, orientation):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    smooth((400, 300)).save(tmp_path / name, exif=exif)
    path, upright = tmp_path / name, (400, 300) if orientation < 5 else (300, 400)
    pixels, size, _ = read_photo(path, 400)
    assert size == upright
    assert np.array_equal(pixels, in_one_piece(path))
    assert np.array_equal(load_image(path), pixels)
    assert pixels.flags.c_contiguous
    small, size, _ = read_photo(path, 80)
    assert size == upright
    assert small.shape == ((60, 80, 3) if orientation < 5 else (80, 60, 3))
    assert small.flags.c_contiguous
    assert away(small, in_one_piece(path, 80)) < 1


@pytest.mark.parametrize("size", [(803, 601), (1640, 1200), (3333, 640)])
def test_a_jpeg_is_reduced_by_its_decoder_without_a_shift(tmp_path, size):
    path = tmp_path / "a.jpg"
    smooth(size).save(path, quality=95, subsampling=0)
    pixels, whole, _ = read_photo(path, 200)
    assert whole == size
    expected = in_one_piece(path, 200)
    assert pixels.shape == expected.shape
    assert away(pixels, expected) < 1
    assert away(pixels[:, 1:], expected[:, :-1]) > 2
    assert not np.array_equal(pixels, expected)  # the same would mean decoding it in full


@pytest.mark.parametrize("scans", [1, 3, 10, 14])
def test_real_progressive_files_are_read(tmp_path, scans):
    """libjpeg writes ten scans; other encoders up to some fifteen."""
    path = tmp_path / "a.jpg"
    path.write_bytes(hostile.scans(1600, scans))
    assert read_photo(path, 2048)[1] == (1600, 1600)
    noise((640, 480)).save(path, progressive=True)
    assert path.read_bytes().count(b"\xff\xda") == 10
    assert read_photo(path, 2048)[1] == (640, 480)


def test_markers_in_a_thumbnail_and_restarts_are_no_scans(tmp_path):
    thumbnail = hostile.saved(noise((64, 48)), "JPEG", progressive=True) * 40
    photo = hostile.saved(noise((640, 480)), "JPEG", restart_marker_rows=1)
    assert b"\xff\xd0" in photo
    path = tmp_path / "a.jpg"
    path.write_bytes(hostile.with_segments(photo, hostile.segment(0xE2, thumbnail[:60_000])))
    assert np.array_equal(read_photo(path, 2048)[0], in_one_piece(path))


def test_scans_are_counted_by_the_blocks_that_they_go_through():
    """One component of three is a third of the work, in whichever kind of JPEG."""
    check_jpeg(hostile.scans(4800, 15, 3))
    many = hostile.scans(4800, 50, 3)
    for data in (many, many.replace(b"\xff\xc2", b"\xff\xc1", 1)):
        with pytest.raises(InputError, match="too many scans"):
            check_jpeg(data)


def test_restarts_are_no_segments(tmp_path):
    data = hostile.saved(noise((640, 480)), "JPEG", progressive=True, restart_marker_blocks=1)
    assert len(re.findall(rb"\xff[\xd0-\xd7]", data)) > MOST_SEGMENTS
    (tmp_path / "a.jpg").write_bytes(data)
    assert read_photo(tmp_path / "a.jpg", 2048)[1] == (640, 480)
    more = data[: data.rindex(b"\xff\xda")] + b"\xff\xe0\0\2" * 2 * MOST_SEGMENTS
    with pytest.raises(InputError, match="unusual inside"):
        check_jpeg(more)


def test_what_follows_the_first_picture_is_not_looked_at(tmp_path):
    photo = hostile.saved(noise((64, 48)), "JPEG", progressive=True)
    (tmp_path / "a.jpg").write_bytes(photo + bytes(2) + hostile.scans(2000, 300))
    assert read_photo(tmp_path / "a.jpg", 2048)[1] == (64, 48)


def test_the_system_s_own_words_don_t_name_the_path(tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(DOT)

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(photo_files, "check_header", refuse)
    with pytest.raises(InputError) as refused:
        load_image(tmp_path / "a.png")
    assert str(refused.value) == "'a.png' is damaged and can't be read (Permission denied)."


PIXEL = hostile.saved(Image.new("RGB", (64, 64), "red"), "JPEG")
FRAME = PIXEL.index(b"\xff\xc0")
DOT = hostile.saved(Image.new("RGB", (64, 64), "red"), "PNG")
ANIMATION = hostile.saved(
    Image.new("P", (64, 64)), "GIF", save_all=True, append_images=[Image.new("P", (64, 64), 9)] * 9
)
PLAIN = [(256, 4, 1, 64), (257, 4, 1, 64), (258, 3, 1, 8), (262, 3, 1, 1), (277, 3, 1, 1)]
COPIES = hostile.tiff(hostile.many_copies(5000, 60_000), bytes(60_000))
EXIF = b"Exif\0\0" + COPIES
IN_WORDS = b"Raw profile type exif\0\0" + zlib.compress(b"\nexif\n 9\n" + EXIF.hex().encode())
EXIF_SEGMENTS = b"".join(
    hostile.segment(0xE1, b"Exif\0\0" + COPIES[at : at + 60_000])
    for at in range(0, len(COPIES), 60_000)
)
SUB_DIRECTORY = hostile.tiff([*PLAIN, (34665, 4, 1, 200)]).ljust(200, b"\0") + COPIES[8:]
RUNS = b"BM" + struct.pack("<LHHL", 0, 0, 0, 1078)
RUNS += struct.pack("<LllHHLLllLL", 40, 5000, 4000, 1, 8, 1, 0, 0, 0, 256, 0) + bytes(1024)

REFUSED = {
    "scans.jpg": (lambda: hostile.scans(8000, 500), "too many scans for its size"),
    "scans_of_a_small_photo.jpg": (lambda: hostile.scans(2000, 300), "too many scans for its size"),
    "coefficients.jpg": (
        lambda: hostile.scans(7000, 2, 3),
        "several scans, and too large for that",
    ),
    "lying.jpg": (lambda: hostile.lying_jpeg(7900, 7900), "ends too early for its size"),
    "arithmetic.jpg": (lambda: PIXEL.replace(b"\xff\xc0", b"\xff\xc9"), "rare kind of JPEG"),
    "twice.jpg": (lambda: PIXEL[:FRAME] + PIXEL[FRAME : FRAME + 19] + PIXEL[FRAME:], "twice"),
    "segments.jpg": (
        lambda: hostile.with_segments(PIXEL, b"\xff\xe0\0\2" * 2500),
        "unusual inside",
    ),
    "fill.jpg": (lambda: b"\xff\xd8" + b"\xff" * 10**7, "unusual inside"),
    "junk.jpg": (
        lambda: hostile.with_segments(PIXEL, b"\xff\xe0\0\2" + bytes(10**6)),
        "unusual inside",
    ),
    "exif.jpg": (lambda: hostile.with_segments(PIXEL, EXIF_SEGMENTS), "says about itself"),
    "exif.png": (
        lambda: hostile.with_chunks(DOT, hostile.chunk(b"eXIf", COPIES)),
        "says about itself",
    ),
    "words.png": (
        lambda: hostile.with_chunks(DOT, hostile.chunk(b"zTXt", IN_WORDS)),
        "says about itself",
    ),
    "chunks.png": (
        lambda: hostile.with_chunks(DOT, hostile.chunk(b"prVt") * 60_000),
        "too many pieces",
    ),
    "exif.webp": (lambda: hostile.saved(noise((64, 64)), "WEBP", exif=EXIF), "says about itself"),
    "comments.gif": (
        lambda: ANIMATION[:13] + b"!\xfe" + (b"\xff" + b"x" * 255) * 2000 + b"\0" + ANIMATION[13:],
        "too much before its picture",
    ),
    "runs.bmp": (lambda: RUNS + b"\1\7" * 1_100_000, "This BMP is compressed"),
    "strips.tif": (
        lambda: hostile.tiff([*PLAIN, (273, 4, 300_000, 200), (278, 4, 1, 1)], bytes(1_300_000)),
        "too many pieces",
    ),
    "tile.tif": (
        lambda: hostile.tiff([*PLAIN, (259, 3, 1, 8), (322, 4, 1, 60_000), (323, 4, 1, 60_000)]),
        "tiles of this TIFF are too large",
    ),
    "lzma.tif": (lambda: hostile.tiff([*PLAIN, (259, 3, 1, 34925)]), "compressed in a rare way"),
    "tags.tif": (lambda: COPIES, "says about itself"),
    "sub_directory.tif": (lambda: SUB_DIRECTORY, "says about itself"),
    "large.webp": (
        lambda: hostile.saved(Image.new("RGB", (4001, 4000)), "WEBP", method=0),
        f"shrink it to {LARGEST_WEBP // 10**6} megapixels",
    ),
    "deep.png": (lambda: hostile.png(5001, 5000, 16, 6), "shrink it to 25 megapixels"),
    "large.png": (
        lambda: hostile.png(8000, 5001, 1, 0),
        f"shrink it to {LARGEST_DECODED // 10**6} megapixels",
    ),
    "large.tif": (
        lambda: hostile.saved(Image.new("1", (5001, 5000)), "TIFF", compression="group4"),
        f"shrink it to {LARGEST_TIFF // 10**6} megapixels",
    ),
    "large.jpg": (
        lambda: hostile.lying_jpeg(8001, 8000) + bytes(10**6),
        f"shrink it to {LARGEST_PHOTO // 10**6} megapixels",
    ),
}


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_files_that_ask_for_too_much_are_refused_at_once(tmp_path, name):
    content, sentence = REFUSED[name]
    path = tmp_path / name
    path.write_bytes(content())
    for read in (lambda: read_photo(path, 2048), lambda: load_image(path)):
        begin = time.process_time()
        with pytest.raises(InputError) as refused:
            read()
        assert time.process_time() - begin < 1
        assert sentence in str(refused.value)
        assert "\n" not in str(refused.value)
        assert str(tmp_path) not in str(refused.value)


@pytest.mark.parametrize(
    "name",
    sorted(
        name
        for name in REFUSED
        if not name.startswith("large") and name not in ("exif.png", "exif.webp", "words.png")
    ),
)
def test_pillow_does_not_see_what_the_header_refuses(tmp_path, monkeypatch, name):
    """It reads EXIF, comments and segments when it opens a file."""

    def see(*arguments, **settings):
        raise AssertionError("Pillow has opened it")

    monkeypatch.setattr(Image, "open", see)
    (tmp_path / name).write_bytes(REFUSED[name][0]())
    with pytest.raises(InputError):
        load_image(tmp_path / name)


SEVERAL = {name: [True, False] for name in ("gif", "png", "webp")}
SEVERAL |= {"tif": [False, True], "mpo": [False, False]}


def test_the_first_picture_of_an_animation_is_the_photo(tmp_path):
    frames = [noise((64, 64), seed=seed) for seed in range(4)]
    for name in ("a.gif", "a.png", "a.webp", "a.tif", "a.mpo"):
        path = tmp_path / name
        frames[0].save(path, save_all=True, append_images=frames[1:])
        pixels, _, notices = read_photo(path, 64)
        assert [word in " ".join(notices) for word in ("animation", "pages")] == SEVERAL[name[2:]]
        assert np.array_equal(pixels, in_one_piece(path))
        first, *others = (away(pixels, np.asarray(frame)) for frame in frames)
        assert first < min(others) / 2, name


LARGE = {  # the largest that are accepted, or close to it
    "one_bit.png": lambda: hostile.png(8000, 5000, 1, 0),
    "rgba.png": lambda: hostile.png(8000, 5000, 8, 6),
    "square.png": lambda: hostile.png(6320, 6320, 8, 6),
    "deep.png": lambda: hostile.png(8000, 5000, 16, 0),
    "deep_rgba.png": lambda: hostile.png(5000, 5000, 16, 6),
    "grey_alpha.png": lambda: hostile.png(8000, 5000, 8, 4),
    "a.gif": lambda: hostile.saved(Image.new("P", (8000, 5000)), "GIF"),
    "largest.jpg": lambda: hostile.saved(Image.new("RGB", (8000, 8000)), "JPEG"),
    "phone.jpg": lambda: hostile.saved(Image.new("RGB", (8000, 6000)), "JPEG"),
    "progressive.jpg": lambda: hostile.saved(
        Image.new("RGB", (8000, 6000)), "JPEG", progressive=True
    ),
    "scans.jpg": lambda: hostile.scans(8000, 15),
    "a.webp": lambda: hostile.saved(Image.new("RGBA", (4000, 4000)), "WEBP", method=0),
    "a.avif": lambda: hostile.saved(
        Image.new("RGBA", (4060, 3200)), "AVIF", speed=10, subsampling="4:4:4"
    ),
    "strip.tif": lambda: hostile.saved(
        Image.new("RGBA", (5000, 5000)), "TIFF", compression="tiff_lzw", strip_size=2**30
    ),
}
MEASURED = """
import sys, time
from errseg.inference.photo_files import read_photo
def peak():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1000
read_photo(sys.argv[1], 2048)
idle, begin = peak(), time.process_time()
pixels, size, _ = read_photo(sys.argv[2], 2048)
print(peak() - idle, time.process_time() - begin, *pixels.shape, *size, "torch" in sys.modules)
"""


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
@pytest.mark.parametrize("name", sorted(LARGE))
def test_the_largest_photos_take_little_memory_and_time(tmp_path, name):
    (tmp_path / name).write_bytes(LARGE[name]())
    (tmp_path / "small.png").write_bytes(DOT)
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, tmp_path / "small.png", tmp_path / name],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        cwd=ROOT,
    )
    megabytes, seconds, *shape, torch = done.stdout.split()
    assert float(megabytes) < MOST_MEGABYTES
    assert float(seconds) < MOST_SECONDS
    height, width, _, *size = map(int, shape)
    assert max(height, width) == 2048
    assert max(size) >= 4000
    assert torch == "False"
