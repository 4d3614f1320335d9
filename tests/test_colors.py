"""Colours are stable and told apart."""

import colorsys
import time

import numpy as np
import pytest

from errseg.pictures.colors import NONE_COLOR, class_color, class_colors, hex_color
from errseg.pictures.everyday import EVERYDAY, everyday_word
from errseg.words.relations import synonyms
from errseg.words.vocabulary import MAX_CLASSES, load_vocabulary

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


# Hue in degrees, and strength and value (HSV), from and to. Hues may pass 360.
GREEN, BLUE, RED = (70, 170), (195, 235), (330, 375)
VIVID, PALE, ANY = (0.4, 1), (0, 0.35), (0, 1)
EXPECTED = {
    "sky": (BLUE, VIVID, (0.9, 1)),
    "grass": (GREEN, VIVID, ANY),
    "tree": (GREEN, VIVID, (0, 0.6)),
    "plant": (GREEN, VIVID, ANY),
    "water": (BLUE, VIVID, ANY),
    "sea": (BLUE, VIVID, ANY),
    "river": (BLUE, VIVID, ANY),
    "lake": (BLUE, VIVID, ANY),
    "person": (RED, VIVID, ANY),
    "road": ((0, 360), (0, 0.12), (0.5, 0.8)),
    "wall": ((35, 60), (0.1, 0.4), (0.8, 1)),
    "sand": ((35, 60), (0.1, 0.5), (0.8, 1)),
    "snow": ((0, 360), (0, 0.15), (0.9, 1)),
    "floor": ((10, 45), VIVID, ANY),
    "dirt": ((10, 45), VIVID, (0, 0.5)),
    "car": ((210, 260), VIVID, ANY),
}
# What people type together.
SCENES = [
    "sky, tree, grass, mountain, building, tower, water",
    "dog, woman, grass, sky, trousers, hill",
    "sky, sea, sand, person, boat, palm",
    "sky, road, sidewalk, building, tree, grass, person, car, bus, bicycle, fence",
    "wall, floor, ceiling, window, door, table, chair, sofa, person, lamp",
    "snow, mountain, sky, tree, person, skis",
    "river, lake, water, sea, sky, grass, plant, dirt",
]


def looks_like(color, word) -> bool:
    """Whether a colour is in the range that a person expects of a word."""
    hue, *others = colorsys.rgb_to_hsv(*(value / 255 for value in color))
    (first, last), *ranges = EXPECTED[word]
    turned = (360 * hue - first) % 360 + first
    return first <= turned <= last and all(
        least <= value <= most for value, (least, most) in zip(others, ranges, strict=True)
    )


def scene_names(scene: str) -> list[str]:
    return scene.split(", ")


def test_a_color_is_a_function_of_the_name_alone():
    # Fixed, so that pictures of different days and versions compare.
    assert [class_color(name) for name in ("antler", "sky", "person")] == [
        (0, 210, 180),
        (120, 195, 255),
        (195, 15, 75),
    ]
    assert class_color(" Traffic \n LIGHT ") == class_color("traffic light")
    assert class_color("cafe\u0301") == class_color("caf\u00e9")


@pytest.mark.parametrize("scene", SCENES)
def test_everyday_words_look_as_people_expect_whatever_stands_beside_them(scene):
    names = scene_names(scene)
    colors = dict(zip(names, class_colors(names), strict=True))
    for name in EXPECTED.keys() & colors:
        assert looks_like(colors[name], name), (name, colors[name])
    for sight in DICHROMATS.values():
        assert least_distance(class_colors(names), sight) > 9


def test_another_name_of_an_everyday_word_has_its_color():
    for other, word in {
        "Street": "road",
        "ocean": "sea",
        "couch": "sofa",
        "shrub": "bush",
        "trees": "tree",
        "clouds": "cloud",
        "cars": "car",
        "earth": "dirt",
        "people": "person",
        "buses": None,
        "brick wall": None,
        "glass": None,
        "": None,
    }.items():
        assert everyday_word(other) == word
        if word:
            assert class_color(other) == EVERYDAY[word]


def test_two_names_of_one_thing_look_alike_and_are_told_apart():
    road, street = class_colors(["road", "street"])
    assert road == class_color("road")
    assert looks_like(road, "road")
    assert max(street) - min(street) < 40  # grey, too
    for sight in DICHROMATS.values():
        assert least_distance([road, street], sight) > 7
    assert class_colors(["street", "road"]) == (street, road)


def test_the_table_is_one_of_different_things_and_colors():
    assert len(set(EVERYDAY.values())) == len(EVERYDAY) >= 60
    for word in EVERYDAY:
        assert everyday_word(word) == word
        assert not (synonyms(word) - {word}) & EVERYDAY.keys()
    none = cielab([NONE_COLOR], DICHROMATS["normal"])
    distances = np.linalg.norm(cielab([*EVERYDAY.values()], DICHROMATS["normal"]) - none, axis=1)
    assert distances.min() > 9


ABSENT = ["hill", "trousers", "pants", "sky", "grass", "person", "wall", "rocket"]


@pytest.mark.parametrize("vocabulary", ["voc20", "context59", "ade150", "coco171", "ade847"])
def test_absent_words_change_no_color(vocabulary):
    generator = np.random.default_rng(0)
    named = load_vocabulary(vocabulary).names
    for count in (1, 3, 12, 20):
        names = generator.choice(named, count, replace=False).tolist()
        areas = generator.integers(1, 5, count).tolist()  # some are equal
        alone = class_colors(names, areas)
        added = [name for name in dict.fromkeys([*ABSENT, *named]) if name not in names]
        together = [*added, *names]
        order = generator.permutation(len(together))
        colors = class_colors(
            [together[i] for i in order], [[*[0] * len(added), *areas][i] for i in order]
        )
        by_name = dict(zip([together[i] for i in order], colors, strict=True))
        assert tuple(by_name[name] for name in names) == alone
        assert len(set(colors)) == len(colors)


def test_of_two_everyday_words_that_are_too_near_the_earlier_keeps_its_color():
    table = [*EVERYDAY]
    near = [
        (first, second)
        for place, first in enumerate(table)
        for second in table[place + 1 :]
        if least_distance([EVERYDAY[first], EVERYDAY[second]], DICHROMATS["normal"]) < 7
    ]
    assert near
    for first, second in near:
        for areas in ([0.9, 0.1], [0.1, 0.9]):
            kept, moved = class_colors([first, second], areas)
            assert kept == EVERYDAY[first]
            assert moved != EVERYDAY[second]


def test_the_largest_of_the_others_keeps_its_own_color():
    words = [name for name in load_vocabulary("ade847").names if everyday_word(name) is None]
    names = next(
        [one, other]
        for one in words
        for other in words
        if one != other and class_color(one) == class_color(other)
    )
    own = class_color(names[0])
    first, second = class_colors(names, [0.6, 0.3])
    assert first == own != second
    first, second = class_colors(names, [0.3, 0.6])
    assert second == own != first
    assert class_colors([*names, names[0]], [0.2, 0.3, 0.2])[0] == own  # both of its entries count
    assert class_colors(["sky", names[0]], [0.1, 0.9])[0] == class_color("sky")


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


def test_no_two_names_share_a_color():
    assert len(set(class_colors([f"class {i}" for i in range(64)]))) == 64
    everyday = [*EVERYDAY]
    assert len(set(class_colors(everyday))) == len(everyday)
    names = load_vocabulary("ade847").names
    colors = class_colors(names)
    assert len(set(colors)) == 847
    assert colors == class_colors(names)
    assert class_colors([]) == ()
    assert len(set(class_colors(["dog", "DOG", "dog "]))) == 1


def test_a_thousand_names_take_no_time():
    names = [f"class {i}" for i in range(MAX_CLASSES)]
    times = []
    for _ in range(3):  # the least: others use the machine too
        started = time.process_time()
        colors = class_colors(names)
        times.append(time.process_time() - started)
    assert min(times) < 0.3
    assert len(set(colors)) == MAX_CLASSES
    # None of them looks like pixels without a class.
    none = cielab([NONE_COLOR], DICHROMATS["normal"])
    assert np.linalg.norm(cielab(colors, DICHROMATS["normal"]) - none, axis=1).min() > 7


def test_colors_are_written_as_pages_read_them():
    assert hex_color((255, 0, 10)) == "#ff000a"
