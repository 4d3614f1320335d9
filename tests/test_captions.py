"""Names stand on their own segments, and the legend below has them all."""

import numpy as np
import pytest
from test_overlay import COLORS, NAMES, PHOTO, three_stripes

from errseg.pictures.captions import labelled_overlay
from errseg.pictures.colors import class_colors
from errseg.pictures.overlay import lay_colors, summarize


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
