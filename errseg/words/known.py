"""Which words are known, and what a person may have meant by one that isn't.

Known are the words of the named vocabularies, of `relations.json` and of WordNet, in any of their
forms, and compounds of two of them. A name is known if one of its words is.
"""

import functools
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from errseg.words.relations import listed_names
from errseg.words.vocabulary import load_vocabulary, named_vocabularies
from errseg.words.wordnet import is_noun, nouns, other_words

LETTERS = "abcdefghijklmnopqrstuvwxyz"
MOST_NEAREST = 2  # words that are offered for one that isn't known
_LONGEST = 24  # letters of a word that is looked up letter by letter
_SHORTEST_PART = 3  # letters of each part of a compound
_SHORT = 4  # letters of a word in which one may be wrong; in a longer one two

# Endings -> what may stand there instead, if the word without them is known.
_ENDINGS = {
    "s": ("",),
    "es": ("",),
    "ing": ("", "e"),
    "ed": ("", "e"),
    "er": ("", "e"),
    "ers": ("", "e"),
    "est": ("", "e"),
    "ly": ("", "le"),
    "y": ("", "e"),
    "ie": ("", "y"),
    "ish": ("", "e"),
    "like": ("",),
    "less": ("",),
    "ness": ("",),
    "ful": ("",),
    "able": ("", "e"),
    "ier": ("y",),
    "iest": ("y",),
    "ies": ("y",),
    "ied": ("y",),
    "shaped": ("",),
    "proof": ("",),
}
# How letters sound alike, one after the other.
_SOUNDS = (
    *(("ph", "f"), ("ck", "k"), ("qu", "k"), ("x", "ks"), ("gh", "g"), ("wh", "w")),
    *(("ie", "i"), ("ey", "i"), ("y", "i"), ("ee", "i"), ("ea", "i"), ("oo", "u"), ("ou", "u")),
    *(("ce", "se"), ("ci", "si"), ("c", "k"), ("z", "s"), ("j", "g")),
)


@dataclass(frozen=True)
class _Everyday:
    """The words of the vocabularies, and in how many each stands."""

    lists: dict[str, int]
    letters: dict[str, int]  # which ones a word has, a bit each


def read_word_lists() -> None:
    """Read all that words are looked up in, which takes a fifth of a second; once."""
    _everyday(), everyday_names(), nouns(), other_words()


def is_known(name: str) -> bool:
    """Say whether one word of a name is known, or WordNet lists all of it."""
    return any(map(is_known_word, words_of(name))) or is_noun(without_accents(name))


def is_sure(name: str) -> bool:
    """Say whether all words of a name are known, or all of it is; a name without letters isn't."""
    words = words_of(name)
    return bool(words) and (all(map(is_known_word, words)) or is_noun(without_accents(name)))


def words_of(name: str) -> list[str]:
    """Part a name into words in lower case: at blanks, hyphens and whatever is no letter.

    Accents are taken off: a café is a cafe.
    """
    plain = without_accents(name).lower().replace("'s", "").replace("\u2019s", "")
    return "".join(char if char.isalpha() else " " for char in plain).split()


def without_accents(name: str) -> str:
    """Take the accents off letters."""
    if name.isascii():
        return name
    parted = unicodedata.normalize("NFD", name)
    return "".join(char for char in parted if not unicodedata.combining(char))


@functools.lru_cache(2**14)
def is_known_word(word: str) -> bool:
    """Say whether a word in lower case is known, in any of its forms or as a compound."""
    if _is_listed(word) or any(map(_is_listed, _stems(word))):
        return True
    if not word.isascii() or len(word) > _LONGEST:
        return False
    return any(
        _is_part(word[:place]) and _is_part(word[place:])
        for place in range(_SHORTEST_PART, len(word) - _SHORTEST_PART + 1)
    )


def nearest(word: str, is_common: Callable[[str], bool] = lambda near: True) -> tuple[str, ...]:
    """Find the known words that are nearest to one in lower case: at most two, the best first.

    Those that sound alike come before those that are only written alike, and words of the
    vocabularies before others.

    Args:
        word: that isn't known.
        is_common: whether a word that no vocabulary has is one that people use.
    """
    if len(word) > _LONGEST or len(word) < 2:
        return ()
    found = _nearest_everyday(word)
    if len(word) > _SHORT and not any(written < 2 for *_, written, _ in found):
        rarer = (near for near in _edited(word) if len(near) > 2 and near in nouns().first_sense)
        found += [_scored(word, near, 0) for near in rarer if is_common(near)]
    found = sorted({near: (*score, near) for *score, near in found}.values())
    return tuple(near for score, *_, near in found if score <= found[0][0])[:MOST_NEAREST]


def is_slip(word: str, near: str) -> bool:
    """Say whether a word is another one but for a letter, or sounds the same."""
    return _distance(word, near) <= 1 or _sound(word) == _sound(near)


def _nearest_everyday(word: str) -> list[tuple]:
    everyday, most = _everyday(), 1 if len(word) <= _SHORT else 2
    letters = _letters(word)
    found = []
    for near, own in everyday.letters.items():
        # A wrong letter changes two bits at most; `ie` for `y` three.
        if (letters ^ own).bit_count() > max(2 * most, 3) or abs(len(near) - len(word)) > most + 1:
            continue
        if _is_near(word, near, most):
            found.append(_scored(word, near, everyday.lists[near]))
    return found


def _is_near(word: str, near: str, most: int) -> bool:
    """Say whether at most so many letters are wrong, or twice as many if as many sound wrong."""
    written = _distance(word, near)
    if written <= most:
        return True
    return written <= 2 * most and _distance(_sound(word), _sound(near)) <= most


def _scored(word: str, near: str, lists: int) -> tuple:
    """Say how near a word is: the least sorts first; the last but one counts letters apart."""
    written, heard = _distance(word, near), _distance(_sound(word), _sound(near))
    return heard + 0.5 * (written > 0), _letters(word) != _letters(near), -lists, written, near


def _edited(word: str) -> set[str]:
    """Every word with one letter less, more or other, or with two neighbours changed."""
    parts = [(word[:place], word[place:]) for place in range(len(word) + 1)]
    return {
        *(a + b[1:] for a, b in parts if b),
        *(a + b[1] + b[0] + b[2:] for a, b in parts if len(b) > 1),
        *(a + letter + b[1:] for a, b in parts if b for letter in LETTERS),
        *(a + letter + b for a, b in parts for letter in LETTERS),
    }


def _distance(one: str, other: str) -> int:
    """Count letters left out, put in, changed or swapped with a neighbour.

    A bit stands for a letter of one word, so that a column of the usual table is a few numbers:
    H. Hyyrö, "A bit-vector algorithm for computing Levenshtein and Damerau edit distances" (2003).
    """
    if not one:
        return len(other)
    places, last = _places(one), 1 << len(one) - 1
    all_ = 2 * last - 1
    more, less, same, before, count = all_, 0, 0, 0, len(one)  # than in the row above
    for char in other:
        here = places.get(char, 0)
        swapped = ((~same & here) << 1) & before
        same = (((here & more) + more) ^ more) | here | less | swapped
        right, left = less | ~(same | more), same & more  # more, less than in the column before
        count += bool(right & last) - bool(left & last)
        right, left = right << 1 | 1, left << 1
        more, less, before = (left | ~(same | right)) & all_, right & same & all_, here
    return count


@functools.lru_cache(64)
def _places(word: str) -> dict[str, int]:
    """Mark where each letter of a word stands, a bit for a place."""
    places: dict[str, int] = {}
    for place, char in enumerate(word):
        places[char] = places.get(char, 0) | 1 << place
    return places


@functools.lru_cache(2**13)
def _sound(word: str) -> str:
    for written, heard in _SOUNDS:
        word = word.replace(written, heard)
    kept = [char for place, char in enumerate(word) if place == 0 or char != word[place - 1]]
    return "".join(kept[:-1] if len(kept) > 2 and kept[-1] == "e" else kept)


def _letters(word: str) -> int:
    bits = 0
    for char in word:
        bits |= 1 << (ord(char) % 64)
    return bits


def _is_listed(word: str) -> bool:
    return word in _everyday().lists or word in other_words() or is_noun(word)


def _is_part(word: str) -> bool:
    """Say whether a word may be half of a compound; rare ones would let anything be one."""
    return word in _everyday().lists or (len(word) > _SHORT and is_noun(word))


def _stems(word: str) -> Iterator[str]:
    for ending, others in _ENDINGS.items():
        stem = word.removesuffix(ending)
        if stem == word or len(stem) < _SHORTEST_PART:
            continue
        yield from (stem + other for other in others)
        if stem[-1] == stem[-2]:  # running
            yield stem[:-1]


@functools.cache
def _everyday() -> _Everyday:
    lists: dict[str, int] = {}
    for vocabulary in named_vocabularies():
        own = {
            word
            for prompt in load_vocabulary(vocabulary).classes
            for name in (*prompt.synonyms, *prompt.aliases)
            for word in words_of(name)
        }
        for word in own:
            lists[word] = lists.get(word, 0) + 1
    for name in listed_names():
        for word in words_of(name):
            lists.setdefault(word, 1)
    lists = {word: count for word, count in lists.items() if len(word) > 1}
    return _Everyday(lists, {word: _letters(word) for word in lists})


@functools.cache
def everyday_names() -> frozenset[str]:
    """Return the vocabularies' names and those of `relations.json`, whole and in lower case."""
    prompts = (p for name in named_vocabularies() for p in load_vocabulary(name).classes)
    listed = {word.casefold() for p in prompts for word in (*p.synonyms, *p.aliases)}
    return frozenset(listed | listed_names())
