"""What is said of words that may be several, aren't known, or ask for what isn't understood."""

from collections import Counter

import pytest
from worst_words import worst_names

from errseg.demo.backend.examples import load_examples
from errseg.errors import InputError
from errseg.words import hints as module
from errseg.words import known, parting
from errseg.words.beyond import beyond
from errseg.words.hints import MOST_HINTS, Hint, Reader, hints
from errseg.words.names import MAX_NAME_LENGTH, MAX_TEXT_LENGTH
from errseg.words.vocabulary import (
    MAX_CLASSES,
    load_vocabulary,
    named_vocabularies,
    parse_classes,
)


def spelt_out(name: str) -> float:
    """A text tower that met these words often, and spells out all others."""
    return 1 if name in ("smartphone", "tre") else 3


READER = Reader("errseg-lite", spelt_out)


def told(words, reader=READER) -> tuple[Hint, ...]:
    return hints(parse_classes(words), reader)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("sky and tree", "sky, tree"),
        ("temple, sky and tree", "temple, sky, tree"),
        ("cat or dog", "cat, dog"),
        ("car/bus", "car, bus"),
        ("cat / dog / bird", "cat, dog, bird"),
        ("cat & dog", "cat, dog"),
        ("temple sky tree grass dog", "temple, sky, tree, grass, dog"),
        ("dog cat", "dog, cat"),
        ("temple.sky.tree", "temple, sky, tree"),
        ("cat | dog | tree", "cat, dog, tree"),
        ("where is the dog?", "dog"),
        ("please segment the sky and all the trees", "sky, trees"),
        ("dog, sky and dog", "dog, sky"),  # once
    ],
)
def test_what_may_be_several_is_asked_about(typed, meant):
    (hint,) = told(typed)
    assert hint.words == meant
    assert "read as" in hint.sentence
    assert told(typed, None) == (hint,)  # whatever the model
    assert told(hint.words) == ()


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("person on the left", "person"),
        ("the dog behind the sofa", "dog"),
        ("leftmost car", "car"),
        ("the second dog", "dog"),
        ("two cats", "cats"),
        ("3rd person", "person"),
        ("all of the trees", "trees"),
        ("not a cat", "cat"),
        ("person without a hat", "person"),
        ("everything except sky", "sky"),
        ("everything else", ""),
        ("largest car", "car"),
        ("dogs bigger than cats", "dogs"),
    ],
)
def test_places_counts_negation_and_comparisons_are_not_understood(typed, meant):
    for reader in (READER, None):
        (hint,) = told(typed, reader)
        assert hint.words == meant
        assert f"“{typed}”" in hint.sentence
        assert "understood" in hint.sentence


@pytest.mark.parametrize(
    "typed", ["everything", "all objects", "what is this?", "What's in the picture?"]
)
def test_who_asks_what_there_is_hears_what_finds_it(typed):
    for reader in (READER, None):
        (hint,) = told(typed, reader)
        assert "“What is in it?”" in hint.sentence
        assert hint.words == ""


@pytest.mark.parametrize(
    ("typed", "best"),
    [
        ("tempel", "temple"),
        ("skie", "sky"),
        ("tre", "tree"),  # also if the tower met it
        ("elefant", "elephant"),
        ("bycicle", "bicycle"),
        ("umbrela", "umbrella"),
        ("hous", "house"),
        ("grean aple", "green apple"),
        ("trafic light", "traffic light"),  # of which a word is known
        ("couhc | sofa", "couch | sofa"),
    ],
)
def test_a_word_that_isn_t_known_comes_with_the_nearest(typed, best):
    first, *rest = told(typed)
    assert first.words == best
    assert best.split(" | ")[0] in first.sentence
    assert [hint.sentence for hint in rest] == [
        "errseg-lite reads English, and strange words by their spelling."
    ]
    assert told(typed, None) == ()  # CLIP has met words of every kind


def test_each_strange_word_has_its_sentence():
    sentences = [hint.sentence for hint in told("tempel, skie, tre, dog, xqzvwk")]
    for word, near in (("tempel", "temple"), ("skie", "sky"), ("tre", "tree")):
        (said,) = (sentence for sentence in sentences if f"“{word}”" in sentence)
        assert said.startswith(f"“{word}”: not a word errseg-lite knows; {near}")
    assert "“xqzvwk”: not a word errseg-lite knows." in sentences
    assert not any("“dog”" in sentence for sentence in sentences)


@pytest.mark.parametrize(
    "words",
    [
        "red car, sports car, alpacas, geese, running, fluffy, hoodie, firetruck, doghouse",
        "café, crème brûlée, façade, jalapeño",
        "colour, grey, aeroplane, t-shirt, lord's table, hot-air balloon",
        "smartphone",  # not in WordNet, but met often
        "black and white dog, girl with a pearl earring, top hat, front door, no parking sign",
        "sofa | couch",
        "dining room table, tree",
        *(example.classes for example in load_examples()),
    ],
)
def test_nothing_is_said_of_plain_names(words):
    assert told(words) == ()


@pytest.mark.parametrize("name", named_vocabularies())
def test_nothing_is_said_of_the_benchmarks_names(name):
    assert hints(load_vocabulary(name), READER) == ()


def test_imagenet_s_names_are_known():
    from errseg.network.lite_sources import imagenet_synonyms

    assert sum(not known.is_known(name) for names in imagenet_synonyms() for name in names) < 15


@pytest.mark.parametrize("reader", [READER, None])
def test_words_in_another_script_are_named_once(reader):
    (hint,) = told("猫, собака, dog", reader)
    assert hint.sentence.endswith("reads English; “猫”, “собака” are written in another script.")
    assert told("cat 猫, dog", reader) == ()  # one word of it can be read


def test_of_many_strange_words_the_first_are_named():
    words = [f"{a}{b}{c}qzxwv" for a in "abcdefghij" for b in "abcdefghij" for c in "klmnopqrst"]
    found = hints(parse_classes(words), READER)
    assert len(found) == MOST_HINTS + 2
    assert max(len(hint.sentence) for hint in found) < 200


def test_a_thing_may_be_beyond_understanding_in_two_ways():
    assert beyond("the second dog on the left").thing == "dog"
    assert beyond("dog") is None


@pytest.mark.parametrize("text", ["a" * 24, "zq" * 12, "é" * 20])
def test_nearest_words_of_anything(text):
    assert len(known.nearest(text)) <= known.MOST_NEAREST


def test_what_can_t_be_read_has_no_hints():
    with pytest.raises(InputError):
        told("")


@pytest.mark.parametrize("kind", worst_names())
def test_looking_at_the_worst_names_is_bounded(kind, monkeypatch):
    """Counted, not timed: a text of 50,000 characters is read again with every key."""
    vocabulary = parse_classes(worst_names()[kind], limit=MAX_CLASSES)
    looked = Counter()

    def count(place, name, amount):
        own = getattr(place, name)

        def counted(word, *more, **named):
            looked[name] += amount(word)
            return own(word, *more, **named)

        monkeypatch.setattr(place, name, counted)

    count(known, "nearest", lambda word: 1)
    for place, name in ((known, "is_sure"), (parting, "parts"), (module.beyond, "beyond")):
        count(place, name, len)
    found = hints(vocabulary, READER)
    assert looked["nearest"] <= 8
    assert looked["is_sure"] <= 12_000 + MAX_NAME_LENGTH
    assert looked["parts"] <= 3000
    assert looked["beyond"] <= 3 * 3000  # thrice: questions name it, too, and what remains
    written = sum(len(hint.words) for hint in found)
    assert written <= 100_000 + MAX_TEXT_LENGTH
    assert all(bool(hint.label) == bool(hint.words) for hint in found)


def test_words_that_all_may_be_slips_are_looked_up_while_there_is_room():
    assert told("tempel skie tre grean")[0].words == "temple sky tree green"
    long = told("tempel skie tre grean aple")
    assert long[0] == Hint("“tempel skie tre grean aple”: not a word errseg-lite knows.")
    many = told(", ".join(f"tempel skie tr{letter}" for letter in "uvwxz"))
    assert [bool(hint.words) for hint in many[:5]] == [True, True, False, False, False]


def test_what_asks_for_something_within_something_is_looked_at_so_deep():
    assert beyond("the second dog on the left").thing == "dog"
    assert beyond("second " * 13 + "dog").thing == "second " * 9 + "dog"


def test_synonyms_that_mean_the_same_are_no_list():
    assert told("sofa | couch | tree") == ()
    (hint,) = told("sofa | tree | road")
    assert hint.words == "sofa, tree, road"
