"""Colours are stable and told apart; pictures show what the label map holds."""

import time

import numpy as np
import pytest
from PIL import Image

from errseg.pictures.captions import labelled_overlay
from errseg.pictures.colors import class_color, class_colors, hex_color
from errseg.pictures.overlay import (
    NONE_INDEX,
    lay_colors,
    palette_mask,
    summarize,
)
from errseg.words.vocabulary import load_vocabulary

# Viénot, Brettel and Mollon, "Digital video colourmaps for checking the legibility of displays by
# dichromats" (1999), in linear RGB: another simulation than the one the colours are chosen by.
DICHROMATS = {
    "normal": np.eye(3),
    "deuteranopia": np.array(
        [[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]]
    ),
    "protanopia": np.array([[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]]),
}


def cielab(colors, sight):
    """CIE 1976 L*a*b* (D65) of sRGB colours as seen with one kind of sight."""
    scaled = np.array(colors) / 255
    linear = np.where(scaled <= 0.04045, scaled / 12.92, ((scaled + 0.055) / 1.055) ** 2.4)
    linear = np.clip(linear @ sight.T, 0, 1)
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    xyz = linear @ to_xyz.T / to_xyz.sum(axis=1)
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack(
        [116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1
    )


def least_distance(colors, sight):
    """The smallest CIE 1976 colour difference between any two colours."""
    lab = cielab(colors, sight)
    distances = np.linalg.norm(lab[:, None] - lab[None], axis=-1)
    return distances[~np.eye(len(colors), dtype=bool)].min()


def test_a_color_is_a_function_of_the_name_alone():
    # Fixed, so that pictures of different days and versions compare.
    assert [class_color(name) for name in ("dog", "sky", "person")] == [
        (150, 90, 255),
        (75, 180, 240),
        (165, 15, 0),
    ]
    assert class_color(" Traffic \n LIGHT ") == class_color("traffic light")
    assert class_color("cafe\u0301") == class_color("caf\u00e9")


def test_colors_depend_on_the_set_of_names_not_on_their_order():
    names = list(load_vocabulary("ade847").names[:100])
    colors = dict(zip(names, class_colors(names), strict=True))
    shuffled = [names[i] for i in np.random.default_rng(0).permutation(len(names))]
    assert class_colors(shuffled) == tuple(colors[name] for name in shuffled)


def test_most_classes_of_a_short_vocabulary_keep_their_own_color():
    words = load_vocabulary("context459").names
    generator = np.random.default_rng(0)
    kept = []
    for _ in range(100):
        names = generator.choice(words, 6, replace=False).tolist()
        colors = class_colors(names)
        kept.append(np.mean([class_color(n) == c for n, c in zip(names, colors, strict=True)]))
    assert np.mean(kept) > 0.65


@pytest.mark.parametrize("sight", DICHROMATS)
@pytest.mark.parametrize(("count", "least"), [(4, 9), (12, 9), (24, 5)])
def test_colors_are_told_apart_by_all_eyes(sight, count, least):
    words = load_vocabulary("context459").names
    generator = np.random.default_rng(count)
    distances = [
        least_distance(
            class_colors(generator.choice(words, count, replace=False).tolist()),
            DICHROMATS[sight],
        )
        for _ in range(60)
    ]
    assert min(distances) > least  # 2.3 is just noticeable


def test_64_classes_have_64_colors_and_847_have_847():
    assert len(set(class_colors([f"class {i}" for i in range(64)]))) == 64
    names = load_vocabulary("ade847").names
    colors = class_colors(names)
    assert len(set(colors)) == 847
    assert colors == class_colors(names)
    assert class_colors([]) == ()
    assert len(set(class_colors(["dog", "DOG", "dog "]))) == 1


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
        start = time.perf_counter()
        lay_colors(photo, labels, COLORS)
        times.append(time.perf_counter() - start)
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
    assert hex_color((255, 0, 10)) == "#ff000a"


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
