"""Whatever is typed is read or refused in a sentence, in time; what was read is read again."""

import time
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worst_words import HIGH, LOW, plain_text, worst_names, worst_texts

from errseg.demo.backend import word_help
from errseg.demo.page.controls import kept_bound
from errseg.errors import InputError
from errseg.words import known
from errseg.words.hints import Reader, hints
from errseg.words.names import MAX_ENTRIES, MAX_MARKS, MAX_NAME_LENGTH, MAX_TEXT_LENGTH
from errseg.words.vocabulary import MAX_CLASSES, load_vocabulary, parse_classes

EXAMPLES = settings(max_examples=300, deadline=None, derandomize=True)
# What does something to a text, more often than any character would turn up by itself.
ODD = [*",;|\t\n\r \uff0c\uff5c\u037e\u3001", "\u200b", "\u200d", "\ufe0f", "\u3164", "\u00ad"]
ODD += ["\u0301", "\u0323", "\u0344", "\u1112\u1161\u11ab", "\ufb2c", "\u212a", "\ud800", "\x00"]
ODD += ["a\u0301" * 40, f"a{HIGH * 29}", f"a{LOW * 31}", "w" * 99, "\u2028", "\U000e0041", "İ", "ß"]
TEXTS = st.lists(st.sampled_from(ODD) | st.text(max_size=4), max_size=30).map("".join)
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.binary(max_size=3)
    | st.sampled_from([object(), dict, len, range(3), range(10**12), {"dog"}, memoryview(b"a")])
    | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner)
        | st.dictionaries(st.text(max_size=2), inner, max_size=3)
    ),
    max_leaves=6,
)
IGNORABLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def read(typed):
    """What is read, or None where it was refused in a sentence."""
    try:
        return parse_classes(typed, limit=MAX_CLASSES)
    except InputError as error:
        message = str(error)
        assert message.endswith((".", "sky."))
        assert "\n" not in message
        assert len(message) < 200
        message.encode()  # no half of a character
        return None


@EXAMPLES
@given(ANYTHING)
def test_anything_is_read_or_refused_in_a_sentence(typed):
    read(typed)


def test_a_list_of_endless_depth():
    nested = []
    for _ in range(100_000):
        nested = [nested]
    assert read(nested) is read({"dog": nested}) is read(("dog", nested)) is None


@EXAMPLES
@given(TEXTS)
def test_what_was_read_is_read_as_the_same_again(typed):
    vocabulary = read(typed)
    if vocabulary is not None:
        again = parse_classes(vocabulary.text, limit=MAX_CLASSES)
        assert again == vocabulary
        assert again.notices == ()


@EXAMPLES
@given(TEXTS | st.lists(TEXTS, max_size=5))
def test_names_are_what_can_be_shown(typed):
    vocabulary = read(typed)
    for prompt in vocabulary.classes if vocabulary else ():
        for word in prompt.synonyms:
            assert 0 < len(word) <= MAX_NAME_LENGTH
            assert unicodedata.is_normalized("NFC", word)
            assert word == " ".join(word.split())
            assert not {unicodedata.category(char) for char in word} & IGNORABLE
            assert not {*word} & {"\u3164", "\ufe0f", "\u115f", "\u034f", "\U000e0041"}
        folded = [word.casefold() for word in prompt.synonyms]
        assert len({*folded}) == len(folded)
    names = [name.casefold() for name in vocabulary.names] if vocabulary else []
    assert len({*names}) == len(names)


@EXAMPLES
@given(st.text(st.characters(codec="utf-8"), max_size=MAX_NAME_LENGTH + 20))
def test_a_name_is_read_composed_or_decomposed(name):
    composed, decomposed = (unicodedata.normalize(form, name) for form in ("NFC", "NFD"))
    assert read([composed]) == read([decomposed])


def test_no_character_turns_into_a_separator():
    """A name with any character in it is one name, and read again as the same."""
    every = map(chr, range(0x110000))
    plain = {"Lo", "Cn", "Co"}  # most of them; NFC leaves them as they are
    special = [
        char
        for char in every
        if unicodedata.category(char) not in plain or not unicodedata.is_normalized("NFC", char)
    ]
    for start in range(0, len(special), MAX_CLASSES):
        names = [f"x{char}" for char in special[start : start + MAX_CLASSES]]
        vocabulary = parse_classes("\n".join(names))
        assert parse_classes(vocabulary.text) == vocabulary, f"from {names[0]!r}"


def test_marks_on_a_letter_are_bounded_in_both_spellings():
    at_most = "\u1ea5" + LOW + HIGH * (MAX_MARKS - 1)  # a letter that brings two accents itself
    decomposed = unicodedata.normalize("NFD", at_most)
    assert unicodedata.normalize("NFC", decomposed) == unicodedata.normalize("NFC", at_most)
    assert read([decomposed]) == read([at_most]) is not None
    with pytest.raises(InputError, match="more than 30 accents on one letter"):
        parse_classes(f"dog, x{HIGH * (MAX_MARKS + 1)}")
    with pytest.raises(InputError, match="more than 30 accents on one letter"):
        parse_classes("a" + "\u0344" * MAX_MARKS)  # each of which is two, once composed


def test_entries_are_bounded_blank_ones_too():
    assert len(parse_classes("," * (MAX_ENTRIES - 2) + "dog")) == 1
    for many in ("," * MAX_ENTRIES, "\n" * (MAX_ENTRIES + 1), ["dog"] * (MAX_ENTRIES + 1)):
        with pytest.raises(InputError, match="5,001 names, blank and repeated ones among them"):
            parse_classes(many)
    with pytest.raises(InputError, match="names, blank and repeated"):
        parse_classes(["|" * MAX_ENTRIES])


def test_all_of_ade_fits_with_room():
    """With every synonym; the parser allows three times that."""
    words = [(*p.synonyms, *p.aliases) for p in load_vocabulary("ade847").classes]
    text = ", ".join(" | ".join(own) for own in words)
    assert len(parse_classes(text, limit=MAX_CLASSES)) > 830
    assert 3 * len(text) < MAX_TEXT_LENGTH


def seconds(work, text) -> float:
    """The least of some tries: others may be at work on this machine."""
    best = float("inf")
    for _ in range(5):
        start = time.thread_time()
        try:
            work(text)
        except InputError:
            pass
        best = min(best, time.thread_time() - start)
    return best


def say_all(text):
    """What the page does while somebody types, without a memory of what was typed before."""
    known.is_known_word.cache_clear()
    words = parse_classes(text, limit=MAX_CLASSES)
    word_help.lint(words)
    hints(words, Reader("errseg-lite", len))


@pytest.mark.parametrize(
    "work",
    [
        lambda text: parse_classes(text, limit=MAX_CLASSES),
        word_help.lint,
        word_help.append_background,
        lambda text: word_help.append(text, load_vocabulary("voc20")),
        lambda text: kept_bound(3, text),
        say_all,
    ],
    ids=["parse", "lint", "background", "append", "kept", "hints"],
)
def test_the_worst_text_takes_no_longer_than_a_few_plain_ones(work):
    plain, every = seconds(work, plain_text()), worst_texts() | worst_names()
    found = {name: seconds(work, text) / plain for name, text in every.items()}
    assert max(found.values()) < 5, found  # measured: 2
