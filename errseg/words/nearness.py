"""Which names may stand at the same pixels: of one thing, kinds, parts, and what looks the same.

Where a photo shows one of two names that are near, the other is not certainly wrong. Names are near
if `errseg.words.relations` doesn't tell them apart, if one is a kind of the other in WordNet, or if
the head noun of one is in the other (`sports car` and `car`).
"""

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from errseg.words.relations import broader_names, overlaps, plain_name, synonyms
from errseg.words.wordnet import find, nouns

_REMEMBERED = 2**13  # names: some MB
_LEFTOVERS = frozenset({"other", "stuff", "merged"})
"""What COCO's lists put behind a name: `furniture-other` is furniture."""


@dataclass(frozen=True)
class _Keys:
    """What a name is found by; two are kinds if an own key of one is any key of the other."""

    own: frozenset
    overlaps: frozenset  # groups of names that sets don't tell apart alike
    above: frozenset

    @property
    def shared(self) -> frozenset:
        """Two names are near if they share one of these."""
        return self.own | self.overlaps


class NearNames:
    """Some names, and quickly which of them are near to others.

    Args:
        names: in an order that their places refer to.
    """

    def __init__(self, names: Sequence[str]):
        self._by_own: dict[object, set[int]] = {}
        self._by_any: dict[object, set[int]] = {}
        for place, name in enumerate(names):
            keys = _keys(plain_name(name))
            for key in keys.shared:
                self._by_own.setdefault(key, set()).add(place)
            for key in keys.shared | keys.above:
                self._by_any.setdefault(key, set()).add(place)

    def near(self, words: Iterable[str]) -> frozenset[int]:
        """Return the places of the names that are near to any of some words."""
        found: set[int] = set()
        for word in words:
            keys = _keys(plain_name(word))
            found.update(*(self._by_any.get(key, ()) for key in keys.shared))
            found.update(*(self._by_own.get(key, ()) for key in keys.above))
        return frozenset(found)


def are_near(one: str, other: str) -> bool:
    """Say whether two names may stand at the same pixels."""
    a, b = _keys(plain_name(one)), _keys(plain_name(other))
    return are_kinds(one, other) or not a.overlaps.isdisjoint(b.overlaps)


def are_kinds(one: str, other: str) -> bool:
    """Say whether two names are of one thing, or one is a kind or a part of the other."""
    a, b = _keys(plain_name(one)), _keys(plain_name(other))
    return not (a.own.isdisjoint(b.own | b.above) and b.own.isdisjoint(a.above))


@functools.lru_cache(_REMEMBERED)
def _keys(name: str) -> _Keys:
    parts = [part for part in name.split("-") if part not in _LEFTOVERS]
    name = "-".join(parts) or name
    words = name.split()
    synset = find(name)
    own = {*synonyms(name), ("head", words[-1])} if words else {name}
    above = {*broader_names(name, with_wholes=True), *(("head", word) for word in words)}
    if synset is not None:
        own.add(("synset", synset))
        while (synset := nouns().broader[synset]) >= 0:
            above.add(("synset", synset))
    return _Keys(frozenset(own), overlaps(name) if words else frozenset(), frozenset(above))
