"""How class names relate: what one label says about another name.

Label sets disagree about names. One calls a thing ``aeroplane`` and another ``airplane``; one
labels a ``face`` where another labels the whole ``person``. Training needs to know, for a pixel
labelled with one name, whether another name is right there, wrong there, or not decided by the
label. `relations.json` holds what was found out by looking at the sets, `_Tables` says how to read
it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from importlib import resources

Groups = tuple[frozenset[str], ...]
Narrower = dict[str, frozenset[str]]


class Relation(IntEnum):
    """What a pixel's label says about another name at that pixel."""

    UNKNOWN = -1  # the label doesn't decide it
    NEGATIVE = 0  # the name is wrong there
    POSITIVE = 1  # the name is right there


@dataclass(frozen=True)
class _Tables:
    """What stands in `relations.json`, names as `plain_name` spells them.

    Attributes:
        synonyms: names of one and the same thing. No group holds two names that one label set
            lists side by side.
        kinds: broader name -> kinds of it. A label is right for every broader name and undecided
            for every narrower one; where a broader name is known to be absent, so are its kinds.
        parts: whole -> parts of it, or things worn as part of it. A part's label is right for the
            whole (worn clothes are `person` in VOC and COCO); the whole's label leaves the part
            undecided. Unlike kinds, parts may occur where the whole is absent (a wheel without a
            car).
        overlapping: names whose pixels may be each other's, or that different sets draw the line
            between differently.
        materials: names of materials and leftovers ("furniture-other"). They only say something
            about the names of their own set.
    """

    synonyms: Groups
    kinds: Narrower
    parts: Narrower
    overlapping: Groups
    materials: frozenset[str]


def plain_name(name: str) -> str:
    """Return a name as the tables spell it: lower case, single spaces, no underscores."""
    return " ".join(name.lower().replace("_", " ").split())


@cache
def synonyms(name: str) -> frozenset[str]:
    """Return every name of the same thing, the name itself included."""
    name = plain_name(name)
    return next((group for group in _tables().synonyms if name in group), frozenset({name}))


def with_synonyms(names: Iterable[str]) -> frozenset[str]:
    """Return names and every other name of the same things."""
    return frozenset().union(*map(synonyms, names))


@cache
def broader_names(name: str, *, with_wholes: bool = False) -> frozenset[str]:
    """Return the names that hold wherever this one does, without its synonyms.

    Args:
        name: a class name.
        with_wholes: also what the name is a part of (a wheel belongs to a car).
    """
    tables = (_tables().kinds, _tables().parts) if with_wholes else (_tables().kinds,)
    found: set[str] = set()
    waiting = set(synonyms(name))
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
    if name in synonyms(label):
        return Relation.POSITIVE
    if name in broader_names(label, with_wholes=True):
        return Relation.POSITIVE
    undecided = (
        label in broader_names(name, with_wholes=True)
        or {label, name} & _tables().materials
        or _share_head(label, name)
        or _share_group(label, name, _tables().overlapping)
    )
    return Relation.UNKNOWN if undecided else Relation.NEGATIVE


@cache
def prompt_names(class_name: str) -> tuple[str, ...]:
    """Return the names to train a class under: its own first, then its synonyms."""
    return (class_name, *sorted(synonyms(class_name) - {class_name}))


def _share_group(a: str, b: str, groups: Iterable[frozenset[str]]) -> bool:
    return any(group & synonyms(a) and group & synonyms(b) for group in groups)


def _share_head(a: str, b: str) -> bool:
    """Say whether the last word of one name occurs in the other (`sports car` and `car`)."""
    a_words, b_words = a.split(), b.split()
    return a_words[-1] in b_words or b_words[-1] in a_words


@cache
def _tables() -> _Tables:
    file = resources.files("errseg.words") / "relations.json"
    return _Tables(**{k: _frozen(v) for k, v in json.loads(file.read_text("utf-8")).items()})


def _frozen(table: dict | list) -> Narrower | Groups | frozenset[str]:
    """Turn lists of names into sets, at whatever depth they stand."""
    if isinstance(table, dict):
        return {name: frozenset(narrower) for name, narrower in table.items()}
    return tuple(map(frozenset, table)) if isinstance(table[0], list) else frozenset(table)
