"""Colours are stable and told apart."""

import numpy as np
import pytest

from errseg.pictures.colors import class_color, class_colors, hex_color
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


def test_colors_are_written_as_pages_read_them():
    assert hex_color((255, 0, 10)) == "#ff000a"
