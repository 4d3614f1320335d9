"""Which alike things annotators tell apart: road and sidewalk, plant and grass.

Sets draw the line between such names differently, so they are near (`errseg.words.nearness`). But
where one list has both, those who labelled with it gave each pixel one of them. So a pixel that
looks like a sidewalk is no road, also for a person who lists `road` alone.
"""

import functools
from collections.abc import Iterable, Sequence

from errseg.words.nearness import are_kinds
from errseg.words.relations import is_material, with_synonyms
from errseg.words.vocabulary import load_vocabulary

TELL_APART = ("coco171", "ade150", "context59", "voc20")
"""Their classes exclude each other; the longer vocabularies list kinds beside broader names."""
_WEARER, _WORN = "person", ("clothes", "apparel", "tie")
"""What lists label only where nobody wears it: on a person both names are right."""


class ApartNames:
    """Some things, and which of them a list tells apart from others.

    Args:
        names: each thing's synonyms, in an order that their places refer to.
    """

    def __init__(self, names: Sequence[Sequence[str]]):
        self._names = [with_synonyms(own) for own in names]

    def apart(self, words: Sequence[str], among: Iterable[int]) -> list[int]:
        """Return the places of what a list has beside a thing with these synonyms, as another.

        Names of one thing, kinds, parts, materials and what is worn are left out.

        Args:
            words: one thing's synonyms.
            among: places that are looked at.
        """
        own = with_synonyms(words)
        lists = [names for names in _lists() if not own.isdisjoint(names)]
        listed = frozenset().union(*lists)
        return [
            place
            for place in among
            if not listed.isdisjoint(self._names[place]) and _exclude(own, self._names[place])
        ]


def _exclude(own: frozenset[str], others: frozenset[str]) -> bool:
    """Say whether no pixel is both, as two classes of one list."""
    if any(is_material(name) for name in own | others) or _is_worn(own, others):
        return False
    return not any(are_kinds(one, other) for one in own for other in others)


def _is_worn(own: frozenset[str], others: frozenset[str]) -> bool:
    worn = with_synonyms(_WORN)
    return any(_WEARER in a and not worn.isdisjoint(b) for a, b in ((own, others), (others, own)))


@functools.cache
def _lists() -> tuple[frozenset[str], ...]:
    """The names of each of `TELL_APART`, with their synonyms."""
    return tuple(with_synonyms(load_vocabulary(name).names) for name in TELL_APART)
