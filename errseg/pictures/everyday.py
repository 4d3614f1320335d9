"""The colours that people expect of everyday words."""

import functools
from collections.abc import Mapping
from types import MappingProxyType

from errseg.words.relations import plain_name, synonyms

Color = tuple[int, int, int]  # red, green, blue, each 0..255

EVERYDAY: Mapping[str, Color] = MappingProxyType(
    {
        "sky": (120, 195, 255),
        "grass": (120, 195, 45),
        "tree": (0, 105, 75),
        "water": (30, 105, 210),
        "person": (195, 15, 75),
        "sea": (0, 70, 160),
        "river": (45, 165, 225),
        "lake": (15, 135, 180),
        "road": (165, 165, 180),
        "sand": (240, 225, 165),
        "snow": (225, 240, 255),
        "wall": (225, 210, 165),
        "floor": (180, 120, 75),
        "car": (30, 45, 210),
        "building": (120, 75, 0),
        "dog": (255, 210, 75),
        "cat": (180, 90, 165),
        "sidewalk": (165, 135, 210),
        "plant": (75, 195, 135),
        "bush": (120, 135, 0),
        "flower": (225, 105, 210),
        "mountain": (105, 90, 135),
        "hill": (165, 165, 120),
        "field": (240, 255, 150),
        "dirt": (105, 60, 0),
        "ground": (165, 150, 105),
        "rock": (150, 135, 135),
        "cloud": (195, 210, 210),
        "path": (210, 195, 165),
        "vegetation": (0, 60, 30),
        "man": (135, 15, 45),
        "woman": (240, 60, 60),
        "child": (255, 135, 150),
        "ceiling": (210, 180, 195),
        "window": (150, 225, 255),
        "door": (120, 60, 0),
        "house": (195, 105, 0),
        "roof": (105, 15, 30),
        "bridge": (150, 135, 165),
        "fence": (150, 135, 105),
        "horse": (105, 45, 0),
        "cow": (90, 45, 75),
        "sheep": (240, 225, 210),
        "bird": (240, 255, 165),
        "bus": (255, 225, 0),
        "truck": (75, 0, 150),
        "train": (75, 150, 120),
        "bicycle": (240, 75, 0),
        "motorcycle": (195, 45, 165),
        "boat": (255, 165, 135),
        "airplane": (135, 75, 240),
        "table": (90, 15, 0),
        "chair": (240, 135, 0),
        "sofa": (150, 60, 195),
        "bed": (90, 120, 225),
        "rug": (180, 0, 75),
        "curtain": (225, 120, 195),
        "lamp": (255, 240, 105),
        "cabinet": (165, 90, 0),
        "tv": (45, 45, 90),
        "book": (120, 225, 225),
        "bottle": (45, 180, 135),
        "cup": (240, 135, 195),
        "food": (255, 180, 75),
    }
)
"""Word -> its colour; of two that are too near, the earlier keeps its own.

The hues are those of the things themselves (sky, plants, water, earth, snow) and, where things have
any colour, those that label images are often drawn in: people red, cars blue, roads grey. Within a
hue, lightness and strength were then moved as little as needed for words that are often seen
together (a street, a beach, a meadow, a room, a table, a farm) to be 0.076 apart in OKLab for
normal sight and for sight without green and without red cones. That was searched for by coordinate
descent over a grid of RGB in steps of 15.
"""
_OTHER_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "earth": "dirt",
        "people": "person",
        "pedestrian": "person",
        "men": "man",
        "women": "woman",
        "children": "child",
        "kid": "child",
        "windowpane": "window",
        "dining table": "table",
        "carpet": "rug",
    }
)
"""Plain names of the same that label sets keep apart from the word or don't know."""


@functools.lru_cache(2**14)  # names have no end on a server; these are some MB
def everyday_word(name: str) -> str | None:
    """Find the everyday word that a name is, or is another name of: ``street`` is ``road``.

    A plural counts as its singular where it ends in s. A name that only says more (``brick wall``)
    is none of them.
    """
    name = plain_name(name)
    for known in (name, name.removesuffix("s")):
        word = _OTHER_NAMES.get(known, known)
        if word in EVERYDAY:
            return word
    return next((word for word in EVERYDAY if word in synonyms(name)), None)
