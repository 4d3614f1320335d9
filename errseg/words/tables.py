"""Lists as tables: one class a line, its name beside ids, colours or whatever else."""

import csv
import re
from collections.abc import Callable, Sequence

NAME_HEADS = (
    *("name", "names", "class name", "classname", "class", "classes", "label", "labels"),
    *("category", "categories", "class names", "label name", "category name", "object", "objects"),
    *("synset", "word", "words", "title", "display name", "prompt", "tag", "tags"),
)
"""What the column of names is called, in order of preference."""
OTHER_HEADS = frozenset(
    "id ids idx index no no. nr # number value classid labelid trainid count "
    "color colour rgb hex r g b red green blue supercategory pixels ratio stuff is thing "
    "train val test description".split()
) | {"class id", "label id", "category id", "train id", "is thing"}
"""What other columns are called."""
LONE_HEADS = frozenset(NAME_HEADS[: NAME_HEADS.index("class names") + 1])
"""What stands above a single column of names."""

_NUMBER = re.compile(r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)\s?%?$")
_COLOR = re.compile(r"#[0-9a-fA-F]{3,8}$|\(?\d{1,3}([,\s]\s?\d{1,3}){2}\)?$")
_RULE = re.compile(r"[\s|:+]*-[\s|:+-]*$")  # below the head of a table in Markdown
# `0 cat`, `64 128 64 traffic light`, `cat 0.93`: numbers and a name with blanks between them.
_BEFORE = re.compile(r"((?:\d{1,6}\s{1,9}){1,5})(?=\D)")
_BEHIND = re.compile(r"\s+(\d?\.\d+|\d+(?:\.\d+)?\s?%)$")
_FEWEST_LINES = 2
_LONGEST_NUMBER = 20  # characters, with the blanks before it


def read_table(lines: Sequence[str]) -> list[str] | None:
    """Read lines as a table and return its names, or None if they are none.

    A table has as many cells in each line, and besides the names a column of numbers or colours, or
    a head that says which column is which.

    Args:
        lines: none of them blank.
    """
    for parted in _WAYS:
        if rows := _rows(lines, parted):
            names = _column_of_names(rows)
            if names is not None:
                return names
    return None


def without_head(lines: Sequence[str]) -> tuple[list[str], str]:
    """Take the head off a single column of names: the other lines, and the head or nothing."""
    head = _plain(lines[0]) if len(lines) >= _FEWEST_LINES else ""
    if head in LONE_HEADS:
        return [*lines[1:]], lines[0].strip()
    return [*lines], ""


def _rows(
    lines: Sequence[str], parted: Callable[[str], Sequence[str]]
) -> list[Sequence[str]] | None:
    """Part each line into cells; None where they aren't as many in each."""
    rows: list[Sequence[str]] = []
    ruled = parted is _piped and len(lines) > 2 and _RULE.match(lines[1])
    for line in [lines[0], *lines[2:]] if ruled else lines:
        cells = parted(line)
        if len(cells) < (1 if ruled else 2) or (rows and len(cells) != len(rows[0])):
            return None
        rows.append(cells)
    if ruled and len(rows[0]) == 1:  # one column, whatever its head says
        return [["name", "id"], *((cell, "0") for (cell,) in rows[1:])]
    if len(rows) < _FEWEST_LINES:
        return None
    if parted is _spaced and rows[0][0].isdigit() and not _is_counted(rows):
        return None
    return rows


def _column_of_names(rows: Sequence[Sequence[str]]) -> list[str] | None:
    heads = [_plain(cell) for cell in rows[0]]
    named = next((heads.index(head) for head in NAME_HEADS if head in heads), None)
    others = sum(head in OTHER_HEADS for head in heads)
    body = rows[1:]
    columns = [*zip(*body, strict=True)]
    numeric = [_is_numeric(column) for column in columns]
    if named is not None and (others or any(numeric)) and not numeric[named]:
        return [*columns[named]]
    columns = [*zip(*rows, strict=True)]
    numeric = [_is_numeric(column) for column in columns]
    if any(numeric) and numeric.count(False) == 1:
        return [*columns[numeric.index(False)]]
    return None


def _is_numeric(column: Sequence[str]) -> bool:
    return any(column) and all(
        not cell or _NUMBER.match(cell) or _COLOR.match(cell) for cell in column
    )


def _plain(cell: str) -> str:
    return " ".join(cell.lower().replace("_", " ").split()).strip(" :\"'")


def _separated(mark: str) -> Callable[[str], Sequence[str]]:
    def parted(line: str) -> Sequence[str]:
        if mark not in line:
            return ()
        try:
            cells = next(csv.reader([line], delimiter=mark, skipinitialspace=True))
        except csv.Error:
            return ()
        return [cell.strip() for cell in cells]

    return parted


def _piped(line: str) -> Sequence[str]:
    inner = line.strip()
    if not (inner.startswith("|") and inner.endswith("|") and len(inner) > 1):
        return ()
    return [cell.strip() for cell in inner[1:-1].split("|")]


def _spaced(line: str) -> Sequence[str]:
    line = line.strip()
    if before := _BEFORE.match(line):
        return [*before[0].split(), line[before.end() :]]
    if behind := _BEHIND.search(line[-_LONGEST_NUMBER:]):
        return [line[: -len(behind[0])], behind[1]]
    return ()


def _is_counted(rows: Sequence[Sequence[str]]) -> bool:
    """Say whether the only numbers count the lines from 0 or 1: `2 dogs` is no line of a table."""
    first = [row[0] for row in rows]
    return len(rows[0]) > 2 or first in (_counted(0, len(rows)), _counted(1, len(rows)))


def _counted(start: int, count: int) -> list[str]:
    return [*map(str, range(start, start + count))]


_WAYS = (_piped, *map(_separated, "\t,;:="), _spaced)
