"""How class names relate: what one label says about another name.

Label sets disagree about names. One calls a thing ``aeroplane`` and another ``airplane``; one
labels a ``face`` where another labels the whole ``person``. Training needs to know, for a pixel
labelled with one name, whether another name is right there, wrong there, or not decided by the
label. That's what this file answers, from plain tables and without torch.
"""

from collections.abc import Iterable
from enum import IntEnum
from functools import cache

__all__ = [
    "HYPERNYMS",
    "OVERLAPPING",
    "PARTS",
    "RELATED",
    "SYNONYMS",
    "VAGUE",
    "Relation",
    "broader_names",
    "compatible",
    "plain_name",
    "prompt_names",
    "relation",
    "synonyms",
    "unsafe_negatives",
]


class Relation(IntEnum):
    """What a pixel's label says about another name at that pixel."""

    UNKNOWN = -1  # the label doesn't decide it
    NEGATIVE = 0  # the name is wrong there
    POSITIVE = 1  # the name is right there


def _names(text: str) -> frozenset[str]:
    return frozenset(name.strip() for name in text.split(","))


# Names of one and the same thing. No group holds two names that one label set lists side by side.
SYNONYMS: tuple[frozenset[str], ...] = (
    _names("aeroplane, airplane, plane"),
    _names("bicycle, bike"),
    _names("motorbike, motorcycle"),
    _names("sofa, couch"),
    _names("tv monitor, tv, television"),
    _names("potted plant, houseplant"),
    _names("bicyclist, cyclist"),
    _names("cow, cattle"),
    _names("rhinoceros, rhino"),
    _names("rhesus monkey, rhesus macaque"),
    _names("cell phone, mobile phone"),
    _names("hair drier, hair dryer"),
    _names("refrigerator, fridge"),
    _names("remote, remote control"),
    _names("mouse, computer mouse"),
    _names("keyboard, computer keyboard"),
    _names("donut, doughnut"),
    _names("teddy bear, stuffed toy"),
    _names("tennis racket, racket"),
    _names("tie, necktie"),
    _names("handbag, purse"),
    _names("swivel chair, office chair"),
    _names("road, street"),
    _names("sidewalk, pavement"),
    _names("traffic sign, road sign"),
    _names("sea, ocean"),
    _names("playingfield, playing field, sports field"),
    _names("railroad, railway track"),
    _names("rock, boulder"),
    _names("bush, shrub"),
    _names("leaves, foliage"),
    _names("dirt, soil"),
    _names("stairs, staircase"),
    _names("curtain, drapes"),
    _names("window blind, blinds"),
    _names("waterdrops, water drops"),
    _names("counter, countertop"),
    _names("wood floor, wooden floor"),
    _names("tile floor, tiled floor"),
    _names("tile wall, tiled wall"),
    _names("wood wall, wooden wall"),
    _names("vegetable, vegetables"),
    _names("pants, trousers"),
    _names("clothes, clothing"),
    _names("front glass, windshield, windscreen"),
    _names("person, human"),
    _names("shop, storefront"),
    _names("clouds, cloud"),
    _names("tree, trees"),
    _names("vegetation, greenery"),
    _names("pole, street pole"),
    _names("light, lamp"),
    _names("mat, floor mat"),
    _names("face, human face"),
    _names("body, human body"),
    _names("glass, drinking glass"),
    _names("plant pot, flower pot"),
    _names("hood, car hood"),
    _names("trunk, car trunk"),
    _names("tailgate, car tailgate"),
    _names("wheel, car wheel"),
    _names("ring, finger ring"),
    _names("watch, wristwatch"),
    _names("vest, waistcoat"),
    _names("intimate, underwear"),
    _names("flats, flat shoes"),
    _names("heels, high heels"),
    _names("pumps, pump shoes"),
    _names("wedges, wedge shoes"),
)

# Broader name -> kinds of it. A label is right for every broader name and undecided for every
# narrower one; where a broader name is known to be absent, so are its kinds.
HYPERNYMS: dict[str, frozenset[str]] = {
    "person": _names(
        "pedestrian, man, woman, child, boy, girl, baby, face, body, hair, skin, arm, leg, head"
    ),
    "body": _names("arm, leg"),
    "head": _names("face"),
    "animal": _names(
        "bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe, rhinoceros, flamingo,"
        "emu, cheetah, fox, hyena, lion, tiger, wolf, deer, otter, rhesus monkey, turtle, mammal"
    ),
    "mammal": _names(
        "cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe, rhinoceros, cheetah, fox,"
        "hyena, lion, tiger, wolf, deer, otter, rhesus monkey"
    ),
    "big cat": _names("cheetah, lion, tiger"),
    "monkey": _names("rhesus monkey"),
    "bird": _names("flamingo, emu"),
    "elephant": _names("african elephant"),
    "vehicle": _names("car, bus, truck, train, motorcycle, bicycle, boat, airplane"),
    "furniture": _names(
        "chair, couch, bed, table, dining table, desk, bench, cabinet, cupboard, shelf,swivel chair"
    ),
    "chair": _names("swivel chair"),
    "table": _names("dining table, desk"),
    "plant": _names("bush, flower, potted plant, leaves, moss"),
    "vegetation": _names("tree, bush, flower, grass, plant, leaves, moss"),
    "food": _names(
        "fruit, vegetable, banana, apple, sandwich, orange, broccoli, carrot, hot dog, pizza,"
        "donut, cake, salad, chicken, meatball, nuts, cheese, potato, noodles, rice, bread, tofu,"
        "egg, tempeh"
    ),
    "fruit": _names("banana, apple, orange"),
    "vegetable": _names("broccoli, carrot"),
    "building": _names("house, skyscraper"),
    "wall": _names(
        "brick wall, concrete wall, panel wall, stone wall, tile wall, wood wall, plastered wall"
    ),
    "floor": _names("marble floor, stone floor, tile floor, wood floor"),
    "ceiling": _names("tile ceiling"),
    "ground": _names("dirt, gravel, mud, sand"),
    "water": _names("sea, river, lake, waterdrops"),
    "sky": _names("clouds"),
    "sign": _names("traffic sign, stop sign"),
    "traffic sign": _names("stop sign"),
    "rug": _names("carpet"),
    "textile": _names("blanket, towel, curtain, cloth, napkin"),
    "ball": _names("sports ball, basketball"),
    "sports ball": _names("basketball"),
    "bag": _names("handbag, backpack, suitcase"),
    "footwear": _names(
        "shoes, boots, clogs, flats, heels, loafers, pumps, sandals, sneakers, wedges"
    ),
    "shoes": _names("clogs, flats, heels, loafers, pumps, sneakers, wedges"),
    "clothes": _names(
        "blazer, blouse, bodysuit, bra, cape, cardigan, coat, dress, hoodie, intimate, jacket,"
        "jeans, jumper, leggings, panties, pants, romper, shirt, shorts, skirt, socks, stockings,"
        "suit, sweater, sweatshirt, swimwear, t-shirt, tights, top, vest, scarf"
    ),
    "jewellery": _names("bracelet, earrings, necklace, ring"),
}

# Whole -> parts of it, or things worn as part of it. A part's label is right for the whole (worn
# clothes are `person` in VOC and COCO); the whole's label leaves the part undecided. Unlike kinds,
# parts may occur where the whole is absent (a wheel without a car).
PARTS: dict[str, frozenset[str]] = {
    "person": _names(
        "blazer, blouse, bodysuit, bra, cape, cardigan, coat, dress, hoodie, intimate, jacket,"
        "jeans, jumper, leggings, panties, pants, romper, shirt, shorts, skirt, socks, stockings,"
        "suit, sweater, sweatshirt, swimwear, t-shirt, tights, top, vest, scarf, belt, glasses,"
        "sunglasses, gloves, hat, shoes, boots, clogs, flats, heels, loafers, pumps, sandals,"
        "sneakers, wedges, watch, ring, bracelet, earrings, necklace"
    ),
    "car": _names(
        "back bumper, back glass, back left door, back left light, back right door,"
        "back right light, front bumper, front glass, front left door, front left light,"
        "front right door, front right light, hood, left mirror, right mirror, tailgate, trunk,"
        "wheel"
    ),
    "building": _names("facade, balcony"),
}

# Names whose pixels may be each other's whatever the labels say, even within one set.
OVERLAPPING: tuple[frozenset[str], ...] = (
    _names("person, clothes"),
    _names("person, tie"),
    _names("sky, fog"),
    _names("plant, potted plant"),
    _names("flower, potted plant, vase"),
    _names("cloth, textile"),
    _names("rock, stone"),
    _names("cabinet, cupboard"),
)

# Names that different sets draw the line between differently: undecided across sets. A set that
# lists both does tell them apart, so within it they're negatives of each other.
RELATED: tuple[frozenset[str], ...] = (
    _names("person, bicyclist, pedestrian, bicycle rider, motorcyclist"),
    _names("bicyclist, bicycle"),
    _names("person, face, body, hair, skin, head, arm, leg"),
    _names("road, sidewalk, ground, platform, gravel, dirt, path, railroad"),
    _names("grass, field, playingfield, ground, plant, dirt, straw, moss, hill"),
    _names("ground, floor, sand, snow, mud, dirt, platform"),
    _names("tree, bush, plant, leaves, branch, flower, potted plant, vegetation, wood, forest"),
    _names("potted plant, plant pot, vase, plant, flower, vegetation"),
    _names("building, facade, house, skyscraper, roof, wall, window, door, balcony, shop, bridge"),
    _names("building, tent, stairs, railing, banner, sign, tower, church, palace"),
    _names("facade, wall, door, brick wall, stone wall, concrete wall, roof, stairs, window blind"),
    _names("wall, fence, railing, brick wall, stone wall, concrete wall, wood wall, panel wall"),
    _names("wall, door, window, cabinet, ceiling, mirror, counter"),
    _names("window, glass, mirror, curtain, window blind, door"),
    _names("fence, railing, cage, net, pole, balcony"),
    _names("floor, carpet, rug, mat, ground"),
    _names("table, dining table, desk, counter, furniture"),
    _names("furniture, cabinet, cupboard, shelf, counter, bench, table, bed, couch, chair"),
    _names("chair, couch, bench, swivel chair, armchair"),
    _names("bed, blanket, pillow, couch"),
    _names("sky, clouds, fog"),
    _names("water, sea, river, lake, waterdrops, waterfall, swimming pool, fog"),
    _names("mountain, hill, rock, stone, snow, tree"),
    _names("rock, stone, gravel, stone wall, stone floor, mountain"),
    _names("snow, mountain, ice"),
    _names("sand, beach, dirt, desert, ground"),
    _names("sign, traffic sign, stop sign, traffic light, banner, traffic sign or light, pole"),
    _names("light, lamp, traffic light, pole"),
    _names("car, truck, bus, van, taxi, vehicle, train"),
    _names("boat, ship, canoe, sailboat"),
    _names("dish, plate, bowl, cup, pan, glass, food, wine glass, spoon, fork, knife"),
    _names("glass, cup, wine glass, bottle, mug"),
    _names("milk, bottle, cup, glass, carton, cardboard, drink"),
    _names("food, fruit, vegetable, salad, plate, dish, bowl, cake, sandwich"),
    _names("vegetable, salad, broccoli, carrot, potato, tofu, nuts, fruit, leaves"),
    _names("bread, sandwich, hot dog, cake, pizza, donut"),
    _names("bag, handbag, backpack, suitcase, wallet, accessories"),
    _names("cloth, textile, clothes, blanket, towel, napkin, rug, curtain, banner, mat, pillow"),
    _names("tv, laptop, monitor, screen, computer"),
    _names("paper, cardboard, book, banner, napkin"),
    _names("jacket, coat, blazer, cardigan, suit, cape, vest, sweater, jumper, hoodie"),
    _names("sweater, jumper, sweatshirt, hoodie, cardigan, top"),
    _names("shirt, blouse, t-shirt, top, sweater, dress, vest, bodysuit"),
    _names("pants, jeans, leggings, tights, stockings, shorts, suit, romper"),
    _names("bra, panties, intimate, swimwear, bodysuit"),
    _names("socks, stockings, tights, leggings, skin"),
    _names("glasses, sunglasses"),
    _names("shoes, boots, clogs, flats, heels, loafers, pumps, sandals, sneakers, wedges"),
    _names("skin, face, arm, leg, body"),
    _names("hat, helmet, cap"),
    _names("dog, wolf, fox, hyena"),
    _names("deer, antelope, moose"),
    _names("fruit, apple, orange, banana"),
    _names("apple, fruit, vegetable"),
)

# Names of materials and leftovers ("furniture-other"). They only say something about the names
# of their own set.
VAGUE: frozenset[str] = _names(
    "metal, plastic, wood, stone, solid object, structural element, textile, cloth, furniture,"
    "accessories, other structure, straw, light, traffic sign or light, net, paper, cardboard"
)


def plain_name(name: str) -> str:
    """Return a name as the tables spell it: lower case, single spaces, no underscores."""
    return " ".join(name.lower().replace("_", " ").split())


@cache
def synonyms(name: str) -> frozenset[str]:
    """Return every name of the same thing, the name itself included."""
    name = plain_name(name)
    return next((group for group in SYNONYMS if name in group), frozenset({name}))


@cache
def _closure(name: str, with_parts: bool) -> frozenset[str]:
    tables = (HYPERNYMS, PARTS) if with_parts else (HYPERNYMS,)
    found: set[str] = set()
    waiting = set(synonyms(name))
    while waiting:
        current = waiting.pop()
        for table in tables:
            for broad, kinds in table.items():
                if current in kinds and broad not in found:
                    found |= synonyms(broad)
                    waiting |= synonyms(broad)
    return frozenset(found) - synonyms(name)


def broader_names(name: str, *, with_wholes: bool = False) -> frozenset[str]:
    """Return the names that hold wherever this one does, without its synonyms.

    Args:
        name: A class name.
        with_wholes: Also what the name is a part of (a wheel belongs to a car).
    """
    return _closure(plain_name(name), with_wholes)


def _share_group(a: str, b: str, groups: Iterable[frozenset[str]]) -> bool:
    return any(group & synonyms(a) and group & synonyms(b) for group in groups)


def _share_head(a: str, b: str) -> bool:
    """Say whether the last word of one name occurs in the other (`sports car` and `car`)."""
    a_words, b_words = a.split(), b.split()
    return a_words[-1] in b_words or b_words[-1] in a_words


def relation(label: str, name: str, *, same_set: bool = False, exclusive: bool = False) -> Relation:
    """Say what a pixel's label means for another name at that pixel.

    Args:
        label: The pixel's label.
        name: The name asked about.
        same_set: Whether the set that gave the label lists both names (or a synonym). Its
            annotators then told related names apart.
        exclusive: With `same_set`, take any two listed names as exclusive, even where one is a
            broader name of the other (`wall` and `brick wall`), as a benchmark's argmax does.
    """
    label, name = plain_name(label), plain_name(name)
    if name in synonyms(label):
        return Relation.POSITIVE
    if same_set and exclusive:
        return Relation.NEGATIVE
    if name in broader_names(label, with_wholes=True):
        return Relation.POSITIVE
    if label in broader_names(name, with_wholes=True) or _share_group(label, name, OVERLAPPING):
        return Relation.UNKNOWN
    if same_set:
        return Relation.NEGATIVE
    if label in VAGUE or name in VAGUE:
        return Relation.UNKNOWN
    if _share_group(label, name, RELATED) or _share_head(label, name):
        return Relation.UNKNOWN
    return Relation.NEGATIVE


def compatible(a: str, b: str) -> bool:
    """Say whether pixels of either name are safe negatives for the other, across sets."""
    return relation(a, b) is Relation.NEGATIVE and relation(b, a) is Relation.NEGATIVE


@cache
def _known_names() -> frozenset[str]:
    groups = (*SYNONYMS, *OVERLAPPING, *RELATED, VAGUE)
    tables = (*HYPERNYMS.values(), *PARTS.values(), frozenset(HYPERNYMS), frozenset(PARTS))
    return frozenset().union(*groups, *tables)


@cache
def unsafe_negatives(name: str) -> frozenset[str]:
    """Return the names of the tables that must not be negatives where `name` is labelled."""
    return frozenset(other for other in _known_names() if not compatible(name, other))


@cache
def prompt_names(class_name: str) -> tuple[str, ...]:
    """Return the names to train a class under: its own first, then its synonyms."""
    return (class_name, *sorted(synonyms(class_name) - {class_name}))
