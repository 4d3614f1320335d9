"""Names are written in fonts that have their letters, in their order, and cut to a width."""

import random
import unicodedata
import warnings
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from made_up_fonts import write_collection, write_font
from PIL import Image, ImageDraw, ImageFont

from errseg.pictures import fonts as module
from errseg.pictures.fonts import ELLIPSIS, Fonts, Lettering, line

DEJAVU = f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf"
ONLY_DEJAVU = Fonts([])
SIZE = 40


@pytest.fixture(autouse=True)
def _no_missing_glyphs():
    """matplotlib warns of each character that it draws as a box."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def files(lettering: Lettering) -> list[str]:
    return [Path(font).name for font in lettering.fonts]


def test_the_first_font_that_has_all_letters_writes_a_name(tmp_path):
    few = write_font(tmp_path / "few.ttf", "天")
    same = write_font(tmp_path / "same.ttf", "天", family="Another")
    some = write_font(tmp_path / "some.ttf", "天空")
    other = write_font(tmp_path / "other.ttf", "空天犬")
    fonts = Fonts([few, same, some, other])
    assert files(fonts.lettering("dog", 0, SIZE)) == ["DejaVuSans.ttf"]
    assert files(fonts.lettering("天", 0, SIZE))[0] == "few.ttf"
    assert files(fonts.lettering("天空", 0, SIZE))[0] == "some.ttf"
    assert files(fonts.lettering("天空犬", 0, SIZE))[0] == "other.ttf"
    name = fonts.lettering("天空", 0, SIZE)
    assert (name.text, name.stand_in) == ("天空", False)
    assert name.width == pytest.approx(2 * SIZE, abs=1)
    ink = name.drawn()
    assert (ink == 255).mean() > 0.4  # blocks of 0.8 by 0.8 em; a box is an outline
    assert len(ink) == sum(line(SIZE))


def test_a_name_in_several_scripts_is_written_with_several_fonts(tmp_path):
    fonts = Fonts(
        [write_font(tmp_path / "sky.ttf", "天空"), write_font(tmp_path / "dog.ttf", "犬")]
    )
    name = fonts.lettering("dog 犬 天空", 0, SIZE)
    assert sorted(files(name)) == ["DejaVuSans.ttf", "dog.ttf", "sky.ttf"]
    assert not name.stand_in
    parts = sum(fonts.lettering(part, 0, SIZE).width for part in ("dog", "犬", "天空"))
    assert name.width == pytest.approx(parts + 2 * 0.318 * SIZE, abs=3)  # and two blanks


def test_collections_are_read_and_what_is_no_font_is_passed_over(tmp_path):
    whole = write_font(tmp_path / "whole.ttf", "犬").read_bytes()
    broken = {
        "text.ttf": b"no font",
        "empty.otf": b"",
        "cut.ttf": whole[: len(whole) // 2],
        "cut.ttc": b"ttcf" + bytes(8),
    }
    for name, data in broken.items():
        (tmp_path / name).write_bytes(data)
    collection = write_collection(tmp_path / "two.ttc", "天", "空")
    boxes = write_font(tmp_path / "boxes.ttf", "天空犬魚", family="Last Resort")
    emoji = write_font(tmp_path / "emoji.ttf", "天空犬魚", colored=True)
    listed = [*(tmp_path / name for name in broken), tmp_path / "gone.ttf", tmp_path, boxes, emoji]
    fonts = Fonts([*listed, collection])
    name = fonts.lettering("空", 0, SIZE)
    assert next((Path(font).name, font.face_index) for font in name.fonts) == ("two.ttc", 1)
    assert (name.drawn() == 255).mean() > 0.4
    assert fonts.lettering("魚", 7, SIZE).text == "class 7"


def test_reading_fonts_ends_when_its_time_is_over(tmp_path):
    file = write_font(tmp_path / "sky.ttf", "天空")
    assert not Fonts([file]).lettering("天空", 0, SIZE).stand_in
    assert Fonts([file], most_seconds=0).lettering("天空", 0, SIZE).stand_in


def test_the_system_s_fonts_are_read_once_and_only_for_letters_that_dejavu_lacks(monkeypatch):
    looked = []
    monkeypatch.setattr(module, "_system_files", lambda: looked.append(1) or [])
    fonts = Fonts()
    fonts.lettering("chaise à bascule, שמיים, سماء, небо", 0, SIZE).drawn()
    assert looked == []
    fonts.lettering("天空", 0, SIZE)
    fonts.lettering("犬", 1, SIZE)
    assert looked == [1]


def test_upright_sans_serifs_are_liked_best(monkeypatch):
    found = ["/a/ABold.ttf", "/b/ASerif.ttf", "/c/Regular.ttf", "/d/SerifBold.ttf"]
    monkeypatch.setattr("matplotlib.font_manager.findSystemFonts", lambda: found[::-1])
    assert module._system_files() == ["/c/Regular.ttf", *found[:2], "/d/SerifBold.ttf"]


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("dog", "dog"),
        ("  red   dog ", "red dog"),
        ("🐕 dog", "dog"),
        ("hot🌭dog", "hotdog"),
        ("dog 🐕\u200d🦺", "dog"),
        ("👍🏽 thumb", "thumb"),
        ("🇩🇪 flag 🏴\U000e0067\U000e007f", "flag"),
        ("dog\U000e0101", "dog"),
        ("1\ufe0f\u20e3 one", "1\ufe0f one"),
        ("\U0001fadf splatter", "splatter"),  # newer than this Python's Unicode
        ("☃ snow", "☃ snow"),  # DejaVu Sans has it
        ("שמיים", "שמיים"),
        ("می\u200cشوم", "می\u200cشوم"),
        ("🐕", "class 5"),
        ("🐕 !", "class 5"),
        ("天空", "class 5"),
        ("日本 dog", "class 5"),  # "dog" alone would mislead
        ("\u200d", "class 5"),
        ("\ud800 dog", "class 5"),
        ("", "class 5"),
    ],
)
def test_signs_that_no_font_has_are_left_out_and_letters_never(name, written):
    lettering = ONLY_DEJAVU.lettering(name, 5, SIZE)
    assert (lettering.text, lettering.stand_in) == (written, written == "class 5")
    assert lettering.drawn().max() > 200


def pillow_in_typed_order(text: str) -> np.ndarray:
    """Letters from left to right as they are typed, unjoined."""
    font = ImageFont.truetype(DEJAVU, SIZE, layout_engine=ImageFont.Layout.BASIC)
    picture = Image.new("L", (10 * SIZE, 3 * SIZE))
    ImageDraw.Draw(picture).text((SIZE, SIZE), text, 255, font)
    return np.asarray(picture.crop(picture.getbbox()))


@pytest.mark.parametrize(
    ("name", "from_the_left"),
    [
        ("שמיים", "םיימש"),
        ("sky שמיים", "sky םיימש"),
        ("بت", "\ufe96\ufe91"),  # "final teh, initial beh": joined
        ("تبت", "\ufe96\ufe92\ufe97"),
    ],
)
def test_names_are_drawn_in_their_direction_and_joined(name, from_the_left):
    """Pillow draws what it is given; given letters in the order of sight, both are alike."""
    ink = ONLY_DEJAVU.lettering(name, 0, SIZE).drawn()
    drawn = Image.fromarray(ink)
    drawn = drawn.crop(drawn.getbbox())

    def difference(text):
        other = pillow_in_typed_order(text)
        ours = np.asarray(drawn.resize(other.shape[::-1])).astype(float)
        return np.abs(ours - other).mean() / other.mean()

    assert difference(from_the_left) < 0.4
    assert difference(name) > 2 * difference(from_the_left)


def test_a_mark_goes_with_its_letter_and_the_ellipsis_is_never_missing(tmp_path):
    """In this font every character takes an em, the vowel signs too."""
    name = Fonts([write_font(tmp_path / "ki.ttf", "कि")]).lettering("कि" * 5, 0, SIZE)
    for ems in range(2, 9):
        cut = name.shortened((ems + 1.2) * SIZE)  # DejaVu's ellipsis takes an em too
        assert cut.text.removesuffix(ELLIPSIS) == "कि" * (ems // 2)
        assert cut.drawn().shape[1] > (ems // 2 * 2 + 0.7) * SIZE


def test_a_cut_name_is_as_long_as_fits():
    generator = random.Random(0)
    alphabets = ("iiil.", "WWMM", "abc def", "שלום", "سماء ", "e\u0301o\u0323\u0302")
    for _ in range(60):
        letters = (generator.choice(generator.choice(alphabets)) for _ in range(100))
        text = "".join(letters)[: generator.randint(1, 100)].strip() or "x"
        name, width = ONLY_DEJAVU.lettering(text, 0, 27.0), generator.uniform(30, 900)
        cut = name.shortened(width)
        if name.width <= width:
            assert cut.text == name.text
            continue
        assert cut.width <= width
        assert cut.text.endswith(ELLIPSIS)
        kept = cut.text.removesuffix(ELLIPSIS)
        assert name.text.startswith(kept)
        after = name.text[len(kept) :].lstrip()
        assert not unicodedata.combining(after[0])  # a letter goes with its marks
        more = len(name.text) - len(after) + 1
        while more < len(name.text) and unicodedata.combining(name.text[more]):
            more += 1
        longer = ONLY_DEJAVU.lettering(name.text[:more] + ELLIPSIS, 0, 27.0)
        assert longer.width > width


@pytest.mark.parametrize(
    ("text", "most"),
    [("w" * 100, 4), ("i" * 100, 4), ("W" * 50 + "i" * 50, 12), ("i" * 50 + "W" * 50, 12)],
)
def test_cutting_a_long_name_takes_few_measurements(monkeypatch, text, most):
    measured = []
    opened = module._opened
    monkeypatch.setattr(module, "_opened", lambda *args: measured.append(1) or opened(*args))
    for width in (-5, 0, 10, 82, 166, 292, 700, 1090, 1300):
        measured.clear()
        module._width.cache_clear()
        ONLY_DEJAVU.lettering(text, 0, 13).shortened(width)
        assert 1 <= len(measured) <= most


def test_where_nothing_fits_an_ellipsis_stays():
    assert [ONLY_DEJAVU.lettering("dog", 0, SIZE).shortened(w).text for w in (-9, 0, 3)] == [
        "…"
    ] * 3
