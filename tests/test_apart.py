"""Things that lists tell apart, though they are alike."""

import pytest

from errseg.words.apart import TELL_APART, ApartNames
from errseg.words.union import named_union
from errseg.words.vocabulary import load_vocabulary

TOLD_APART = (("road", "sidewalk"), ("plant", "grass"), ("cup", "bottle"), ("car", "truck"))
BOTH_RIGHT = (
    ("sofa", "couch"),  # one thing
    ("table", "coffee table"),  # a kind, listed beside its broader name
    ("person", "apparel"),  # worn
    ("wall", "building"),  # a part
    ("window", "house"),  # a part of what is a kind
    ("tree", "wood"),  # a material
    ("road", "road"),
)
NOT_LISTED = (("otter", "beaver"), ("capybara", "dog"))


def is_apart(one, other):
    return ApartNames([[other]]).apart([one], [0]) == [0]


@pytest.mark.parametrize("pair", TOLD_APART)
def test_what_a_list_has_side_by_side_is_told_apart(pair):
    assert is_apart(*pair)
    assert is_apart(*reversed(pair))


@pytest.mark.parametrize("pair", BOTH_RIGHT + NOT_LISTED)
def test_where_both_may_be_right_nothing_is(pair):
    assert not is_apart(*pair)
    assert not is_apart(*reversed(pair))


def test_only_what_is_looked_at_is_found_and_all_synonyms_are_asked():
    names = ApartNames([["sidewalk", "pavement"], ["cat"], ["ground"]])
    assert names.apart(["road"], [0, 1, 2]) == [0, 1, 2]
    assert names.apart(["road"], [1]) == [1]
    assert names.apart(["street view", "road"], [0]) == [0]
    assert names.apart(["street view"], [0]) == []


def test_a_thing_of_the_lists_is_told_apart_from_others_of_its_own_lists_alone():
    union = named_union().classes
    names = ApartNames([prompt.synonyms for prompt in union])
    for word in ("road", "cup", "chair"):
        beside = {n for v in TELL_APART if word in (own := load_vocabulary(v).names) for n in own}
        for place in names.apart([word], range(len(union))):
            assert beside & {*union[place].synonyms}
