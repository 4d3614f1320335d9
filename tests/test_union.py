"""The union of the named vocabularies: every name once, those of one thing together."""

import pytest

from errseg.errors import InputError
from errseg.words.union import check_count, is_named, named_union
from errseg.words.vocabulary import load_vocabulary, named_vocabularies
from errseg.words.wordnet import find_whole


def classes_of(*names):
    return {prompt.name for prompt in named_union().classes if {*names} & {*prompt.synonyms}}


def test_every_name_stands_in_one_class():
    words = [word for prompt in named_union().classes for word in prompt.synonyms]
    named = {name for key in named_vocabularies() for name in load_vocabulary(key).names}
    assert sorted(words) == sorted(named)
    assert all(prompt.name == prompt.synonyms[0] for prompt in named_union().classes)


@pytest.mark.parametrize(
    "together",
    [("sofa", "couch"), ("cup", "cups"), ("aeroplane", "airplane"), ("sidewalk", "pavement")],
)
def test_names_of_one_thing_are_one_class(together):
    assert len(classes_of(*together)) == 1


@pytest.mark.parametrize(
    "apart",
    [("car", "toy car"), ("wall", "brick wall"), ("door", "cabinet door"), ("table", "desk")],
)
def test_kinds_and_parts_are_classes_of_their_own(apart):
    assert len(classes_of(*apart)) == len(apart)


def test_a_label_is_named_by_its_synonyms_too():
    assert is_named("couch", ["chair", "sofa"])
    assert is_named("Street", ["road"])
    assert not is_named("concrete wall", ["wall"])


def test_a_whole_name_is_found_and_a_head_noun_is_not():
    assert find_whole("Cups") == find_whole("cup") is not None
    assert find_whole("toy car") is None


@pytest.mark.parametrize("count", [0, -1, 101])
def test_a_number_of_words_out_of_range_is_refused(count):
    with pytest.raises(InputError, match="1 to 100 words"):
        check_count(count)
