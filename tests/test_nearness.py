"""Names that may stand at the same pixels, and those that can't."""

import pytest

from errseg.words.nearness import NearNames, are_near

NEAR = (
    ("sofa", "couch"),  # synonyms
    ("dog", "animal"),  # a kind, by the tables
    ("capybara", "rodent"),  # a kind, by WordNet
    ("wheel", "car"),  # a part
    ("sky", "clouds"),  # between which sets don't draw the same line
    ("sports car", "car"),  # by the head noun
    ("furniture-other", "sofa"),
    ("Dogs", "dog"),
)
APART = (("dog", "cat"), ("zebra", "horse"), ("boat", "airplane"), ("sky", "grass"))


CASES = [(*pair, True) for pair in NEAR] + [(*pair, False) for pair in APART]


@pytest.mark.parametrize(("one", "other", "near"), CASES)
def test_names_are_near_both_ways_or_not_at_all(one, other, near):
    assert are_near(one, other) is are_near(other, one) is near


def test_many_names_are_looked_up_as_one_by_one():
    names = [name for pair in NEAR + APART for name in pair]
    found = NearNames(names)
    for word in names:
        assert found.near([word]) == {i for i, name in enumerate(names) if are_near(word, name)}
    assert found.near(["dog", "sky"]) == found.near(["dog"]) | found.near(["sky"])
    assert found.near([]) == frozenset()
