"""Which alike things annotators tell apart: road and sidewalk, plant and grass.

Sets draw the line between such names differently, so they are near (`errseg.words.nearness`). But
where one list has both, those who labelled with it gave each pixel one of them. So a pixel that
looks like a sidewalk is no road, also for a person who lists `road` alone.
"""

import functools
from collections.abc import Iterable, Sequence

from errseg.words.nearness import are_kinds
from errseg.words.relations import broader_names, is_material, with_synonyms
from errseg.words.vocabulary import load_vocabulary

TELL_APART = ("coco171", "ade150", "context59", "voc20")
"""Their classes exclude each other; the longer vocabularies list kinds beside broader names."""
_PARTS = {
    "person": ("clothes", "apparel", "tie"),
    "building": ("wall", "window", "door", "roof", "railing", "stairs"),
}
"""What lists label as itself on one photo and as a part of the whole on another."""


class ApartNames:
    """Some things, and which of them a list tells apart from others.

    Args:
        names: each thing's synonyms, in an order that their places refer to.
    """

    def __init__(self, names: Sequence[Sequence[str]]):
        self._names = [with_synonyms(own) for own in names]

    def apart(self, words: Sequence[str], among: Iterable[int]) -> list[int]:
        """Return the places of what a list has beside a thing with these synonyms, as another.

        Names of one thing, kinds, parts and materials are left out.

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
    if any(is_material(name) for name in own | others):
        return False
    if _is_part(own, others) or _is_part(others, own):
        return False
    return not any(are_kinds(one, other) for one in own for other in others)


def _is_part(own: frozenset[str], whole: frozenset[str]) -> bool:
    wholes = whole.union(*map(broader_names, whole))
    return any(
        name in wholes and not own.isdisjoint(with_synonyms(parts))
        for name, parts in _PARTS.items()
    )


@functools.cache
def _lists() -> tuple[frozenset[str], ...]:
    """The names of each of `TELL_APART`, with their synonyms."""
    return tuple(with_synonyms(load_vocabulary(name).names) for name in TELL_APART)
