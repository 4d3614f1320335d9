"""Lists in brackets: JSON, and what Python, JavaScript and YAML write like it.

One reader for all of them, which is more patient than each: a comma too many, names without
quotation marks and an end that was not copied do no harm.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

DEEPEST = 12
"""Brackets within brackets that are read; COCO's categories stand in three."""
MOST_TOKENS = 15_000
"""Brackets, commas and words that are looked at: COCO's way of writing 1,000 names takes 14,000."""

OPENING = {"[": "]", "(": ")", "{": "}"}
# Behind which a list stands: `names =`, `const names: list =`, `np.array(`.
_ASSIGNED = re.compile(
    r"(?:(?:const|let|var|final)\s{1,4})?[\w.]{1,60}\s{0,4}(?::\s{0,4}[\w.\[\], ]{1,60})?"
    r"\s{0,4}[=:]\s{0,4}(?=[\w.\[({])"
)
_CALLED = re.compile(r"(?:np\.|numpy\.|pd\.)?(?:array|set|list|tuple|frozenset|dict|Index)(?=\()")
_TOKEN = re.compile(
    r"[^\S\n]*(?:"
    r'"(?P<double>(?:[^"\\\n]|\\.){0,2000})"'
    r"|'(?P<single>(?:[^'\\\n]|\\.){0,2000})'(?=\s*['\"\])},:;]|\s*$)"
    r"|“(?P<curly>[^“”\n]{0,2000})”"
    r"|(?P<comment>(?:#\s|//)[^\n]*)"
    r"|(?P<mark>[\[\](){},:;\n]|=>?)"
    r"|(?P<bare>[^\s\[\](){},:;=][^\[\](){},:;=\n]*)"
    r")"
)
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(.))", re.DOTALL)
_BLANKS = {"n": " ", "t": " ", "r": " ", "b": "", "f": ""}
_NUMBER = re.compile(r"[-+]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?$")
_NOTHING = frozenset("null none nil true false undefined nan ~".split())
_COLOR = re.compile(r"#(?:[0-9a-fA-F]{3,4}){1,2}$")
_NUMBERED_KEY = re.compile(
    r"(?:(?:class|label|id|category|cls|n|c)?[\s_-]{0,2}\d+|[a-z])$", re.IGNORECASE
)

# What the list, and a name in it, are called, in order of preference.
LISTS = (
    *("names", "classes", "categories", "labels", "class_names", "classnames", "id2label"),
    *("thing_classes", "stuff_classes", "vocabulary", "label_names", "items", "objects", "tags"),
    *("words", "prompts", "text_prompts", "queries", "label2id"),
)
NAMES = ("name", "class_name", "class", "label", "category", "title", "display_name", "word")
_TOGETHER = frozenset(("thing_classes", "stuff_classes"))


@dataclass
class Group:
    """What stands in a pair of brackets."""

    keys: list[str | None] = field(default_factory=list)  # of each value, None where it has none
    values: list["Value"] = field(default_factory=list)

    def under(self, names: tuple[str, ...]) -> Iterator["Value"]:
        """Yield the values that stand under one of some names, in the names' order."""
        found = {}
        for key, value in zip(self.keys, self.values, strict=True):
            if key is not None:
                found.setdefault(key.lower(), value)
        return (found[name] for name in names if name in found)

    @property
    def keyed(self) -> bool:
        """Whether every value has a key."""
        return bool(self.values) and None not in self.keys


@dataclass(frozen=True)
class Word:
    """A word or a number, with or without quotation marks."""

    text: str
    quoted: bool

    @property
    def is_name(self) -> bool:
        """Whether it may be a name, rather than a number, a colour or nothing."""
        if self.quoted:
            return not _COLOR.match(self.text)
        return not (
            _NUMBER.match(self.text) or _COLOR.match(self.text) or self.text.lower() in _NOTHING
        )


Value = Group | Word


def read_brackets(text: str) -> list[str] | None:
    """Read a list in brackets: its names, each with its synonyms joined by bars.

    Args:
        text: all that was typed, or as much of it as begins with the list.

    Returns:
        None if the text isn't one list in brackets, or no name is in it.
    """
    assigned = _ASSIGNED.match(text)
    start = assigned.end() if assigned else 0
    if called := _CALLED.match(text, start):
        start = called.end()
    group = _Parser().parse(text, start) if text[start : start + 1] in OPENING else None
    if group is None:
        return None
    while len(group.values) == 1 and isinstance(group.values[0], Group) and not group.keyed:
        group = group.values[0]
    return _names_of(group) or None


class _Parser:
    """Reads brackets within brackets, one token after the other."""

    def __init__(self):
        self.stack = [Group()]
        self.closing: list[str] = []  # brackets that are open
        self.words: list[Word] = []  # since the last comma
        self.key: str | None = None

    def parse(self, text: str, place: int) -> Group | None:
        """Return what stands in a text; None where something stands behind or beside brackets."""
        for _ in range(MOST_TOKENS):
            if not (match := _TOKEN.match(text, place)):
                break
            place = match.end()
            if match.lastgroup != "comment" and not self._take(match):
                return None
        return self.stack[0] if not text[place:].strip() and self._end_entry() else None

    def _take(self, match: re.Match) -> bool:
        if match.lastgroup != "mark":
            self.words.append(_word(match))
            return bool(self.closing)  # else it stands beside the brackets
        mark = match["mark"]
        if mark in ",\n;":
            # A value may stand in the line after its key.
            waits = mark == "\n" and self.key is not None and not self.words
            return waits or self._end_entry()
        if mark in OPENING:
            return self._open(OPENING[mark])
        if mark in "])}":
            return self._close(mark)
        if len(self.words) != 1 or self.key is not None:
            return False
        self.key = self.words.pop().text  # before a colon
        return True

    def _open(self, closing: str) -> bool:
        if self.words or len(self.closing) == DEEPEST:  # crane (bird)
            return False
        inner = Group()
        self._add(self.key, inner)
        self.key = None
        self.stack.append(inner)
        self.closing.append(closing)
        return True

    def _close(self, mark: str) -> bool:
        if not self.closing or self.closing.pop() != mark or not self._end_entry():
            return False
        self.stack.pop()
        return True

    def _end_entry(self) -> bool:
        words, key = self.words, self.key
        self.words, self.key = [], None
        if key is not None:
            self._add(key, words[0] if words else Word("", quoted=True))
            return len(words) < 2
        for word in words:  # NumPy parts words by blanks
            self._add(None, word)
        return len(words) < 2 or all(word.quoted for word in words)

    def _add(self, key: str | None, value: "Value") -> None:
        self.stack[-1].keys.append(key)
        self.stack[-1].values.append(value)


def _word(match: re.Match) -> Word:
    text = match[match.lastgroup]
    if match.lastgroup == "bare":
        return Word(text.strip(), quoted=False)
    return Word(_ESCAPE.sub(_unescape, text) if "\\" in text else text, quoted=True)


def _unescape(match: re.Match) -> str:
    if code := match[1] or match[2]:
        return chr(int(code, 16))
    return _BLANKS.get(match[3], match[3])


def _names_of(group: Group) -> list[str]:
    """Choose what the names are among all that stands in the brackets."""
    lists = [value for value in group.under(LISTS) if isinstance(value, Group)]
    if lists:
        both = [v for v in group.under(tuple(_TOGETHER)) if isinstance(v, Group)]
        return [name for value in (both or lists[:1]) for name in _names_of(value)]
    if group.keyed:
        return _names_of_keyed(group)
    if any(key is not None for key in group.keys):  # array([...], dtype=object)
        without = [v for k, v in zip(group.keys, group.values, strict=True) if k is None]
        if len(without) == 1 and isinstance(without[0], Group):
            return _names_of(without[0])
        return _names_of(Group([None] * len(without), without))
    if all(isinstance(value, Word) for value in group.values):
        named = [value.text for value in group.values if value.is_name and value.text.strip()]
        return named or [value.text for value in group.values]
    return [name for value in group.values for name in _names_in_entry(value)]


def _names_in_entry(value: Value) -> list[str]:
    """Name what one entry stands for: `"cat"`, `{"id": 1, "name": "cat"}`, `[1, "cat"]`."""
    if isinstance(value, Word):
        return [value.text] if value.is_name else []
    if value.keyed:
        return _names_of_keyed(value)
    words = [v for v in value.values if isinstance(v, Word)]
    names = [word.text for word in words if word.is_name]
    return [" | ".join(names)] if names else []


def _names_of_keyed(group: Group) -> list[str]:
    """Tell names from ids where each stands beside the other: `{0: "cat"}`, `{"cat": 0}`."""
    named = (v for v in group.under(NAMES) if isinstance(v, Word) and v.is_name)
    if name := next(named, None):
        return [name.text]
    if all(_NUMBERED_KEY.match(key) for key in group.keys):
        return [name for value in group.values for name in _names_in_entry(value)]
    names = []
    for key, value in zip(group.keys, group.values, strict=True):
        inner = _names_of(value) if isinstance(value, Group) else []
        if inner and not all(_NUMBER.match(name) for name in inner):
            names += inner  # {"animals": ["cat", "dog"]}
        else:
            names.append(key)
    return names
