"""What a person types becomes the classes they meant; the benchmarks' lists are complete."""

import hashlib
import json
from pathlib import Path

import pytest
from PIL import Image

from errseg.errors import InputError
from errseg.words.names import MAX_NAME_LENGTH
from errseg.words.vocabulary import (
    BACKGROUND_WORDS,
    MAX_CLASSES,
    MAX_EXTRA_SYNONYMS,
    Vocabulary,
    fill_templates,
    load_vocabulary,
    named_vocabularies,
    parse_classes,
    suggested_kept_classes,
)

EXAMPLES = Path(__file__).parent.parent / "examples"
SIZES = {
    "voc20": 20,
    "context59": 59,
    "ade150": 150,
    "coco171": 171,
    "context459": 459,
    "ade847": 847,
}


@pytest.mark.parametrize(
    ("typed", "names"),
    [
        ("dog", ["dog"]),
        ("dog, cat,grass", ["dog", "cat", "grass"]),
        ("dog; cat\ngrass\r\nsky", ["dog", "cat", "grass", "sky"]),
        ("dog,\ncat,\n\ngrass,\n", ["dog", "cat", "grass"]),
        ("dog\tcat\ttraffic  light", ["dog", "cat", "traffic light"]),
        ("  traffic \u00a0 light ,\u3000sky ", ["traffic light", "sky"]),
        ("\u72ac\uff0c\u732b\u3001\u6728\uff1b\u7a7a", ["\u72ac", "\u732b", "\u6728", "\u7a7a"]),
        (
            "\u0643\u0644\u0628\u060c \u0642\u0637\u0629",
            ["\u0643\u0644\u0628", "\u0642\u0637\u0629"],
        ),
        ("\ufeffdog, c\u200bat, sk\x00y", ["dog", "cat", "sky"]),
        ("cafe\u0301", ["caf\u00e9"]),
        ("hot-air balloon, lord's table, t-shirt", ["hot-air balloon", "lord's table", "t-shirt"]),
        ("<b>dog</b>, {x}", ["<b>dog</b>", "{x}"]),
        (["dog", " cat "], ["dog", "cat"]),
        (("salt, pepper", "a;b\nc"), ["salt, pepper", "a;b c"]),
    ],
)
def test_typed_text_is_parted_into_classes(typed, names):
    vocabulary = parse_classes(typed)
    assert list(vocabulary.names) == names
    assert vocabulary.notices == ()


def test_bars_part_synonyms_in_text_and_in_lists():
    for classes in ("sofa | couch|Sofa, tv\uff5ctelevision", ["sofa|couch", "|tv||television|"]):
        vocabulary = parse_classes(classes)
        assert [prompt.synonyms for prompt in vocabulary.classes] == [
            ("sofa", "couch"),
            ("tv", "television"),
        ]
        assert vocabulary.names == ("sofa", "tv")


def test_repeats_are_left_out_whatever_their_case_and_said():
    vocabulary = parse_classes("Dog, cat, dog, DOG, sky, Cat")
    assert vocabulary.names == ("Dog", "cat", "sky")
    assert vocabulary.notices == ("Left out as repeated: Dog, cat.",)


def test_many_repeats_make_one_short_notice():
    words = [f"w{i}" for i in range(500)]
    (notice,) = parse_classes(words + words).notices
    assert notice == "Left out as repeated: w0, w1, w2, w3, w4 and 495 more."


@pytest.mark.parametrize(
    ("classes", "notice"),
    [
        ("dog, , cat", "Left out: 1 blank."),
        (",,dog", "Left out: 2 blanks."),
        ("dog, \u200b, cat, |,", "Left out: 2 blanks."),
        (["dog", "", "cat", " \n"], "Left out: 2 blanks."),
    ],
)
def test_blanks_between_classes_are_left_out_and_said(classes, notice):
    assert parse_classes(classes).notices == (notice,)


@pytest.mark.parametrize("nothing", ["", " \n\t ", ", ,", "|", "\u200b", [], ["", " "], None])
def test_no_class_is_refused(nothing):
    with pytest.raises(InputError, match="No class was given"):
        parse_classes(nothing)


@pytest.mark.parametrize("wrong", [5, b"dog", {"dog": 1}, {"dog"}, ["dog", 3], ["dog", None]])
def test_what_is_no_text_is_refused(wrong):
    with pytest.raises(InputError, match="text"):
        parse_classes(wrong)


def test_the_limit_counts_classes_that_remain():
    assert len(parse_classes("a, b, c, A", limit=3)) == 3
    with pytest.raises(InputError, match="4 classes were given; at most 3 are possible"):
        parse_classes("a, b, c, d", limit=3)
    with pytest.raises(InputError, match="5,000 classes were given; at most 1,000"):
        parse_classes(", ".join(f"w{i}" for i in range(5000)), limit=MAX_CLASSES)
    assert len(parse_classes([f"w{i}" for i in range(5000)])) == 5000
    with pytest.raises(InputError, match="20 classes"):
        parse_classes(load_vocabulary("voc20"), limit=19)


def test_a_name_that_is_too_long_is_quoted_and_refused():
    assert parse_classes("x" * MAX_NAME_LENGTH).names == ("x" * MAX_NAME_LENGTH,)
    with pytest.raises(InputError, match=r"“a sentence that goes on.*…” has 110 characters"):
        parse_classes("dog, " + "a sentence that goes on " * 4 + "and on and on.")


def test_endless_synonyms_and_endless_text_are_refused():
    with pytest.raises(InputError, match="synonyms"):
        parse_classes(" | ".join(f"w{i}" for i in range(MAX_EXTRA_SYNONYMS + 2)), limit=10)
    with pytest.raises(InputError, match="characters"):
        parse_classes("dog," * 100_000)


def test_templates_take_names_with_braces_and_must_have_a_place():
    assert fill_templates("cat", ["A photo of a {}."]) == ["A photo of a cat."]
    assert fill_templates("{0}", ["a {}.", "{}"]) == ["a {0}.", "{0}"]
    with pytest.raises(ValueError, match=r"no \{\}"):
        fill_templates("cat", ["a photo"])


def test_named_vocabularies_are_complete_and_described():
    described = named_vocabularies()
    assert list(described) == list(SIZES)
    assert all("\n" not in text and 10 < len(text) < 90 for text in described.values())
    for name, size in SIZES.items():
        assert len(load_vocabulary(name)) == len(load_vocabulary(name, True)) == size <= MAX_CLASSES


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("voc20", "7d877f185c807bc51b4cfb4f4202fc0b4e1c6724b782ba245fe36f8d254f0ad7"),
        ("context59", "1c0546d54360b6030db946e7e75f14a0778f37edebd0051b8834027f8b5aab89"),
        ("ade150", "f9dbd8a75a0722c971d8c82db76dc205e06cb422d98153f4e5bbf90408ef5438"),
        ("coco171", "8ea44449837dceb30923012b201fe0152adc612160d0d040c9cfcd77e95f6801"),
        ("context459", "f22a02ac1b8419bc30f91a47c3668be6880fd52106cfc7881500f5d9219f0269"),
        ("ade847", "8ff39e893fb84cd510e98c7ab5616a142b1e35ff478e2a8ec1ca9aecb9bf7853"),
    ],
)
def test_published_spellings_are_the_benchmarks_own_in_their_order(name, digest):
    # SHA-256 of the first synonym of each line of the benchmark's list, joined by new lines.
    text = "\n".join(load_vocabulary(name, published_spelling=True).names)
    assert hashlib.sha256(text.encode()).hexdigest() == digest


@pytest.mark.parametrize("name", SIZES)
def test_plain_spellings_survive_a_text_box(name):
    vocabulary = load_vocabulary(name)
    again = parse_classes(vocabulary.text, limit=MAX_CLASSES)
    assert again.names == vocabulary.names
    assert again.notices == ()


def test_plain_and_published_spelling_name_the_same_class():
    plain = load_vocabulary("context459").classes
    published = load_vocabulary("context459", published_spelling=True).classes
    for one, other in zip(plain, published, strict=True):
        letters = one.name.replace(" ", "")
        assert letters in (other.name, "cassetterecorder")  # misspelt in the benchmark
        assert {one.name, *one.aliases} == {other.name, *other.aliases}
        assert one.synonyms == (one.name,)
        assert other.synonyms == (other.name,)
    assert load_vocabulary("voc20").names[10] == "dining table"
    assert load_vocabulary("voc20", published_spelling=True).names[10] == "diningtable"
    assert "edifice" in load_vocabulary("ade847").classes[1].aliases


def test_names_of_vocabularies_are_forgiving_and_unknown_ones_list_the_valid():
    assert load_vocabulary(" ADE150 ") == load_vocabulary("ade150")
    for unknown in ("ade", None, "../examples/examples"):
        with pytest.raises(InputError, match="voc20, context59, ade150"):
            load_vocabulary(unknown)


def test_suggested_kept_classes_follow_table_xiii():
    advised = {name: suggested_kept_classes(size) for name, size in SIZES.items()}
    assert advised == {
        "voc20": 16,
        "context59": 24,
        "ade150": 32,
        "coco171": 32,
        "context459": 48,
        "ade847": 48,
    }
    sizes = range(1, 1001)
    kept = [suggested_kept_classes(size) for size in sizes]
    assert kept == sorted(kept)
    assert all(1 <= p <= t for p, t in zip(kept, sizes, strict=True))
    with pytest.raises(ValueError, match="at least 1"):
        suggested_kept_classes(0)


def test_background_words_are_plain_classes():
    vocabulary = parse_classes(", ".join(BACKGROUND_WORDS))
    assert vocabulary.names == BACKGROUND_WORDS
    assert vocabulary.notices == ()


def test_notices_do_not_make_vocabularies_differ():
    assert parse_classes("a, , b, A") == parse_classes(["a", "b"])
    assert hash(parse_classes("a, , b")) == hash(parse_classes("a, b"))
    assert isinstance(parse_classes("a"), Vocabulary)


@pytest.mark.parametrize("entry", json.loads((EXAMPLES / "examples.json").read_text()))
def test_example_photos_are_small_named_and_carry_no_metadata(entry):
    vocabulary = parse_classes(entry["classes"])
    assert 5 <= len(vocabulary) <= 8
    assert vocabulary.notices == ()
    path = EXAMPLES / entry["file"]
    with Image.open(path) as photo:
        assert photo.format == "JPEG"
        assert max(photo.size) <= 640
        assert not photo.getexif()
    assert path.stat().st_size < 100_000
    assert f"`{entry['file']}`" in (EXAMPLES / "README.md").read_text()


@pytest.mark.parametrize(
    ("typed", "named", "added"),
    [
        ("couch | sofa, sky", "voc20", 19),  # the sofa is a synonym of the couch
        ("Sofa, sky", "voc20", 19),
        ("diningtable", "voc20", 19),  # the benchmark's own spelling, an alias
        ("unicorn", "voc20", 20),
        ("machine", "ade847", 846),  # its machine, not its car, of which it is an alias too
    ],
)
def test_a_vocabulary_is_extended_by_what_it_has_no_word_for(typed, named, added):
    own, other = parse_classes(typed), load_vocabulary(named)
    both = own.extend(other)
    assert both.classes[: len(own)] == own.classes
    assert len(both) == len(own) + added
    places = [other.classes.index(prompt) for prompt in both.classes[len(own) :]]
    assert places == sorted(places)  # in their order


def test_an_extended_vocabulary_keeps_what_was_said_of_it():
    assert parse_classes("cat, cat").extend(load_vocabulary("voc20")).notices == (
        "Left out as repeated: cat.",
    )
