"""An extract of WordNet 3.0's nouns: what a word is a kind of.

Only nouns for what a photo shows are in it; `assets/wordnet/make_extract.py` made the file. It is
read at the first look-up and stays, some 20 MB, as long as the process.

The extract is an xz-compressed text. One line per synset: its words joined by bars, a tab, and how
many lines above its (first) hypernym stands, nothing if there is none. A word with a tilde before
it has another synset for its first sense. After an empty line: irregular plurals, a tab, their
singulars. A hypernym stands before its kinds.
"""

import functools
import json
import lzma
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

EXTRACT = Path(__file__).resolve().parents[2] / "assets/wordnet/nouns.txt.xz"  # the shipped extract
OTHER_WORDS = EXTRACT.with_name("other_words.txt.xz")  # words that are no noun of the extract

LONGEST_LEMMA = 9  # words of the longest name in the extract, a hyphen parting two
LEMMA_SEPARATOR, FIELD_SEPARATOR, OTHER_SENSE = "|", "\t", "~"

# WordNet's rules of detachment for nouns (morphy(7WN)): ending -> ending of the singular.
_SINGULAR = [r.split(":") for r in "ses:s xes:x zes:z ches:ch shes:sh men:man ies:y s:".split()]
# Words behind which a name's head noun doesn't stand: a bowl of soup is a bowl.
_BEHIND_THE_HEAD = frozenset("of with in on at for from without by".split())


@dataclass(frozen=True)
class Nouns:
    """The extract in memory."""

    synsets: tuple[str, ...]  # a synset's lemmas, joined by bars
    broader: tuple[int, ...]  # index of a synset's hypernym, -1 at the top
    first_sense: dict[str, int]  # lemma in lower case -> index of its synset
    plurals: dict[str, str]  # irregular plural -> singular

    def lemmas(self, index: int) -> tuple[str, ...]:
        """Return a synset's words, the usual one first."""
        words = self.synsets[index].split(LEMMA_SEPARATOR)
        return tuple(word.lstrip(OTHER_SENSE) for word in words)


@functools.cache
def nouns() -> Nouns:
    """Read the shipped extract, once.

    Two threads that come first at the same time may both read it; they get equal values.
    """
    with lzma.open(EXTRACT, "rt", encoding="utf-8") as file:
        return parse_extract(file.read())


@functools.cache
def other_words() -> frozenset[str]:
    """Read WordNet's adjectives and verbs, and its everyday adverbs and abstract nouns, once."""
    with lzma.open(OTHER_WORDS, "rt", encoding="utf-8") as file:
        return frozenset(file.read().split())


def is_noun(name: str) -> bool:
    """Say whether WordNet lists a name, all of it, as a noun that a photo shows.

    Upper and lower case, hyphens and plurals don't matter.
    """
    return _listed_form(" ".join(name.lower().replace("_", " ").split())) is not None


def parse_extract(text: str) -> Nouns:
    """Read an extract; the module says how it is written."""
    body, _, exceptions = text.partition("\n\n")
    synsets, distances = zip(
        *(line.split(FIELD_SEPARATOR) for line in body.split("\n")), strict=True
    )
    first_sense = {
        word.lower(): index
        for index, words in enumerate(synsets)
        for word in words.split(LEMMA_SEPARATOR)
        if not word.startswith(OTHER_SENSE)
    }
    broader = tuple(i - int(distance) if distance else -1 for i, distance in enumerate(distances))
    plurals = dict(line.split(FIELD_SEPARATOR) for line in exceptions.splitlines())
    return Nouns(synsets, broader, first_sense, plurals)


def listed_part(name: str) -> str | None:
    """Return the part of a name that WordNet lists: all of it, or as much as ends in its head noun.

    Upper and lower case, hyphens and plurals don't matter. `Two fat capybaras` are capybaras, a
    `bowl of soup` is a bowl. The part is in lower case, None if there is none.
    """
    words = name.lower().replace("_", " ").split()
    end = next((i for i, word in enumerate(words) if i and word in _BEHIND_THE_HEAD), len(words))
    # Starts from where too many words would follow are left out: a name may have fifty.
    starts = range(max(0, end - LONGEST_LEMMA), end)
    parts = ([words] if len(words) <= LONGEST_LEMMA else []) + [words[s:end] for s in starts]
    return next((part for part in map(" ".join, parts) if _listed_form(part)), None)


def find(name: str) -> int | None:
    """Find the synset of the first sense of a name's `listed_part`: its index, or None."""
    part = listed_part(name)
    return None if part is None else nouns().first_sense[_listed_form(part)]


def find_whole(name: str) -> int | None:
    """Find the synset of the first sense of a name as a whole: None for a `toy car`.

    Upper and lower case, hyphens and plurals don't matter.
    """
    form = _listed_form(" ".join(name.lower().replace("_", " ").split()))
    return None if form is None else nouns().first_sense[form]


def chain(name: str) -> tuple[tuple[str, ...], ...]:
    """Return the synsets above a noun, nearest first, each as its words; abstract ones left out.

    A capybara: (rodent, gnawer), (mammal, mammalian), (animal, ...).
    """
    index, table, above = find(name), nouns(), []
    while index is not None and (index := table.broader[index]) >= 0:
        above.append(table.lemmas(index))
    left_out = _first_names("too_abstract")
    return tuple(words for words in above if words[0] not in left_out)


def hypernyms(
    name: str, knows: Callable[[str], bool] = lambda word: True, nearest: int = 1
) -> tuple[str, ...]:
    """Say in a few words that a reader knows what a noun is a kind of.

    Args:
        name: a noun, as a person types it.
        knows: whether the reader knows a word; each synset gives its first known one.
        nearest: how many of the closest synsets to name, besides the broadest one.

    Returns:
        none twice and none that is in the name itself; empty if the noun isn't found:
        ("rodent", "animal") for a capybara.
    """
    listed = nouns().first_sense
    own = {next((f for f in _forms(w) if f in listed), w) for w in name.lower().split()}
    above, unspecific = chain(name), _first_names("unspecific")
    words = []
    for synset in [words for words in above if words[0] not in unspecific] or above:
        known = next((word for word in synset if knows(word)), None)
        if known and known not in words and known.lower() not in own:
            words.append(known)
    return tuple(words[:nearest] + words[nearest:][-1:])


@functools.cache
def _first_names(kind: str) -> frozenset[str]:
    """Read the first names of synsets that say nothing ("too_abstract") or little of looks."""
    file = Path(__file__).with_name("hypernyms.json")
    return frozenset(json.loads(file.read_text("utf-8"))[kind])


def _listed_form(name: str) -> str | None:
    """Return the spelling or the singular of a name that the extract has, if it has one."""
    spellings = dict.fromkeys((name, name.replace("-", " "), name.replace(" ", "-")))
    forms = (form for spelling in spellings for form in _forms(spelling))
    return next((form for form in forms if form in nouns().first_sense), None)


def _forms(name: str) -> Iterator[str]:
    """Yield a name and what it may be the plural of."""
    yield name
    rest, space, last = name.rpartition(" ")
    if singular := nouns().plurals.get(last):
        yield rest + space + singular
    for plural, singular in _SINGULAR:
        if last.endswith(plural) and len(last) > len(plural) + 1:
            yield rest + space + last.removesuffix(plural) + singular
