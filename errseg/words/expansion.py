"""How a word is read that the text tower doesn't know: with what WordNet says it is.

A text tower reads words in pieces. A word in several pieces was too rare for a place of its own,
and is read by its spelling. How many pieces a name has is the tower's to say: `pieces` counts those
of a name's most split word, and is infinite where a word can't be spelt at all.
"""

from collections.abc import Callable, Collection

from errseg.words.wordnet import hypernyms, listed_part

Pieces = Callable[[str], float]

KNOWN_PIECES = 1  # pieces of a word up to which the tower knows it
READABLE_PIECES = 2  # pieces of a word up to which it helps as a hypernym


def expand_name(name: str, pieces: Pieces, trained_words: Collection[str] = ()) -> str:
    """Put a noun's hypernyms behind it if the tower spells it out: capybara, rodent, animal.

    Args:
        name: a name as a person types it.
        pieces: counts the pieces of a name's most split word.
        trained_words: in lower case, words whose masks training saw. They stay as they are: their
            pixels lie where training read them.
    """
    noun = listed_part(name) if pieces(name) > KNOWN_PIECES else None
    if noun is None or pieces(noun) <= KNOWN_PIECES or {name.lower(), noun} & {*trained_words}:
        return name
    return with_hypernyms(name, pieces)


def with_hypernyms(name: str, pieces: Pieces) -> str:
    """Put a noun's hypernyms behind it, those whose words the tower can read."""
    known = hypernyms(name, knows=lambda word: pieces(word) <= READABLE_PIECES)
    return ", ".join((name, *known))
