"""How class names relate: what one label says about another name.

Label sets disagree about names. One calls a thing ``aeroplane`` and another ``airplane``; one
labels a ``face`` where another labels the whole ``person``. Training needs to know, for a pixel
labelled with one name, whether another name is right there, wrong there, or not decided by the
label. `relations.json` holds what was found out by looking at the sets, `_Tables` says how to read
it.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from functools import cache, lru_cache
from pathlib import Path

_NAMES_REMEMBERED = 2**14  # some MB; the names that a server is asked about have no end


class Relation(IntEnum):
    """What a pixel's label says about another name at that pixel."""

    UNKNOWN = -1  # the label doesn't decide it
    NEGATIVE = 0  # the name is wrong there
    POSITIVE = 1  # the name is right there


@dataclass(frozen=True)
class _Tables:
    """What stands in `relations.json`, names as `plain_name` spells them."""

    # Names of one and the same thing. No group holds two names that one label set lists side by
    # side.
    synonyms: list[list[str]]
    # Broader name -> kinds of it. A label is right for every broader name and undecided for every
    # narrower one; where a broader name is known to be absent, so are its kinds.
    kinds: dict[str, list[str]]
    # Whole -> parts of it, or things worn as part of it. A part's label is right for the whole
    # (worn clothes are `person` in VOC and COCO); the whole's label leaves the part undecided.
    # Unlike kinds, parts may occur where the whole is absent (a wheel without a car).
    parts: dict[str, list[str]]
    # Names whose pixels may be each other's, or that different sets draw the line between
    # differently.
    overlapping: list[list[str]]
    # Names of materials and leftovers ("furniture-other"). They only say something about the names
    # of their own set.
    materials: list[str]


def plain_name(name: str) -> str:
    """Return a name as the tables spell it: lower case, single spaces, no underscores."""
    return " ".join(name.lower().replace("_", " ").split())


@lru_cache(_NAMES_REMEMBERED)
def synonyms(name: str) -> frozenset[str]:
    """Return every name of the same thing, the name itself included."""
    name = plain_name(name)
    return _groups().get(name) or frozenset([name])


def with_synonyms(names: Iterable[str]) -> frozenset[str]:
    """Return names and every other name of the same things."""
    return frozenset().union(*map(synonyms, names))


@lru_cache(_NAMES_REMEMBERED)
def broader_names(name: str, *, with_wholes: bool = False) -> frozenset[str]:
    """Return the names that hold wherever this one does, without its synonyms.

    With `with_wholes` also what the name is a part of (a wheel belongs to a car).
    """
    tables = (_tables().kinds, _tables().parts) if with_wholes else (_tables().kinds,)
    found, waiting = set(), set(synonyms(name))
    while waiting:
        current = waiting.pop()
        above = {broad for t in tables for broad, narrower in t.items() if current in narrower}
        new = {other for broad in above for other in synonyms(broad)} - found
        found |= new
        waiting |= new
    return frozenset(found) - synonyms(name)


def relation(label: str, name: str) -> Relation:
    """Say what a pixel's label means at that pixel for a name that the label's set doesn't list.

    The names that one set lists are told apart by its annotators, see
    `errseg.training.label_space`.

    Args:
        label: the pixel's label.
        name: the name asked about.
    """
    label, name = plain_name(label), plain_name(name)
    if name in synonyms(label) or name in broader_names(label, with_wholes=True):
        return Relation.POSITIVE
    undecided = (
        label in broader_names(name, with_wholes=True)
        or is_material(label)
        or is_material(name)
        or _share_head(label, name)
        or not overlaps(label).isdisjoint(overlaps(name))
    )
    return Relation.UNKNOWN if undecided else Relation.NEGATIVE


@lru_cache(_NAMES_REMEMBERED)
def overlaps(name: str) -> frozenset[int]:
    """Return the groups of names that sets don't tell apart alike to which a name belongs."""
    own = synonyms(name)
    return frozenset(i for i, g in enumerate(_tables().overlapping) if not own.isdisjoint(g))


def is_material(name: str) -> bool:
    """Say whether a name is of a material or a leftover, which says nothing about other names."""
    return plain_name(name) in _tables().materials


@cache
def prompt_names(class_name: str) -> tuple[str, ...]:
    """Return the names to train a class under: its own first, then its synonyms."""
    return (class_name, *sorted(synonyms(class_name) - {class_name}))


@cache
def listed_names() -> frozenset[str]:
    """Return every name that the tables have, as they spell it."""
    tables = _tables()
    groups = (*tables.synonyms, *tables.overlapping, tables.materials)
    nested = (*tables.kinds.values(), *tables.parts.values())
    names = (name for group in (*groups, *nested) for name in group)
    return frozenset((*names, *tables.kinds, *tables.parts))


def _share_head(a: str, b: str) -> bool:
    """Say whether the last word of one name occurs in the other (`sports car` and `car`)."""
    a_words, b_words = a.split(), b.split()
    return a_words[-1] in b_words or b_words[-1] in a_words


@cache
def _groups() -> dict[str, frozenset[str]]:
    """Return the group of synonyms of every name in one."""
    groups = map(frozenset, reversed(_tables().synonyms))  # a name's first one counts
    return {name: group for group in groups for name in group}


@cache
def _tables() -> _Tables:
    return _Tables(**json.loads(Path(__file__).with_name("relations.json").read_text("utf-8")))
