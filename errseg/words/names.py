"""Names as a person types them: parted, cleaned, and bounded before they are looked at."""

import re
import unicodedata
from collections.abc import Iterator, Sequence

from errseg.errors import InputError
from errseg.words.pasted import read_list
from errseg.words.plain import BARS, SEPARATOR

MAX_NAME_LENGTH = 100
"""Most characters in one name or synonym. The longest benchmark name has 23; 100 characters of
English are some 25 tokens, well inside the 77 that CLIP's text tower reads with their template."""
MAX_TEXT_LENGTH = 50_000
"""Most characters of all classes together, as typed and as `Vocabulary.text` writes them. ADE20K
847 has 8,354, and 14,266 with all of its synonyms."""
MAX_ENTRIES = 5000
"""Most names and synonyms that are looked at, blank and repeated ones among them."""
MAX_MARKS = 30
"""Most combining marks in a row, as in Unicode's Stream-Safe Text Format (UAX #15): the time that
NFC takes grows with the square of a run's length. No language writes more than a few."""

_INVISIBLE = frozenset({"Cc", "Cf", "Cs"})  # control, format (zero-width, bidi), lone surrogate
# What Unicode shows nothing of beside those (Default_Ignorable_Code_Point: fillers, variation
# selectors, joiners), and the blank of Braille.
_IGNORABLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\ufff0-\ufff8\U000e0000-\U000e0fff]"
)
_LONGEST_BLANK = 9  # blanks in a row that a list may be told by; of more, one is as good
# Blanks within a line but for the tab, which parts a table's cells.
_BLANKS = re.compile(rf"([^\S\t\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]){{{_LONGEST_BLANK + 1},}}")
_DECOMPOSED = 4  # most characters that one of NFC has before: Greek vowels with three accents
_CHARACTERS_QUOTED = 30  # of a name that is too long


def read_synonyms(
    classes: str | Sequence[str],
) -> tuple[Iterator[tuple[str, ...]], tuple[str, ...]]:
    """Part classes as a person gives them.

    How text is parted is said at `errseg.words.vocabulary.parse_classes`.

    Returns:
        the synonyms of each class, cleaned and all different, none for a blank; and notices on how
        a text was read. The names are looked at one by one, as they are asked for.

    Raises:
        InputError: a name is longer than `MAX_NAME_LENGTH` or has more than `MAX_MARKS` on one
            letter, all of it is longer than `MAX_TEXT_LENGTH` or has more than `MAX_ENTRIES`, or
            `classes` holds something that is no text.
    """
    if classes is None:  # an empty form field
        return iter(()), ()
    items = [classes] if isinstance(classes, str) else classes
    if not isinstance(items, Sequence) or isinstance(items, bytes | bytearray | memoryview):
        raise InputError(
            f"Classes are given as text or as a list of texts, not as {type(classes).__name__}."
        )
    _check_entries(len(items))
    for item in items:
        if not isinstance(item, str):
            raise InputError(f"Each class is a text, not {_quote(item)}.")
    check_length(sum(map(len, items)))
    bars = sum(item.count(bar) for item in items for bar in BARS)
    if items is classes:
        _check_entries(len(items) + bars)
        return map(_parse_synonyms, items), ()
    _check_entries(len(classes.splitlines()) + len(SEPARATOR.findall(classes)) + bars)
    # Patterns look at every blank of a run from each of its blanks: time with its length squared.
    read = read_list(_BLANKS.sub(r"\1", classes))
    _check_entries(sum(map(len, read.rows)) + bars)
    return _parse_rows(read.rows), read.notices


def _parse_rows(rows: list[list[str]]) -> Iterator[tuple[str, ...]]:
    for row in rows:
        if not row:
            continue
        *others, last = map(_parse_synonyms, row)
        yield from others
        if last:  # else an empty line, or a separator at a line's end
            yield last


def _parse_synonyms(item: str) -> tuple[str, ...]:
    synonyms: dict[str, str] = {}
    bar, *others = BARS
    for other in others:
        item = item.replace(other, bar)
    for part in item.split(bar):
        if synonym := _clean(part):
            synonyms.setdefault(synonym.casefold(), synonym)
    return tuple(synonyms.values())


def _clean(text: str) -> str:
    """Collapse white space, remove what can't be seen, compose accents (NFC); check the length."""
    name = " ".join(text.split())
    if not name.isascii() or not name.isprintable():
        seen = name
        if not name.isprintable():
            seen = "".join(char for char in name if unicodedata.category(char) not in _INVISIBLE)
        # Removing a character may have brought two spaces together.
        name = " ".join(_IGNORABLE.sub("", seen).split())
        # A name may be longer before it is composed, and so may its runs of marks: they begin with
        # those of the letter itself.
        _check_name(name, MAX_NAME_LENGTH * _DECOMPOSED, MAX_MARKS + _DECOMPOSED)
        name = " ".join(unicodedata.normalize("NFC", name).split())
    _check_name(name, MAX_NAME_LENGTH, MAX_MARKS)
    return name


def _check_name(name: str, longest: int, most_marks: int) -> None:
    if len(name) > longest:
        raise InputError(
            f"The class name “{name[:_CHARACTERS_QUOTED].rstrip()}…” has {len(name):,} characters; "
            f"at most {MAX_NAME_LENGTH} are possible."
        )
    if len(name) <= most_marks or name.isascii():
        return
    runs = bytes(map(unicodedata.combining, name)).split(b"\0")  # a mark's class is above 0
    if max(map(len, runs)) > most_marks:
        raise InputError(
            f"A class name has more than {MAX_MARKS} accents on one letter; write it with fewer."
        )


def check_length(length: int) -> None:
    """Refuse with an `InputError` more characters than `MAX_TEXT_LENGTH`."""
    if length > MAX_TEXT_LENGTH:
        raise InputError(
            f"The classes have {length:,} characters; at most {MAX_TEXT_LENGTH:,} are possible."
        )


def _check_entries(entries: int) -> None:
    if entries > MAX_ENTRIES:
        raise InputError(
            f"There are {entries:,} names, blank and repeated ones among them; "
            f"at most {MAX_ENTRIES:,} are possible."
        )


def _quote(value: object) -> str:
    if value is None or isinstance(value, bool | float):
        return f"{value!r}"
    return f"a {type(value).__name__}"  # its own words may be endless
