"""What may be suggested: the classes of all named vocabularies, those of one thing as one class."""

import functools
from collections.abc import Iterable

from errseg.errors import InputError
from errseg.words.relations import plain_name, synonyms
from errseg.words.vocabulary import ClassPrompt, Vocabulary, load_vocabulary, named_vocabularies
from errseg.words.wordnet import find_whole

SUGGESTED, MOST_SUGGESTED = 12, 100  # words for a photo: if nobody says how many, and at the most


@functools.cache
def named_union() -> Vocabulary:
    """Join the named vocabularies, smallest first; names of one thing are one class's synonyms.

    Names are of one thing if `errseg.words.relations` says so, or if WordNet lists both, whole, in
    one synset: `sofa` and `couch`, `box` and `boxes`, but not `car` and `toy car`.
    """
    groups: list[list[str]] = []
    group_of: dict[str | int, list[str]] = {}  # what a name is known by -> its group
    names = (p.name for v in named_vocabularies() for p in load_vocabulary(v).classes)
    for name in dict.fromkeys(names):
        keys = {*synonyms(name), find_whole(name)} - {None}
        known = [group_of[key] for key in keys if key in group_of]
        group = min(known, key=groups.index) if known else []
        if not known:
            groups.append(group)
        group.append(name)
        for key in keys:
            group_of.setdefault(key, group)
    return Vocabulary(tuple(ClassPrompt(group[0], tuple(group)) for group in groups))


def is_named(label: str, words: Iterable[str]) -> bool:
    """Tell whether a label's name, or a synonym of it, is among some words."""
    return not synonyms(label).isdisjoint(map(plain_name, words))


def check_count(count: int) -> None:
    """Refuse with an `InputError` a number of words that can't be suggested for a photo."""
    if not 1 <= count <= MOST_SUGGESTED:
        raise InputError(f"1 to {MOST_SUGGESTED} words can be suggested for a photo, not {count}.")
