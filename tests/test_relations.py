"""What one label says about another name, by hand."""

import pytest

from errseg.words.relations import (
    Relation,
    broader_names,
    plain_name,
    prompt_names,
    relation,
    synonyms,
)

RIGHT, WRONG, OPEN = Relation.POSITIVE, Relation.NEGATIVE, Relation.UNKNOWN


@pytest.mark.parametrize(
    ("label", "name", "said"),
    [
        ("sofa", "couch", RIGHT),
        ("Tv_monitor", "television", RIGHT),
        ("dog", "animal", RIGHT),
        ("rhesus macaque", "animal", RIGHT),  # by a synonym and a kind of a kind
        ("animal", "dog", OPEN),  # another animal, perhaps
        ("face", "person", RIGHT),
        ("dress", "person", RIGHT),  # worn
        ("car wheel", "car", RIGHT),
        ("car", "wheel", OPEN),
        ("person", "necktie", OPEN),
        ("cabinet", "cupboard", OPEN),
        ("road", "pavement", OPEN),  # sets draw the line differently
        ("grass", "field", OPEN),
        ("river", "sea", OPEN),
        ("sports car", "car", OPEN),  # the last word in common
        ("metal", "dog", OPEN),  # of what is the dog?
        ("dog", "cat", WRONG),
        ("sky", "grass", WRONG),
        ("car", "road", WRONG),
    ],
)
def test_a_label_says_of_a_name(label, name, said):
    assert relation(label, name) is said


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("pedestrian", "person"),
        ("tree", "vegetation"),
        ("traffic sign", "sign"),
        ("facade", "building"),
        ("skyscraper", "building"),
        ("clothes", "person"),
        ("flower", "plant"),
        ("desk", "dining table"),
        ("wood floor", "floor"),
        ("clouds", "sky"),
        ("pizza", "food"),
        ("Sofa", "chair"),
        ("Sofa", "furniture"),
    ],
)
def test_names_of_overlapping_things_are_never_negatives(a, b):
    assert relation(a, b) is not WRONG
    assert relation(b, a) is not WRONG


def test_broader_names_hold_wherever_a_name_does():
    assert broader_names("cheetah") == {"animal", "mammal", "big cat"}
    assert broader_names("couch") == broader_names("Sofa") == {"furniture"}
    assert broader_names("face") == {"head", "person", "human"}
    assert broader_names("wheel") == frozenset()
    assert broader_names("wheel", with_wholes=True) == {"car", "vehicle"}
    assert broader_names("kite", with_wholes=True) == frozenset()


def test_prompts_start_with_the_sets_own_name():
    assert prompt_names("sofa") == ("sofa", "couch")
    assert prompt_names("couch") == ("couch", "sofa")
    assert prompt_names("kite") == ("kite",)
    assert synonyms("kite") == {"kite"}


def test_names_are_compared_as_the_tables_spell_them():
    assert plain_name(" Traffic_Light  red") == "traffic light red"
    assert synonyms("AEROPLANE") == {"aeroplane", "airplane", "plane"}
