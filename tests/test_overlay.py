"""Overlays, summaries and palette masks show what the label map holds."""

import time

import numpy as np
import pytest
from PIL import Image

from errseg.pictures.colors import class_colors
from errseg.pictures.overlay import NONE_INDEX, lay_colors, palette_mask, summarize
from errseg.words.vocabulary import load_vocabulary

PHOTO = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
NAMES = ("dog", "grass", "sky", "unicorn")
COLORS = class_colors(NAMES)


def three_stripes():
    """Sky over grass, a dog in the grass, and a corner without a class."""
    labels = np.full((48, 64), 2)
    labels[24:] = 1
    labels[28:44, 8:40] = 0
    labels[:8, 48:] = -1
    return labels


def test_overlay_mixes_photo_and_color_pixel_by_pixel():
    labels = three_stripes()
    before = PHOTO.copy(), labels.copy()
    result = lay_colors(PHOTO, labels, COLORS, opacity=0.6)
    for y, x in [(40, 60), (35, 20), (10, 3)]:
        red, green, blue = (float(value) for value in PHOTO[y, x])
        grey = 0.299 * red + 0.587 * green + 0.114 * blue
        for channel in range(3):
            photo = 0.4 * PHOTO[y, x, channel] + 0.6 * grey
            expected = 0.4 * photo + 0.6 * COLORS[labels[y, x]][channel]
            assert abs(result[y, x, channel] - expected) < 3
    np.testing.assert_array_equal(PHOTO, before[0])
    np.testing.assert_array_equal(labels, before[1])


def test_overlay_draws_a_line_where_labels_change_and_nowhere_else():
    labels = three_stripes()
    lines = np.zeros(labels.shape, bool)
    for y in range(48):
        for x in range(64):
            right = labels[y, min(x + 1, 63)]
            below = labels[min(y + 1, 47), x]
            lines[y, x] = labels[y, x] != right or labels[y, x] != below
    black = np.zeros((48, 64, 3), np.uint8)
    result = lay_colors(black, labels, [(0, 0, 0)] * 4)
    np.testing.assert_array_equal((result == 255).all(axis=2), lines)


def test_pixels_without_a_class_are_grey_and_darker():
    labels = np.full((48, 64), -1)
    bright = np.full((48, 64, 3), (250, 180, 60), np.uint8)
    result = lay_colors(bright, labels, COLORS, opacity=1.0)
    assert (result == result[0, 0, 0]).all()
    assert result.mean() < 0.8 * bright.mean()
    assert (lay_colors(bright, labels, []) == lay_colors(bright, labels, COLORS)).all()


def test_opacity_runs_from_the_photo_to_the_colors():
    labels = np.zeros((48, 64), np.int16)
    np.testing.assert_array_equal(lay_colors(PHOTO, labels, COLORS, 0.0), PHOTO)
    assert (lay_colors(PHOTO, labels, COLORS, 1.0) == COLORS[0]).all()


def test_overlay_refuses_what_does_not_fit():
    labels = np.zeros((48, 64), int)
    for image, indices, opacity in [
        (PHOTO[..., 0], labels, 0.5),
        (PHOTO / 255, labels, 0.5),
        (PHOTO, labels[1:], 0.5),
        (PHOTO, labels + 4, 0.5),
        (PHOTO, labels - 2, 0.5),
        (PHOTO, labels, 1.5),
    ]:
        with pytest.raises(ValueError, match=r"must|not|for an image"):
            lay_colors(image, indices, COLORS, opacity)


def test_overlay_of_a_large_photo_is_fast():
    generator = np.random.default_rng(0)
    photo = generator.integers(0, 256, (768, 1024, 3), dtype=np.uint8)
    labels = generator.integers(-1, 4, (12, 16)).repeat(64, axis=0).repeat(64, axis=1)
    times = []
    for _ in range(5):
        start = time.thread_time()
        lay_colors(photo, labels, COLORS)
        times.append(time.thread_time() - start)
    assert min(times) < 0.1  # 0.03 on an idle core


def test_summary_counts_areas_and_means_as_a_loop_does():
    labels = three_stripes()
    scores = np.random.default_rng(1).random(labels.shape, np.float32)
    summary = summarize(labels, scores, NAMES, COLORS)
    assert [entry.name for entry in summary] == ["sky", "grass", "dog"]
    for entry in summary:
        own = [scores[y, x] for y in range(48) for x in range(64) if labels[y, x] == entry.index]
        assert entry.area == pytest.approx(len(own) / (48 * 64))
        assert entry.score == pytest.approx(np.mean(own), rel=1e-5)
        assert entry.color == COLORS[entry.index]
    assert sum(entry.area for entry in summary) == pytest.approx(1 - 8 * 16 / (48 * 64))


def test_summary_breaks_ties_by_index_and_accepts_nothing():
    labels = np.array([[2, 0], [1, -1]], np.int8)
    summary = summarize(labels, np.ones((2, 2)), NAMES, COLORS)
    assert [entry.index for entry in summary] == [0, 1, 2]
    assert summarize(np.full((2, 2), -1), np.zeros((2, 2)), NAMES, COLORS) == []


def test_palette_mask_survives_png_with_the_class_as_index(tmp_path):
    labels = three_stripes()
    mask, classes = palette_mask(labels, COLORS)
    mask.save(tmp_path / "mask.png")
    with Image.open(tmp_path / "mask.png") as read:
        assert read.mode == "P"
        indices = np.asarray(read)
        colors = np.asarray(read.convert("RGB"))
    assert classes == (0, 1, 2, 3)
    np.testing.assert_array_equal(indices, np.where(labels < 0, NONE_INDEX, labels))
    for index, color in enumerate(COLORS[:3]):
        assert (colors[labels == index] == color).all()
    assert len(np.unique(colors[labels < 0], axis=0)) == 1


def test_palette_mask_holds_255_classes_by_index():
    labels = np.arange(-1, 255).reshape(16, 16)
    mask, classes = palette_mask(labels, [(i, i, i) for i in range(255)])
    assert classes == tuple(range(255))
    np.testing.assert_array_equal(np.asarray(mask).ravel(), [255, *range(255)])


def test_palette_mask_of_a_large_vocabulary_counts_the_classes_present():
    colors = class_colors(load_vocabulary("ade847").names)
    labels = np.array([[846, 300, 300], [-1, 5, 846]])
    mask, classes = palette_mask(labels, colors)
    assert classes == (5, 300, 846)
    np.testing.assert_array_equal(np.asarray(mask), [[2, 1, 1], [255, 0, 2]])
    np.testing.assert_array_equal(np.asarray(mask.convert("RGB"))[0, 0], colors[846])


def test_palette_mask_drops_the_smallest_of_more_than_255_present():
    labels = np.concatenate([np.arange(300), np.arange(300)[45:]])[None]  # 0..44 once, others twice
    mask, classes = palette_mask(labels, [(0, 0, 0)] * 300)
    assert classes == tuple(range(45, 300))
    np.testing.assert_array_equal(np.asarray(mask)[0, :45], 255)
    np.testing.assert_array_equal(np.asarray(mask)[0, 45:300], np.arange(255))
