"""Names that may be several: `sky and tree`, `car/bus`, five words without a comma."""

import re

from errseg.words.known import everyday_names
from errseg.words.relations import synonyms
from errseg.words.wordnet import is_noun

# What people put between two names. Without blanks around it, it stands between two words.
_BETWEEN = re.compile(
    r"\s+(?:and(?:\s+(?:the|all|also|then))?|or|plus|as well as|vs\.?|versus"
    r"|[&+/\\>~\u2013\u2014-])\s+"
    r"|(?<=[^\W\d_]{2})\s?[/\\&+>~]\s?(?=[^\W\d_]{2})",
    re.IGNORECASE,
)
# These stand in names too, so what they part must be several names that are known.
_WITHIN = re.compile(r"(?<=[^\W\d_])(?:[._:\u2013-])(?=[^\W\d_])")
# What asks for something instead of naming it.
_ASKED = re.compile(
    r"(?:hey|hi|ok|okay)?[\s,]*(?:please\s+)?(?:(?:can|could|would|will) you\s+)?(?:please\s+)?"
    r"(?:i\s+(?:want|need|would like)(?:\s+you)?(?:\s+to)?\s+)?"
    r"(?:(?:segment|find|detect|show|label|mark|highlight|locate|identify|outline|select|search)"
    r"(?:\s+(?:me|out|for))?|where(?:'s|\s+is|\s+are)|is there|are there|look for)"
    r"\s+(?P<thing>.+?)"
    r"(?:\s+(?:in|on|from)\s+(?:the|this|that|my)\s+(?:photo|picture|image|scene))?"
    r"(?:\s+please)?\s*[?.!]*$",
    re.IGNORECASE,
)
_ARTICLES = re.compile(
    r"^(?:(?:and|or|all|any|both|every|also)\s+(?:of\s+)?)*(?:the|an?|any|some|my|this|these|those)?\s+"
    r"|^all\s+",
    re.IGNORECASE,
)
_COLORS = frozenset(
    "black white red green blue yellow orange brown grey gray pink purple gold silver".split()
)
# Words that hold a name together.
_INNER = frozenset(
    "of with without in on at by for from to under over the a an his her and or not than".split()
)
_FEWEST_ALONE = 3  # words without anything between them that may be as many names
_LONGEST_COMPOUND = 3  # words of a name that WordNet or a vocabulary lists


def parts(name: str, alone: bool = False) -> list[str]:
    """Name what a class may have been meant as, if it may have been several; else nothing.

    Args:
        name: a class as it was read.
        alone: whether it is the only one.
    """
    if is_listed(name):
        return []
    pieces = _joined(name) or _within(name)
    return pieces or _in_a_row(name.split(), 2 if alone else _FEWEST_ALONE)


def asked_for(name: str) -> list[str]:
    """Name what a sentence asks for, such as `where is the dog?`; nothing for a plain name."""
    found = _ASKED.match(name)
    if not found or is_listed(name):
        return []
    return [_without_articles(piece) for piece in _BETWEEN.split(found["thing"])]


def unlike_synonyms(words: tuple[str, ...]) -> bool:
    """Say whether bars stand between words that mean different things, as commas would."""
    known = [synonyms(word) for word in words if word.casefold() in everyday_names()]
    # None has a word of another's: the time of comparing each with each has no bound.
    return len(known) > 1 and len(frozenset().union(*known)) == sum(map(len, known))


def is_listed(name: str) -> bool:
    """Say whether a vocabulary or WordNet has a name, all of it."""
    return name.casefold() in everyday_names() or is_noun(name)


def _joined(name: str) -> list[str]:
    pieces = [_without_articles(piece) for piece in _BETWEEN.split(name)]
    if len(pieces) < 2 or not all(pieces) or name.lower() == "and/or":
        return []
    return [] if pieces[0].lower() in _COLORS else pieces  # black and white dog


def _within(name: str) -> list[str]:
    """Part `temple.sky.tree`: each part has to be a name by itself."""
    if " " in name or len(pieces := _WITHIN.split(name)) < _FEWEST_ALONE:
        return []
    return pieces if all(map(is_listed, pieces)) else []


def _in_a_row(words: list[str], fewest: int) -> list[str]:
    """Part `temple sky tree`: everyday names, the longest first, some with adjectives before."""
    if len(words) < fewest or not _INNER.isdisjoint(word.lower() for word in words):
        return []
    pieces, place, before = [], 0, []
    while place < len(words):
        longest = min(_LONGEST_COMPOUND, len(words) - place)
        length = next(
            (n for n in range(longest, 0, -1) if _is_everyday(words[place : place + n])), 0
        )
        if length:
            pieces.append(" ".join([*before, *words[place : place + length]]))
            before = []
        else:
            before.append(words[place])
        place += length or 1
    return pieces if len(pieces) >= fewest and not before else []


def _is_everyday(words: list[str]) -> bool:
    name = " ".join(words).lower()
    if len(words) > 1:
        return is_listed(name)
    return any(form in everyday_names() for form in (name, name.removesuffix("s")))


def _without_articles(piece: str) -> str:
    return _ARTICLES.sub("", piece.strip()).strip()
