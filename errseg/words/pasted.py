"""How lists are written: what people type and paste, parted into classes.

Commas part classes. Beside that people paste what they have: JSON, a column of a table, a numbered
list, or names parted by full stops, as other models want them. Each is read as what it is, where it
can be told; `errseg.words.hints` asks about what can't be told.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from errseg.words.brackets import LISTS, read_brackets
from errseg.words.plain import BULLETS, DASHES, SEPARATOR, plain_rows, quoted_text, unquoted
from errseg.words.tables import read_table, without_head

NUMBERED = "a numbered list"
MOST_STOPS = 5000  # full stops of a text that are looked at: as many as there may be names
DEEPEST = 3  # lists in lists that are read: `--classes "names: [dog, sky]"`

_BULLET = re.compile(
    rf"\s*(?:[{BULLETS}·]\ufe0f?\s*|[*+>#{DASHES}]\s+(?:\[[ xX]?\]\s*)?|-(?=[^\W\d]))(?=\S)"
)
_NUMBER = re.compile(
    rf"\s*(?:[(\[]?(?P<digits>\d{{1,4}})(?:\s?[.)\]:=、]\s*|\s+[{DASHES}]\s+)(?!\d)|[①-⑳]\s*"
    r"|[(\[]?(?P<letter>[a-zA-Z])[.)\]]\s+|#\d{1,4}[.:)]?\s+)(?=\S)"
)
_NUMBER_INSIDE = re.compile(r"(?:^|(?<=[\s,;]))[(\[]?(\d{1,4})[.)\]:=、]\s*(?=[^\W\d])")
_NUMBER_BEHIND = re.compile(
    r"\s{0,9}(?:[:=]\s?-?\d+(?:\.\d+)?|\s\(?(?:\d?\.\d+|\d+(?:\.\d+)?\s?%)\)?)$"
)
_BULLET_INSIDE = re.compile(rf"(?<!\s)(?:\s*[{BULLETS}]\ufe0f?|\s+·(?=\s))")
_HASHTAG = re.compile(r"#[^\W\d][\w-]*$")
_FENCE = re.compile(r"\s*(?:```|~~~)\w{0,20}\s*$")
_COMMENT = re.compile(r"\s*(?:#\s|//|<!--|---\s*$)")
_OTHER_LISTS = ("label", "class", "category", "prompt", "text[ _]prompt")
_KEY = re.compile(
    rf"\s*(?:--)?(?P<mark>[\"']?)(?P<key>{'|'.join((*LISTS, *_OTHER_LISTS))})(?P=mark)"
    r"\s{0,3}[:=]\s{0,3}",
    re.IGNORECASE,
)
_OPTION = re.compile(r"--(?P<key>[a-z_-]{2,20})[\s=]\s{0,3}")  # --classes "dog, sky"
_OTHER_KEY = re.compile(r"[\"']?[^\W\d][\w.-]{0,40}[\"']?\s?[:=](?:\s|$)")
_LABEL_MAP = re.compile(r"\s*item\s*\{")  # TensorFlow's
_LABEL_MAP_NAME = re.compile(r"\b(display_name|name)\s?:\s?[\"']([^\"'\n]{0,200})[\"']")
_CHARACTERS_QUOTED = 30  # of a comment that was left out
_TITLE = re.compile(r"[^\n:]{1,60}:\s*$")  # above a list of lines

_STOP = re.compile(r"(?P<apart>(?<!\s)\s+)?(?:\.(?:\s+|$)|。\s*)")
_ABBREVIATIONS = frozenset("dr mr mrs ms st mt ft jr sr no vs fig inc ltd co approx nr ave".split())


@dataclass(frozen=True)
class Read:
    """What was read."""

    rows: list[list[str]]  # items in lines: names, or synonyms with bars between them
    notices: tuple[str, ...] = ()  # how it was read, if it isn't a plain list


def read_list(text: str, deepest: int = DEEPEST) -> Read:
    """Part a text into items, in time that is proportional to its length.

    Args:
        text: with no long runs of blanks.
        deepest: as many lists may stand in each other, under a key or in quotation marks.
    """
    lines = [line for line in text.splitlines() if not _FENCE.match(line)]
    whole = "\n".join(lines).strip().lstrip("\ufeff")
    under_key, in_a_line = (partial(read, deepest=deepest) for read in (_under_key, _in_a_line))
    for reader in (_in_brackets, _in_label_map, under_key, _in_lines, in_a_line):
        if (read := reader(whole)) is not None:
            return read
    return _plain(lines)


def _in_brackets(text: str) -> Read | None:
    names = read_brackets(text)
    return None if names is None else _as("a list in brackets", names)


def _in_label_map(text: str) -> Read | None:
    if not _LABEL_MAP.match(text):
        return None
    found = [*_LABEL_MAP_NAME.finditer(text)]
    kind = "display_name" if any(match[1] == "display_name" for match in found) else "name"
    names = [match[2] for match in found if match[1] == kind]
    return _as("a label map", names) if names else None


def _under_key(text: str, deepest: int) -> Read | None:
    """Read `names: ...`, by itself or among a file's other keys, and `--classes "..."`."""
    if not deepest:
        return None
    if option := _OPTION.match(text):
        return _again(text[option.end() :], option["key"], deepest)
    if ":" not in text and "=" not in text:
        return None
    lines = text.split("\n")
    above = 0
    while not (key := _KEY.match(lines[above])):
        if lines[above].strip() and not any(k.match(lines[above]) for k in (_COMMENT, _OTHER_KEY)):
            return None
        above += 1
        if above == len(lines):
            return None
    value = lines[above][key.end() :].strip()
    block = [value] if value else []
    for below in lines[above + 1 :]:
        if _OTHER_KEY.match(below):
            break
        block.append(below)
    return _again("\n".join(block), key["key"], deepest)


def _again(text: str, key: str, deepest: int) -> Read | None:
    if not text.strip():
        return None
    read = read_list(text, deepest - 1)
    return Read(read.rows, (f"Read as what stands under “{key}”.", *_left_out(read)))


def _left_out(read: Read) -> list[str]:
    return [notice for notice in read.notices if notice.startswith("Left out")]


def _in_lines(text: str) -> Read | None:
    lines = [line for line in text.split("\n") if line.strip()]
    comments = [line for line in lines if _COMMENT.match(line)]
    left_out = []
    if comments and len(comments) < len(lines):
        lines = [line for line in lines if not _COMMENT.match(line)]
        left_out = [f"comments, such as “{comments[0].strip()[:_CHARACTERS_QUOTED]}”"]
    titled = len(lines) > 2 and _TITLE.match(lines[0])
    for body in (lines, lines[1:]) if titled else (lines,):
        for marks, how in ((_without_bullets, "a list with bullets"), (_without_numbers, NUMBERED)):
            if bare := marks(body):
                return _plain(bare, left_out, how)
        if (names := read_table(body)) is not None:
            return _as("a table", [name.replace(";", " | ") for name in names])
    lines, head = without_head(lines)
    if head:
        left_out.append(f"the head “{head}”")
    return _plain(lines, left_out) if left_out else None


def _plain(lines: list[str], left_out: Sequence[str] = (), how: str = "") -> Read:
    rows, more = plain_rows("\n".join(lines))
    said = (f"Left out: {words}." for words in (*left_out, *more))
    return Read(rows, ((f"Read as {how}.",) if how else ()) + tuple(said))


def _without_bullets(lines: list[str]) -> list[str] | None:
    """Take bullets off the lines, if each has one."""
    marks = [*map(_BULLET.match, lines)]
    if not lines or not all(marks):
        return None
    if len(lines) == 1 and _bulleted(lines[0]):
        return None
    return [line[mark.end() :] for line, mark in zip(lines, marks, strict=True)]


def _without_numbers(lines: list[str]) -> list[str] | None:
    """Take numbers or letters off the lines, if each has one."""
    marks = [*map(_NUMBER.match, lines)]
    if len(lines) < 2 or not all(marks):
        return None
    letters = [mark["letter"] for mark in marks if mark["letter"]]
    if letters and not _is_alphabet(letters):
        return None
    return [line[mark.end() :] for line, mark in zip(lines, marks, strict=True)]


def _is_alphabet(letters: list[str]) -> bool:
    return "".join(letters).lower() in "abcdefghijklmnopqrstuvwxyz" and letters[0].lower() == "a"


def _in_a_line(text: str, deepest: int) -> Read | None:
    """Read what stands in one line, or in lines of one way of writing."""
    if (quoted := quoted_text(text)) is not None:
        is_list = deepest and SEPARATOR.search(quoted)
        return read_list(quoted, deepest - 1) if is_list else None
    for parted, how in (
        (_numbered, NUMBERED),
        (_with_ids, "names with their numbers"),
        (_bulleted, "a list with bullets"),
        (_hashtags, "hashtags"),
        (_in_quotes, "names in quotation marks"),
        (_between_stops, "names parted by full stops"),
    ):
        if names := parted(text):
            return _as(how, names)
    return None


def _numbered(text: str) -> list[str] | None:
    """Read `1. temple 2. sky`, with commas or without."""
    if not _NUMBER_INSIDE.match(text) or "\n" in text:
        return None
    places = [*_NUMBER_INSIDE.finditer(text)]
    first = int(places[0][1])
    if first > 1 or [int(place[1]) for place in places] != [*range(first, first + len(places))]:
        return None
    ends = [place.start() for place in places[1:]] + [len(text)]
    items = [text[place.end() : end] for place, end in zip(places, ends, strict=True)]
    return [name for item in items for row in plain_rows(item)[0] for name in row if name.strip()]


def _with_ids(text: str) -> list[str] | None:
    """Read `cat: 0, dog: 1` and `0, cat, 1, dog`."""
    items = [item.strip() for item in SEPARATOR.split(text)]
    if "\n" in text or len(items) < 2:
        return None
    if all(map(_NUMBER_BEHIND.search, items)):
        return [unquoted(_NUMBER_BEHIND.sub("", item)) for item in items]
    numbers, names = items[::2], items[1::2]
    counted = [*map(str, range(len(numbers)))], [*map(str, range(1, len(numbers) + 1))]
    if len(numbers) == len(names) > 1 and numbers in counted:
        return None if any(name.isdigit() for name in names) else [*map(unquoted, names)]
    return None


def _bulleted(text: str) -> list[str] | None:
    mark = _BULLET.match(text)
    if "\n" in text or not (mark or _is_bare(text)):
        return None
    parts = _BULLET_INSIDE.split(text)
    if len(parts) < 2 and mark:  # - temple - sky
        parts = text[mark.end() :].split(f" {mark[0].strip()[:1]} ")
        parts = parts if len(parts) > 1 else []
    names = [part.strip(" ,;") for part in parts]
    return [unquoted(name) for name in names if name] if len(parts) > 1 else None


def _is_bare(text: str) -> bool:
    """Say whether neither commas nor quotation marks part a text."""
    return '"' not in text and not SEPARATOR.search(text)


def _hashtags(text: str) -> list[str] | None:
    if not text.startswith("#"):
        return None
    tags = SEPARATOR.sub(" ", text).split()
    return [tag[1:].replace("_", " ") for tag in tags] if all(map(_HASHTAG.match, tags)) else None


def _in_quotes(text: str) -> list[str] | None:
    """Read `"temple" "sky"`."""
    if SEPARATOR.search(text) or not re.match(r"[\"'“`]", text):
        return None
    found = re.findall(r"\"([^\"\n]+)\"|'([^'\n]+)'|“([^“”\n]+)”|`([^`\n]+)`|(\S)", text)
    names = ["".join(match) for match in found]
    return names if len(names) > 1 and not any(match[-1] for match in found) else None


def _between_stops(text: str) -> list[str] | None:
    if not _is_bare(text) or not 0 < text.count(".") + text.count("。") <= MOST_STOPS:
        return None
    names = []
    for line in text.split("\n"):
        begin = 0
        for stop in _STOP.finditer(line):
            before = line[begin : stop.start()].split()
            if stop["apart"] or (before and _ends_a_name(before[-1])):
                names.append(line[begin : stop.start()])
                begin = stop.end()
        names.append(line[begin:])
    names = [name.strip() for name in names if name.strip()]
    return names if len(names) > text.count("\n") + 1 or len(names) > 1 else None


def _ends_a_name(word: str) -> bool:
    """Say whether a full stop behind a word is the end of more than an abbreviation."""
    return len(word) > 1 and word.isalpha() and word.lower() not in _ABBREVIATIONS


def _as(how: str, names: list[str]) -> Read:
    return Read([names], (f"Read as {how}.",))
