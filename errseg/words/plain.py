"""Plain lists: names with commas between them, some in quotation marks."""

import re

# Comma and semicolon; their full-width, small, half-width, ideographic and Arabic forms, and the
# Greek question mark, which NFC makes a semicolon; and the tab, which parts the cells of a row
# copied from a spreadsheet.
MARKS = ",;\t\uff0c\uff1b\ufe50\ufe54\ufe51\uff64\u3001\u060c\u061b\u037e"
SEPARATOR = re.compile(f"[{MARKS}]")
BARS = "|\uff5c"  # part synonyms
BULLETS = "•●▪‣◦■□▫○◆◇★☆►▶✓✔☐☑➤➢→∙\u2043"
DASHES = r"\u2013\u2014\-"  # as a part of a pattern

_LONGEST_QUOTED = 500  # characters in quotation marks: a name may have as many before it is cleaned
# What opens and what closes: straight, English, German, French, Japanese, code, bold in Markdown.
_OPENING = "\"'`\u201c\u201e\u2018\xab\u300c"
_PAIRS = (
    *(r"''", "``", "\u201c\u201d", "\u201e\u201c", "\u201e\u201d", "\u2018\u2019", "\xab\xbb"),
    "\u300c\u300d",
)
_BOLD = "**"


def _in_quotes(longest: int) -> str:
    """Write the pattern of what stands in quotation marks; in straight ones two stand for one."""
    pairs = [rf'"((?:[^"]|""){{0,{longest}}})"', rf"\*\*([^*]{{0,{longest}}})\*\*"]
    # No second mark that opens within: else many open ones would each look far for their end.
    pairs += [f"{begin}([^{begin}{end}]{{0,{longest}}}){end}" for begin, end in _PAIRS]
    return f"(?:{'|'.join(pairs)})"


_QUOTED = re.compile(rf"\s*{_in_quotes(_LONGEST_QUOTED)}\s*(?=[{MARKS}{BARS}]|$)")
_QUOTED_PART = re.compile(rf"(?:(?<=[{BARS}])|^)\s*{_in_quotes(_LONGEST_QUOTED)}\s*(?=[{BARS}]|$)")
_ALL_QUOTED = re.compile(rf"\s*{_in_quotes(10**5)}\s*$")
_BAR_OR_SEPARATOR = re.compile(f"[{MARKS}{BARS}]")
_AND = re.compile(rf"(?:and|or|&)\s+(?=[^\s{BARS}])", re.IGNORECASE)
_AND_SO_ON = re.compile(r"(?:and\s+)?(?:etc\.?|so on|so forth)$|(?:\.\s?){3,}$|…$", re.IGNORECASE)
_SHORTEST = 3  # letters of a word whose full stop isn't an abbreviation's

# What makes a text more than a plain list: a name that has it is written in quotation marks.
_NEEDS_QUOTES = re.compile(
    rf"[{MARKS}.:=\u3002…{BULLETS}·]|^[{_OPENING}{DASHES}\[({{#*+>①-⑳]|[\"`\u201d\xbb]$|^\d+$"
    r"|^[(\[]?\w{1,4}[)\]]|^(?:and|or|&)\s|^(?:etc|so on|so forth)$|^item\s*\{",
    re.IGNORECASE,
)


def plain_rows(text: str) -> tuple[list[list[str]], list[str]]:
    """Part a text at separators and line ends, and take off what only belongs to the list.

    Returns:
        the items of each line, and words that were left out, such as etc.
    """
    has_quotes = any(mark in text for mark in (*_OPENING, _BOLD))
    rows = [_parted(line) if has_quotes else SEPARATOR.split(line) for line in text.splitlines()]
    left_out = []
    if not rows:
        return rows, left_out
    last = next((row for row in reversed(rows) if any(map(str.strip, row))), rows[-1])
    several = sum(map(len, rows)) > 1
    if several and (ending := last[-1].strip()) and _AND_SO_ON.match(ending):
        left_out.append(f"“{ending}”")
        last.pop()
    elif last[-1].rstrip().endswith(".") and _ends_in_a_stop(last[-1].rstrip()):
        last[-1] = last[-1].rstrip()[:-1]
    if several:
        for row in rows:
            row[:] = map(_without_and, row)
    return ([[*map(unquoted, row)] for row in rows] if has_quotes else rows), left_out


def quoted_text(text: str) -> str | None:
    """Return what stands in quotation marks, if all of a text does."""
    match = _ALL_QUOTED.match(text)
    return match[match.lastindex] if match else None


def unquoted(item: str) -> str:
    """Take quotation marks off an item, and off each of its synonyms."""
    bare = _QUOTED_PART.sub(lambda match: match[match.lastindex].replace('""', '"'), item)
    if bare != item:
        return bare
    bare = item.strip()
    if bare[:1] in ('"', "“") and not any(mark in bare[1:] for mark in '"“”'):
        return bare[1:]  # its other mark stands behind another item
    if bare[-1:] in ('"', "”") and not any(mark in bare[:-1] for mark in '"“”'):
        return item if bare[-2:-1].isdigit() else bare[:-1]  # 12" is a length
    return item


def quoted(name: str) -> str:
    """Write a name so that it is read as itself: in quotation marks where it needs them."""
    return '"' + name.replace('"', '""') + '"' if _NEEDS_QUOTES.search(name) else name


def _parted(line: str) -> list[str]:
    """Part a line at the separators outside quotation marks."""
    items, begin = [], 0
    while True:
        end = _end_of_item(line, begin)
        items.append(line[begin:end])
        if end == len(line):
            return items
        begin = end + 1


def _end_of_item(line: str, place: int) -> int:
    while True:
        if match := _QUOTED.match(line, place):
            place = match.end()
            found = _BAR_OR_SEPARATOR.match(line, place)
        else:
            found = _BAR_OR_SEPARATOR.search(line, place)
        if found is None:
            return len(line)
        if found[0] not in BARS:
            return found.start()
        place = found.end()


def _without_and(item: str) -> str:
    bare = item.lstrip()
    if bare[:1] not in "aAoO&" or not (match := _AND.match(bare)):
        return item
    return bare[match.end() :]


def _ends_in_a_stop(item: str) -> bool:
    word = item[:-1].split()[-1:] or [""]
    return len(word[0]) >= _SHORTEST and word[0].isalpha()
