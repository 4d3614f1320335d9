"""What a person should hear about their words, with what may have been meant instead.

`parse_classes` reads what can be told; here is what can't: words that may be several, words that
aren't known, and what no model of this kind understands. A hint is a sentence, and often all of the
words as they would be if it were taken, for a click to write.
"""

import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from errseg.words import beyond, known, parting
from errseg.words.vocabulary import ClassPrompt, Vocabulary

MOST_HINTS = 5
"""Hints of one kind that are given with words for a click; of more only the names are said."""
_NAMES_SAID = 5  # of those beyond
_MOST_FOUND = MOST_HINTS + _NAMES_SAID  # names of one kind; then enough is said
# What a text may cost while it is typed, so that the longest one takes no more than a few
# hundredths of a second; what is left unsaid of very long texts is no mistake that is hidden.
_LOOKED_AT = 200  # names that are looked at for more than one word; more are no list by hand
_CHARACTERS_LOOKED_AT = 3000  # of those names
_CHARACTERS_LOOKED_UP = 12_000  # of names whose words are looked up; ADE20K 847 has 8,354
_NEAREST_LOOKED_FOR = 8  # words to which the nearest is looked for, two milliseconds each
_MOST_STRANGE = 4  # strange words of a name that may all be slips; of more it is another language
_MOST_WRITTEN = 100_000  # characters of all words as hints would write them, each with all
_SINGLE_PIECE = 1


@dataclass(frozen=True)
class Hint:
    """One thing to know."""

    sentence: str
    label: str = ""  # what a click would write, in short
    words: str = (
        ""  # all words, as a text, if the hint is taken; empty if there is nothing to write
    )
    threshold: float | None = None  # another threshold, if that is what the hint offers


@dataclass(frozen=True)
class Reader:
    """A model that knows the words of a dictionary, and spells out what isn't in it."""

    name: str
    pieces: Callable[[str], float]  # of a name's most split word; 1 for one that was met often


def hints(vocabulary: Vocabulary, reader: Reader | None = None) -> tuple[Hint, ...]:
    """Say what there is to know about words before, and after, they are looked for.

    Args:
        vocabulary: as it was read.
        reader: a model to which only words of a dictionary mean something; None for one that has
            learned names of every kind, such as CLIP.
    """
    writer = _Writer(vocabulary)
    several = _several(writer)
    unclear = _beyond(writer, several)
    foreign, unread = _unread(vocabulary, reader, several.keys() | unclear.keys())
    model = reader.name if reader else "The model"
    return (
        *several.values(),
        *unclear.values(),
        *([_in_another_script(foreign, model)] if foreign else []),
        *(_not_known(writer, unread, reader) if reader else []),
    )


@dataclass
class _Writer:
    """Writes all words as they would be if a hint were taken, as long as there is room for it."""

    vocabulary: Vocabulary
    room: int = _MOST_WRITTEN  # characters

    def first(self) -> Iterator[tuple[int, ClassPrompt]]:
        """Yield the classes that are looked at closely, with their places."""
        room = _CHARACTERS_LOOKED_AT
        for place, prompt in enumerate(self.vocabulary.classes[:_LOOKED_AT]):
            room -= len(prompt.name)
            if room < 0:
                return
            yield place, prompt

    def hint(self, sentence: str, label: str, place: int, instead: Iterable[ClassPrompt]) -> Hint:
        """Make a hint that offers other classes in a place; without a click where room is short."""
        words = self._text(place, instead) if self.room > 0 else ""
        self.room -= len(words)
        return Hint(sentence, label if words else "", words)

    def _text(self, place: int, instead: Iterable[ClassPrompt]) -> str:
        """Write a vocabulary with other classes in a place; repeats of them are left out."""
        classes = self.vocabulary.classes
        unique: dict[str, ClassPrompt] = {}
        for prompt in (*classes[:place], *instead, *classes[place + 1 :]):
            unique.setdefault(prompt.name.casefold(), prompt)
        return Vocabulary(tuple(unique.values())).text


def _several(writer: _Writer) -> dict[int, Hint]:
    """Ask about classes that may be several, or whose name asks instead of naming, by place."""
    classes, found = writer.vocabulary.classes, {}
    for place, prompt in writer.first():
        name = prompt.name
        if len(prompt.synonyms) > 1:
            if len(classes) > 1 or not parting.unlike_synonyms(prompt.synonyms):
                continue
            said = f"{_quoted(' | '.join(prompt.synonyms))} is read as one class with synonyms"
            pieces = [*prompt.synonyms]
        elif pieces := parting.asked_for(name):
            said = f"{_quoted(name)} is read as the name of one class"
            pieces = [_without_beyond(piece) for piece in pieces]
        elif pieces := parting.parts(name, alone=len(classes) == 1):
            said = f"{_quoted(name)} is read as one class"
        else:
            continue
        label = ", ".join(pieces)
        meant = f"commas part classes: {label}?" if len(pieces) > 1 else f"{label}?"
        found[place] = writer.hint(f"{said}; {meant}", label, place, _named(pieces))
        if len(found) == MOST_HINTS:
            break
    return found


def _beyond(writer: _Writer, others: Collection[int]) -> dict[int, Hint]:
    """Tell of places, counts, negation and comparisons, which no model of this kind understands."""
    found = {}
    for place, prompt in writer.first():
        asked = beyond.beyond(prompt.name)
        if asked is None or place in others:
            continue
        said = f"{_quoted(prompt.name)}: {beyond.SAID[asked.kind]}"
        if asked.thing:
            rest = ", and take the rest" if asked.kind == "negation" else ""
            said = f"{said}; ask for {asked.thing}{rest}."
            found[place] = writer.hint(said, asked.thing, place, _named([asked.thing]))
        else:
            found[place] = Hint(f"{said}.")
        if len(found) == MOST_HINTS:
            break
    return found


def _unread(
    vocabulary: Vocabulary, reader: Reader | None, others: Collection[int]
) -> tuple[list[str], list[tuple[int, str]]]:
    """List words in other scripts, and those with their places that a reader may not know."""
    foreign: list[str] = []
    unread: list[tuple[int, str]] = []
    room = _CHARACTERS_LOOKED_UP
    for place, prompt in enumerate(vocabulary.classes):
        for word in prompt.synonyms if place not in others else ():
            if any(map(str.isalpha, word)) and not _is_latin(word):
                foreign.append(word)
            elif reader and len(unread) < _MOST_FOUND and room > 0:
                room -= len(word)
                if not known.is_sure(word):
                    unread.append((place, word))
    return foreign, unread


def _in_another_script(names: list[str], model: str) -> Hint:
    are = "is" if len(names) == 1 else "are"
    return Hint(f"{model} reads English; {_some(names)} {are} written in another script.")


def _not_known(writer: _Writer, unread: list[tuple[int, str]], reader: Reader) -> Iterator[Hint]:
    """Name words that a reader doesn't know, and the nearest that it does."""
    said, unnamed, slips = 0, [], _Slips(reader)
    for place, word in unread:
        if said == MOST_HINTS:
            unnamed.append(word)
        elif not any(map(str.isalpha, word)):
            said += 1
            yield Hint(f"{_quoted(word)}: no letters, so not a word {reader.name} knows.")
        elif (better := slips.better(word)) is not None:
            said += 1
            begin = f"{_quoted(word)}: "
            if not known.is_known(word):
                begin += f"not a word {reader.name} knows"
                begin += "; " if better else "."
            if not better:
                yield Hint(begin)
                continue
            respelt = _respelt(writer.vocabulary.classes[place], word, better[0])
            yield writer.hint(f"{begin}{' or '.join(better)}?", better[0], place, [respelt])
    if unnamed:
        yield Hint(f"There may be more words that {reader.name} doesn't know: {_some(unnamed)}.")
    if said:
        yield Hint(f"{reader.name} reads English, and strange words by their spelling.")


@dataclass
class _Slips:
    """Finds what names may have been that a reader doesn't know."""

    reader: Reader
    left: int = _NEAREST_LOOKED_FOR  # words to which the nearest may be looked for yet

    def better(self, name: str) -> tuple[str, ...] | None:
        """Say what a name may have been, nothing if nobody can tell; None if it is known."""
        words = known.words_of(name)
        strange = [word for word in words if not known.is_known_word(word)]
        if len(strange) == len(words) == 1:
            near = self._nearest(words[0])
            # Names that came after WordNet: a smartphone is one to a reader who met it often.
            met = self._is_met(words[0])
            slip = any(known.is_slip(words[0], other) for other in near)
            return None if met and not slip else near
        better = {}
        if len(strange) <= min(_MOST_STRANGE, self.left):
            better = {word: (*self._nearest(word), word)[0] for word in strange}
        spelt = " ".join(better.get(word, word) for word in words)
        if len(strange) == len(words):
            return (spelt,) if spelt != " ".join(words) else ()
        # With a known word beside it only what makes a listed name is worth a question.
        return (spelt,) if parting.is_listed(spelt) else None

    def _nearest(self, word: str) -> tuple[str, ...]:
        self.left -= 1
        return known.nearest(word, self._is_met) if self.left >= 0 else ()

    def _is_met(self, word: str) -> bool:
        return self.reader.pieces(word) <= _SINGLE_PIECE


def _is_latin(name: str) -> bool:
    """Say whether some word of a name is written in Latin letters."""
    return name.isascii() or any(
        unicodedata.name(char, "").startswith("LATIN") for char in name if char.isalpha()
    )


def _without_beyond(name: str) -> str:
    asked = beyond.beyond(name)
    return asked.thing if asked and asked.thing else name


def _respelt(prompt: ClassPrompt, word: str, better: str) -> ClassPrompt:
    synonyms = tuple(better if own == word else own for own in prompt.synonyms)
    return ClassPrompt(synonyms[0], tuple(dict.fromkeys(synonyms)))


def _named(names: Iterable[str]) -> list[ClassPrompt]:
    return [ClassPrompt(name, (name,)) for name in names]


def _some(names: Sequence[str]) -> str:
    said = ", ".join(map(_quoted, names[:_NAMES_SAID]))
    more = len(names) - _NAMES_SAID
    return f"{said} and {more:,} more" if more > 0 else said


def _quoted(name: str) -> str:
    return f"“{name}”"
