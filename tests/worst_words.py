"""The costliest texts of classes that are allowed, or nearly: what a hostile visitor would type."""

import random
from collections.abc import Iterable

from errseg.words.names import MAX_ENTRIES, MAX_MARKS, MAX_NAME_LENGTH, MAX_TEXT_LENGTH
from errseg.words.vocabulary import MAX_CLASSES

LOW, HIGH = "\u0323", "\u0301"  # marks that NFC puts into this order
SYLLABLE = "\u1112\u1161\u11ab"  # three letters that NFC makes one
OXIA = "\u03b1\u0313\u0300\u0345"  # four
DECOMPOSED = "\ufb2c"  # one that NFC makes three


def _filled(name: str) -> str:
    """Repeat a name to the end of what is allowed."""
    return f"{name}," * (MAX_TEXT_LENGTH // (len(name) + 1))


def _different(name: str) -> str:
    """As many classes as are allowed, all different, filled with a name."""
    room = MAX_TEXT_LENGTH // MAX_CLASSES - 3
    return ",".join(chr(0x4E00 + i) + (name * room)[: room - 1] for i in range(MAX_CLASSES))


def plain_text() -> str:
    """As long as is allowed, of words as people type them."""
    return _different("dog ")


def worst_texts() -> dict[str, str]:
    """Name texts, each as long as is allowed."""
    marked = f"a{(HIGH + LOW) * (MAX_MARKS // 2)}"
    return {
        "one run of marks": f"a{HIGH * (MAX_TEXT_LENGTH // 2 - 1)}{LOW * (MAX_TEXT_LENGTH // 2)}",
        "a run a name": _filled(marked),
        "runs in long names": _filled(marked * (MAX_NAME_LENGTH // (MAX_MARKS + 2))),
        "different names of marks": _different(marked),
        "composed": _filled(OXIA * MAX_NAME_LENGTH),
        "decomposed": _filled(DECOMPOSED * (MAX_NAME_LENGTH // 3)),
        "syllables": _different(SYLLABLE),
        "nothing to see": "\u200b" * MAX_TEXT_LENGTH,
        "fillers": "\u3164" * MAX_TEXT_LENGTH,
        "private": _different("\ue000"),
        "commas": "," * MAX_TEXT_LENGTH,
        "lines": "\n" * MAX_TEXT_LENGTH,
        "short names": ",".join(f"{chr(0x4E00 + i)}{HIGH}{LOW}" for i in range(MAX_ENTRIES)),
        "bars": _different("\u00fc|"),
        "one word": "w" * MAX_TEXT_LENGTH,
        "brackets": "[" * MAX_TEXT_LENGTH,
        "a list without end": "[" + "a," * (MAX_ENTRIES - 1),
        "a list of lists": "[[a]," * (MAX_ENTRIES - 1),
        "quotation marks": '"' * MAX_TEXT_LENGTH,
        "open quotation marks": "'a,\"b," * (MAX_ENTRIES // 2 - 1),
        "escapes": "['" + "\\'," * (MAX_ENTRIES - 1),
        "a table": "0:a\n" * (MAX_ENTRIES - 1),
        "a wide table": ("0\t" * (MAX_ENTRIES // 2 - 2) + "\n") * 2,
        "numbers": "1. a " * (MAX_TEXT_LENGTH // 5),
        "full stops": "ab. " * (MAX_TEXT_LENGTH // 4),
        "bullets": "\u2022a" * (MAX_TEXT_LENGTH // 2),
        "hashtags": "#a " * (MAX_TEXT_LENGTH // 3),
        "keys": "a: b\n" * (MAX_ENTRIES - 1),
        "keys under keys": "names: " * (MAX_TEXT_LENGTH // 7),
        "options of options": "--classes " * (MAX_TEXT_LENGTH // 10),
        "blanks in a name": f"dog{' ' * (MAX_TEXT_LENGTH - 6)}cat",
        "blanks before a bullet": f"- dog{' ' * (MAX_TEXT_LENGTH - 8)}cat",
        "tabs before a bullet": "- dog" + "\t" * (MAX_ENTRIES - 2) + "cat",
        "runs of blanks": f"dog{' ' * 450}" * (MAX_TEXT_LENGTH // 453),
        "a rule that is none": "|a|\n|" + "-|" * (MAX_ENTRIES // 2 - 9) + "x|\n|b|",
        "open curly marks": "[" + "\u201ca," * (MAX_ENTRIES - 2),
        "open marks and bars": "\u201ca|" * (MAX_ENTRIES - 2),
        "one class of many": "|".join(f"{word}s" for word in _words(9, MAX_CLASSES, 4)),
    }


def _words(seed: int, count: int, letters: int, alphabet: str = "etaoinsr") -> list[str]:
    """Make up words that nobody knows, of letters that many known ones have."""
    choose = random.Random(seed).choice
    return ["".join(choose(alphabet) for _ in range(letters)) for _ in range(count)]


def worst_names() -> dict[str, str]:
    """Name texts as long as is allowed whose names it takes longest to say something about."""
    strange = _words(1, 500 * 14, 6)
    halves = [a + b for a in EVERYDAY for b in EVERYDAY if a != b]
    letters = _words(2, 490, 40, "abcdefghijklmnopqrstuvwxyz")
    ends = _words(3, 490, 3)
    return {
        "names of strange words": _listed(strange[i::500] for i in range(500)),
        "strange words": _listed([word] for word in strange),
        "strange beside a known one": _listed([*strange[i : i + 4], "dog"] for i in range(1000)),
        "names of compounds": _listed(halves[i::500][:6] for i in range(500)),
        "long words": _listed([word * 2] for word in letters),
        "single letters": _listed([*f"{word}{word}"[:49]] for word in letters),
        "ordinals": _listed([*["second"] * 13, end] for end in ends),
        "places": _listed([end, *["on the"] * 13] for end in ends),
        "conditions": _listed([end, *["that is"] * 11, "x"] for end in ends),
        "questions": _listed(["where is", *["in the"] * 11, end] for end in ends),
        "rows": _listed([*EVERYDAY[i % 7 :][:12], end] for i, end in enumerate(ends)),
    }


EVERYDAY = (
    "house table chair plant water mountain window bottle flower street bridge carpet "
    "pillow mirror basket ladder blanket curtain"
).split()


def _listed(names: Iterable[Iterable[str]]) -> str:
    """Write names of words, as many as are allowed."""
    text = ",".join(dict.fromkeys(" ".join(words)[:MAX_NAME_LENGTH] for words in names))
    return ",".join(text[: MAX_TEXT_LENGTH - MAX_CLASSES].split(",")[:MAX_CLASSES])
