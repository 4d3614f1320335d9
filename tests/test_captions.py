"""Names stand on their own segments, and the legend below has them all."""

from dataclasses import replace

import numpy as np
import pytest
from made_up_fonts import write_font
from test_overlay import COLORS, NAMES, PHOTO, three_stripes

from errseg.pictures.captions import labelled_overlay, name_plates
from errseg.pictures.colors import class_colors
from errseg.pictures.fonts import STAND_IN_NOTE, Fonts
from errseg.pictures.overlay import lay_colors, summarize

ONLY_DEJAVU = Fonts([])


def test_labelled_overlay_shows_the_photo_above_and_every_color_in_the_legend():
    labels = three_stripes().repeat(10, axis=0).repeat(10, axis=1)
    photo = PHOTO.repeat(10, axis=0).repeat(10, axis=1)
    legend = summarize(labels, np.ones(labels.shape), NAMES, COLORS)
    picture = np.asarray(labelled_overlay(photo, labels, legend))
    assert picture.shape[1] == 640
    assert 480 < picture.shape[0] < 600

    def holds(part, color):
        return (part == np.array(color)).all(axis=2).sum() > 50

    for entry in legend:
        assert holds(picture[480:], entry.color)  # swatch
        own = (labels == entry.index)[:, :, None]
        assert holds(np.where(own, picture[:480], 255), entry.color)  # plate on the segment
    assert not holds(picture, COLORS[3])  # absent
    changed = (picture[:480] != lay_colors(photo, labels, COLORS)).any(axis=2)
    assert 0.005 < changed.mean() < 0.1  # plates only


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (200, 3), (64, 64)])
def test_labelled_overlay_takes_any_size_and_any_names(size):
    names = ["x" * 100, "<b>", "犬", "chaise à bascule", "A"]
    labels = np.random.default_rng(0).integers(-1, 5, size)
    photo = np.zeros((*size, 3), np.uint8)
    legend = summarize(labels, np.ones(size), names, class_colors(names))
    picture = labelled_overlay(photo, labels, legend)
    assert picture.mode == "RGB"
    assert picture.width >= size[1]
    assert picture.height >= size[0]
    assert labelled_overlay(photo, np.full(size, -1), []).height > size[0]  # "none of these"


def test_names_that_no_font_has_are_stood_in_for_and_the_legend_says_so():
    names = ["天空", "🐕 dog", "w" * 100]
    labels = three_stripes().repeat(10, axis=0).repeat(10, axis=1) % 3
    legend = summarize(labels, np.ones(labels.shape), names, class_colors(names))
    plates = name_plates(labels, legend, ONLY_DEJAVU)
    texts = {plate.entry.index: plate.lettering.text for plate in plates}
    assert (texts[0], texts[1]) == ("class 0", "dog")
    assert texts[2].strip("w") == "…"
    for plate in plates:
        left, top, width, height = plate.box
        assert 0 <= left <= left + width <= 640
        assert 0 <= top <= top + height <= 480
        assert plate.lettering.width < width < 0.5 * 640
        assert plate.lettering.drawn().shape[0] <= height
    photo = np.zeros((*labels.shape, 3), np.uint8)
    noted = labelled_overlay(photo, labels, legend, fonts=ONLY_DEJAVU)
    readable = [replace(entry, name="class 0") if not entry.index else entry for entry in legend]
    plain = labelled_overlay(photo, labels, readable, fonts=ONLY_DEJAVU)
    line_height = noted.height - plain.height
    assert 15 < line_height < 40  # a note, below what is as if the class was called so
    assert (np.asarray(noted)[: plain.height - 15] == np.asarray(plain)[:-15]).all()
    assert (np.asarray(noted)[-line_height:] < 128).any()


def test_the_note_fits_below_the_smallest_photo():
    labels = np.zeros((1, 1), int)
    legend = summarize(labels, np.ones((1, 1)), ["天"], [(0, 0, 0)])
    photo = np.zeros((1, 1, 3), np.uint8)
    picture = labelled_overlay(photo, labels, legend, fonts=ONLY_DEJAVU)
    letters = 13  # pixels of an em and of the margin at each side
    note = ONLY_DEJAVU.lettering(STAND_IN_NOTE, -1, letters)
    assert note.width <= picture.width - 2 * letters


def test_plates_are_written_in_the_fonts_that_have_the_letters(tmp_path):
    labels = np.zeros((200, 300), int)
    legend = summarize(labels, np.ones(labels.shape), ["天空"], [(0, 90, 0)])
    fonts = Fonts([write_font(tmp_path / "sky.ttf", "天空")])
    [plate] = name_plates(labels, legend, fonts)
    assert plate.lettering.text == "天空"
    left, top, width, height = plate.box
    photo = np.zeros((200, 300, 3), np.uint8)
    picture = labelled_overlay(photo, labels, legend, legend_below=False, fonts=fonts)
    inside = np.asarray(picture)[top + 3 : top + height - 3, left + 3 : left + width - 3]
    assert (inside == 255).all(axis=2).mean() > 0.3  # the made-up font's letters are blocks


def test_a_long_name_ends_within_the_legend():
    labels = np.zeros((200, 300), int)
    legend = summarize(labels, np.ones(labels.shape), ["w" * 100], [(0, 90, 0)])
    picture = labelled_overlay(np.zeros((200, 300, 3), np.uint8), labels, legend)
    strip = np.asarray(picture)[200:]
    assert (strip[:, -13:] == 255).all()
    assert (strip[:, -60:-13] < 200).any()  # the area, at its end
