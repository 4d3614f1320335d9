"""Files as people have them, broken ones, hostile ones, and what is no photo at all."""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from hostile_photos import (
    chunk,
    lying_jpeg,
    many_copies,
    png,
    saved,
    scans,
    segment,
    tiff,
    with_chunks,
    with_segments,
)
from PIL import Image

from attack.photos import blocks

SIZE = (96, 64)
SEED = 1  # of the picture that all sound files show
PLAIN = [(256, 4, 1, 64), (257, 4, 1, 64), (258, 3, 1, 8), (262, 3, 1, 1), (277, 3, 1, 1)]
ANSWERED, REFUSED, EITHER = "answered", "refused", "either"


@dataclass(frozen=True)
class OddFile:
    """A file, and what is right to say of it."""

    name: str
    data: bytes
    right: str = EITHER
    same: bool = False  # whether it shows `picture` to the bit, so that its mask has to be the same


def picture(mode: str = "RGB") -> Image.Image:
    """What all sound files show."""
    return blocks(SEED, SIZE).convert(mode)


def odd_files(fewer: int = 1) -> Iterator[OddFile]:
    """Make them, one at a time; of ``fewer`` only each so-maniest."""
    makers = [*_bombs(), *_broken(), *_no_photos(), *_usual(), *_shapes()]
    for name, right, same, make in makers[::fewer]:
        yield OddFile(name, make(), right, same)


Maker = tuple[str, str, bool, Callable[[], bytes]]


def _bombs() -> Iterator[Maker]:
    photo, plain = saved(picture(), "JPEG", quality=90), saved(picture(), "PNG")
    zeros = zlib.compress(bytes(200 * 2**20), 9)
    copies = tiff(many_copies(5000, 60_000), bytes(60_000))
    exif = [copies[at : at + 60_000] for at in range(0, len(copies), 60_000)]
    for name, make in {
        "88 MP.png": lambda: png(11_000, 8000, 1, 0),
        "400 MP.png": lambda: png(20_000, 20_000, 1, 0),
        "3600 MP claimed.png": lambda: _claiming(60_000, 60_000),
        "2^31-1 claimed.png": lambda: _claiming(2**31 - 1, 2**31 - 1),
        "64 MP.png": lambda: png(7990, 7990, 8, 6),
        "lies 65535.jpg": lambda: lying_jpeg(65_535, 65_535),
        "lies 7900.jpg": lambda: lying_jpeg(7900, 7900),
        "500 scans.jpg": lambda: scans(8000, 500),
        "300 scans.jpg": lambda: scans(2000, 300),
        "coefficients.jpg": lambda: scans(7000, 2, 3),
        "exif of 300 MB.jpg": lambda: with_segments(
            photo, b"".join(segment(0xE1, b"Exif\0\0" + part) for part in exif)
        ),
        "exif of 300 MB.png": lambda: with_chunks(plain, chunk(b"eXIf", copies)),
        "60,000 pieces.png": lambda: with_chunks(plain, chunk(b"prVt") * 60_000),
        "2,500 segments.jpg": lambda: with_segments(photo, b"\xff\xe0\0\2" * 2500),
        "10 MB of filling.jpg": lambda: b"\xff\xd8" + b"\xff" * 10**7,
        "strips.tif": lambda: tiff(
            [*PLAIN, (273, 4, 300_000, 200), (278, 4, 1, 1)], bytes(1_300_000)
        ),
        "tiles.tif": lambda: tiff(
            [*PLAIN, (259, 3, 1, 8), (322, 4, 1, 60_000), (323, 4, 1, 60_000)]
        ),
        "tags.tif": lambda: copies,
        "large.webp": lambda: saved(Image.new("RGB", (4001, 4000)), "WEBP", method=0),
        "claims 65535.gif": lambda: _claiming_gif(65_535),
        "itself.tif": lambda: tiff([*PLAIN, (34_665, 4, 1, 8)]),
    }.items():
        yield name, REFUSED, False, make
    for name, make in {
        "lies 40.jpg": lambda: lying_jpeg(40, 40),
        "iCCP of 200 MB.png": lambda: with_chunks(plain, chunk(b"iCCP", b"x\0\0" + zeros)),
        "zTXt of 200 MB.png": lambda: with_chunks(plain, chunk(b"zTXt", b"x\0\0" + zeros)),
        "iTXt of 200 MB.png": lambda: with_chunks(plain, chunk(b"iTXt", b"x\0\1\0\0\0" + zeros)),
        "claims 6000.gif": lambda: _claiming_gif(6000),
    }.items():
        yield name, EITHER, False, make
    for name, make in {
        "40 MP, 1 bit.png": lambda: png(8000, 5000, 1, 0),
        "40 MP, RGBA.png": lambda: png(8000, 5000, 8, 6),
        "40 MP, 16 bits.png": lambda: png(8000, 5000, 16, 0),
        "40 MP, grey and alpha.png": lambda: png(8000, 5000, 8, 4),
        "25 MP, 16 bits, RGBA.png": lambda: png(5000, 5000, 16, 6),
        "48 MP.jpg": lambda: saved(Image.new("RGB", (8000, 6000)), "JPEG"),
        "48 MP, progressive.jpg": lambda: saved(
            Image.new("RGB", (8000, 6000)), "JPEG", progressive=True
        ),
        "64 MP, 15 scans.jpg": lambda: scans(8000, 15),
        "40 MP.gif": lambda: saved(Image.new("P", (8000, 5000)), "GIF"),
        "16 MP.webp": lambda: saved(Image.new("RGBA", (4000, 4000)), "WEBP", method=0),
        "25 MP in a strip.tif": lambda: saved(
            Image.new("RGBA", (5000, 5000)), "TIFF", compression="tiff_lzw", strip_size=2**30
        ),
        "2,000 frames.gif": lambda: _animation("GIF", 2000),
        "60 frames.webp": lambda: _animation("WEBP", 60),
        "60 frames.png": lambda: _animation("PNG", 60),
    }.items():
        yield name, ANSWERED, False, make


def _broken() -> Iterator[Maker]:
    photo, plain = saved(picture(), "JPEG", quality=90), saved(picture(), "PNG")
    whole = {
        "jpg": photo,
        "png": plain,
        "webp": saved(picture(), "WEBP"),
        "gif": saved(picture("P"), "GIF"),
        "tif": saved(picture(), "TIFF", compression="tiff_deflate"),
        "bmp": saved(picture(), "BMP"),
    }
    for kind, data in whole.items():
        for share in (10, 50):
            yield (
                f"cut at {share} %.{kind}",
                REFUSED,
                False,
                lambda d=data, s=share: d[: len(d) * s // 100],
            )
        yield f"cut by one.{kind}", EITHER, False, lambda d=data: d[:-1]
        rng = np.random.default_rng(len(data))
        flipped = bytearray(data)
        for place in rng.integers(40, len(data), 5):
            flipped[place] ^= 0xFF
        yield f"five bytes flipped.{kind}", EITHER, False, lambda d=flipped: bytes(d)
    yield "empty.jpg", REFUSED, False, lambda: b""
    yield "one byte.png", REFUSED, False, lambda: b"\x89"
    yield "random.jpg", REFUSED, False, lambda: np.random.default_rng(2).bytes(50_000)
    yield "magic.jpg", REFUSED, False, lambda: photo[:20] + np.random.default_rng(3).bytes(50_000)


def _no_photos() -> Iterator[Maker]:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("../../evil", "x")
    entity = b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><svg>&e;</svg>'
    link = b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'
    for name, data in {
        "html.jpg": b"<!doctype html><script>alert(1)</script>",
        "page.html": b"<script>alert(1)</script>",
        "svg.png": link,
        "entities.svg": entity,
        "pdf.jpg": b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF",
        "zip.jpg": packed.getvalue(),
        "psd.jpg": b"8BPS\0\x01" + bytes(6) + struct.pack(">HIIHH", 3, 64, 64, 8, 3) + bytes(60),
        "ico.png": saved(picture().resize((32, 32)), "ICO"),
        "eps.jpg": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n(/etc/passwd) run\n%%EOF",
        "ppm.png": saved(picture(), "PPM"),
        "heic.heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200),
        "avif.jpg": b"\0\0\0\x1cftypavif" + bytes(200),
        "pickle.png": b"\x80\x04cos\nsystem\n(S'touch pickled'\ntR.",
    }.items():
        yield name, REFUSED, False, lambda d=data: d


def _usual() -> Iterator[Maker]:
    rgb, grey = picture(), np.asarray(picture("L"))
    yield "bmp.bmp", ANSWERED, True, lambda: saved(rgb, "BMP")
    yield "bmp as.png", ANSWERED, True, lambda: saved(rgb, "BMP")
    yield "tiff as.jpg", ANSWERED, True, lambda: saved(rgb, "TIFF")
    yield "lossless.webp", ANSWERED, True, lambda: saved(rgb, "WEBP", lossless=True)
    yield "rgba.png", ANSWERED, True, lambda: saved(picture("RGBA"), "PNG")
    yield "16 bits RGB.png", ANSWERED, True, lambda: _deep_rgb(rgb)
    for compression in ("tiff_lzw", "packbits", "tiff_deflate", None):
        yield (
            f"{compression}.tif",
            ANSWERED,
            True,
            lambda c=compression: saved(rgb, "TIFF", compression=c),
        )
    yield (
        "two pages.tif",
        ANSWERED,
        True,
        lambda: saved(rgb, "TIFF", save_all=True, append_images=[rgb.rotate(90)]),
    )
    yield "broken ICC.png", ANSWERED, True, lambda: saved(rgb, "PNG", icc_profile=b"\xff" * 5000)
    for mode in ("L", "LA", "P", "1"):
        yield f"mode {mode}.png", ANSWERED, False, lambda m=mode: saved(picture(m), "PNG")
    yield "CMYK.jpg", ANSWERED, False, lambda: saved(picture("CMYK"), "JPEG")
    yield "LAB.tif", ANSWERED, False, lambda: saved(picture("LAB"), "TIFF")
    yield "YCbCr.tif", EITHER, False, lambda: saved(picture("YCbCr"), "TIFF")
    yield (
        "fax.tif",
        ANSWERED,
        False,
        lambda: saved(picture("1"), "TIFF", compression="group4"),
    )
    deep = Image.fromarray(grey.astype(np.uint16) * 257)
    yield "16 bits grey.png", ANSWERED, False, lambda: saved(deep, "PNG")
    yield "16 bits grey.tif", ANSWERED, False, lambda: saved(deep, "TIFF")
    floats = grey.astype(np.float32)
    odd = floats.copy()
    odd[::2], odd[1::4] = np.nan, np.inf
    signed = grey.astype(np.int32) * 65_536 - 2**20
    for name, values in (("floats", floats), ("NaN and inf", odd), ("signed", signed)):
        yield f"{name}.tif", EITHER, False, lambda v=values: saved(Image.fromarray(v), "TIFF")
    yield (
        "see-through.png",
        ANSWERED,
        False,
        lambda: saved(picture("P"), "PNG", transparency=3),
    )
    yield (
        "mpo.jpg",
        ANSWERED,
        False,
        lambda: saved(rgb, "MPO", save_all=True, append_images=[rgb.rotate(180)]),
    )
    yield "gif and zip.gif", ANSWERED, False, lambda: saved(picture("P"), "GIF") + b"PK\5\6" * 9
    exif = Image.Exif()
    exif[274] = 99
    yield "orientation 99.jpg", ANSWERED, False, lambda: saved(rgb, "JPEG", exif=exif)
    torn = b"Exif\0\0II*\0" + b"\xff" * 300
    yield "torn EXIF.jpg", EITHER, False, lambda: saved(rgb, "JPEG", exif=torn)


def _shapes() -> Iterator[Maker]:
    def plain(*size: int) -> Callable[[], bytes]:
        return lambda: saved(Image.new("RGB", size, (90, 120, 60)), "PNG")

    for size in ((1, 1), (15, 15), (1, 20_000), (20_000, 1), (65_535, 900)):
        yield f"{size[0]} x {size[1]}.png", REFUSED, False, plain(*size)
    for size in ((16, 16), (16, 20_000), (20_000, 16), (32, 4096)):
        yield f"{size[0]} x {size[1]}.png", EITHER, False, plain(*size)


def _claiming(width: int, height: int) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(bytes(9)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + data + chunk(b"IEND")


def _claiming_gif(side: int) -> bytes:
    whole = saved(picture("P"), "GIF")
    return whole[:6] + struct.pack("<HH", side, side) + whole[10:]


def _animation(kind: str, frames: int) -> bytes:
    mode = "P" if kind == "GIF" else "RGB"
    first, *others = (picture(mode).rotate(angle % 360) for angle in range(frames))
    return saved(first, kind, save_all=True, append_images=others, duration=20)


def _deep_rgb(image: Image.Image) -> bytes:
    rows = b"".join(b"\0" + row.tobytes() for row in np.asarray(image).astype(">u2") * 257)
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", *image.size, 16, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND")
