"""The extract of WordNet: what people type is found, and said to be what it is."""

import lzma
import subprocess
import sys
import threading

import pytest

from errseg.words.wordnet import (
    EXTRACT,
    LONGEST_LEMMA,
    OTHER_WORDS,
    chain,
    find,
    hypernyms,
    listed_part,
    nouns,
    parse_extract,
)

LICENSE_FILE = "LICENSE.txt"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("capybara", ("rodent", "animal")),
        ("alpaca", ("llama", "animal")),  # the animal before its wool
        ("cardigan", ("sweater", "clothing")),  # nor the Cardigan, a dog
        ("owl", ("bird of prey", "animal")),
        ("pagoda", ("temple", "building")),
        ("kayak", ("canoe", "vehicle")),
        ("tower", ("structure",)),
        ("Capybaras", ("rodent", "animal")),
        ("puppies", ("pup", "animal")),
        ("geese", ("anseriform bird", "animal")),
        ("sea-lions", ("eared seal", "animal")),
        ("two fat capybaras", ("rodent", "animal")),
        ("alpaca in a field", ("llama", "animal")),
        ("bird of prey", ("animal",)),  # the bird is in the name
        ("entity", ()),
        ("qwertyuiop", ()),
        ("", ()),
        ("of", ()),
        ("???", ()),
    ],
)
def test_nouns_have_useful_hypernyms(name, expected):
    assert hypernyms(name) == expected


def test_each_synset_gives_a_word_that_the_reader_knows():
    assert hypernyms("capybara", knows=lambda word: word != "rodent") == ("gnawer", "animal")
    assert hypernyms("capybara", knows=lambda word: word == "animal") == ("animal",)
    assert hypernyms("capybara", knows=lambda word: False) == ()
    assert hypernyms("capybara", nearest=2) == ("rodent", "mammal", "animal")


def test_what_a_photo_shows_is_there():
    words = "fog, smoke, water, person, sand, grass, crowd, traffic light, city, arm, pizza, oak"
    assert [word for word in words.split(", ") if find(word) is None] == []
    assert find("Shakespeare") is None  # nobody by name
    assert chain("person") == ()  # not the body, although WordNet's list of senses has it too


def test_the_extract_is_small_and_carries_its_licence():
    assert EXTRACT.stat().st_size < 600_000
    text = (EXTRACT.parent / LICENSE_FILE).read_text(encoding="utf-8")
    assert "WordNet 3.0 Copyright 2006 by Princeton University" in text
    assert "Permission to use, copy, modify and distribute" in text


def test_names_as_long_as_there_are_any_are_found():
    longest = max(nouns().first_sense, key=lambda name: len(name.replace("-", " ").split()))
    assert len(longest.replace("-", " ").split()) == LONGEST_LEMMA
    assert find(longest) == nouns().first_sense[longest]
    assert listed_part(f"{'qqx ' * 20}fat capybaras of {'qqx ' * 3}") == "capybaras"
    assert listed_part("qqx " * 25) is None


def test_threads_get_equal_answers():
    nouns.cache_clear()
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(hypernyms("capybara"))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [("rodent", "animal")] * 4


DATA = """\
  1 The licence.
  2
00000001 03 n 01 entity 0 001 ~ 00000002 n 0000 | all there is
00000002 05 n 02 animal 0 beast 0 001 @ 00000001 n 0000 | it moves
00000003 06 n 01 crane 0 001 @ 00000001 n 0000 | it lifts
00000004 05 n 01 crane 1 001 @ 00000002 n 0000 | it wades
00000005 14 n 01 taxonomic_group 0 001 @ 00000001 n 0000 | Latin
00000006 14 n 01 genus_Grus 0 001 @ 00000005 n 0000 | cranes
00000007 18 n 02 Crane 0 Stephen_Crane 0 001 @i 00000001 n 0000 | he wrote
00000008 09 n 01 idea 0 001 @ 00000001 n 0000 | nothing to see
"""
INDEX = """\
  1 The licence.
animal n 1 2 @ ~ 1 1 00000002
beast n 1 1 @ 1 0 00000002
crane n 3 1 @ 3 {tagged} 00000007 00000003 00000004
genus_grus n 1 1 @ 1 0 00000006
idea n 1 1 @ 1 0 00000008
"""


def make_extract(*arguments) -> subprocess.CompletedProcess:
    """Run the script that made the extract; it stands beside it."""
    command = [sys.executable, EXTRACT.parent / "make_extract.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(("tagged", "first"), [(0, "animal"), (3, "entity")])
def test_an_extract_holds_the_physical_nouns(tmp_path, tagged, first):
    """Senses that no corpus holds give way to animals; persons' names and genera are left out."""
    (tmp_path / "data.noun").write_text(DATA)
    (tmp_path / "index.noun").write_text(INDEX.format(tagged=tagged))
    (tmp_path / "noun.exc").write_text("beasties beast\nideae idea\n")
    (tmp_path / "index.adj").write_text("  1 The licence.\nred a 1 0 1 0 00000001\n")
    (tmp_path / "index.verb").write_text("animal v 1 0 1 0 00000001\nrun_by v 1 0 1 0 00000001\n")
    (tmp_path / "index.adv").write_text("seldom r 1 0 1 0 00000001\nsoon r 1 0 1 1 00000001\n")
    out = tmp_path / "out" / "nouns.txt.xz"
    assert "4 synsets" in make_extract("--source", tmp_path, "--out", out).stdout
    table = parse_extract(lzma.decompress(out.read_bytes()).decode())
    assert set(table.first_sense) == {"animal", "beast", "crane"}
    above = table.broader[table.first_sense["crane"]]
    assert table.lemmas(above)[0] == first
    assert table.plurals == {"beasties": "beast"}
    others = lzma.decompress(out.with_name(OTHER_WORDS.name).read_bytes()).decode()
    assert others.split() == ["red", "soon"]  # no noun of the extract, and what corpora hold
    assert (tmp_path / "out" / LICENSE_FILE).read_text().splitlines()[0] == "The licence."


def test_an_extract_needs_wordnet(tmp_path):
    done = make_extract("--source", tmp_path, "--out", tmp_path / "out.xz")
    assert done.returncode == 2
    assert "there is no data.noun in" in done.stderr
