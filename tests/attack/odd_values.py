"""Values and vocabularies that nobody means, for every place of a question."""

import json

from hypothesis import strategies as st

NAN, INFINITE = float("nan"), float("inf")
NUMBERS = (0, -1, 0.5, 1.5, 11, 1001, 10**6, 2**31, 2**63, 10**30, 10**400, -(10**400), 1e308, -0.0)
NUMBERS += (1e-320, NAN, INFINITE, -INFINITE)
TEXTS = ("3", " 3 ", "3.0", "1e2", "0x10", "\u4e09", "\u0663", "abc", "", "1_000", "NaN", "inf")
TEXTS += ("9" * 5000, "<b>", "\x00", "\ud800", "__class__", "../../etc/passwd", "{}", "%s%n", "P")
OTHERS = (None, True, False, [], [3], {}, {"value": 3}, [[[]]], ["P"], [None] * 50)
MARK = {"_type": "gradio.FileData"}
FILES = ({"path": "/etc/passwd"}, {"path": 5})
FILES += tuple({"path": path, "meta": MARK} for path in ("a\0b", "/etc/passwd", 5, "x" * 5000))
DEEP = 200  # lists in each other
VALUES = (*NUMBERS, *TEXTS, *OTHERS, *FILES, json.loads("[" * DEEP + "]" * DEEP))
"""For any place of any event."""
EVENTS = (None, {}, [], 5, {"x": 5}, {"x": 5, "y": 5}, {"x": NAN, "y": 1}, {"x": "1", "y": "1"})
EVENTS += ({"x": True, "y": 1}, {"x": -1, "y": -1}, {"x": 10**400, "y": 0}, {"index": -1})
EVENTS += ({"index": 999}, {"index": 1.5}, {"index": "0"}, {"index": 10**400}, {"index": True})
EVENTS += ({"x": 5, "y": 5, "without": "x"}, {"index": None}, {"x": [1], "y": {}})
"""What a panel's script might send."""
WORDS = (
    *("", " ", ",,,", "|", "| |", ";\n,\t", "sky,sky,SKY", "sky | sky", "a|b|c|d, a", "\u200b"),
    *("\x00", "cat" * 34, "w" * 101, "e\u0301" * 50, "a" + "\u0300" * 31, "\u202egpj", "\u3164"),
    *("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "$x^2$, {0}, %s"),
    *(
        "\U0001f415 dog, \u05e9\u05de\u05d9\u05d9\u05dd",
        "\u0e17\u0e49\u0e2d\u0e07\u0e1f\u0e49\u0e32",
    ),
    *("=cmd|' /C calc'!A0", "\ud800, sky", "sky\uff0cgrass\u3001wall", "1, 2, 3", "null"),
    *("NaN, inf, None", "__proto__", "'; DROP TABLE", "," * 6000, "w " * 30_000, "\u0344" * 9000),
    *(", ".join(f"thing {i}" for i in range(1001)), ",".join("a" * 60_000)),
    *("|".join(f"s{i}" for i in range(1500)), "a" + "\u0300" * 20_000 + "\u0323" * 20_000),
    *(
        "[" * 40_000,
        '["sky", ["' * 3000,
        '"' * 49_999,
        "1. sky " * 7000,
        "id,name\n0,sky",
        "names: [sky]",
    ),
    *(
        "skie, tempel",
        "not a cat, the second dog on the left",
        "\U0001f415",
        "names:",
        "{}",
        "[[]]",
    ),
    *("\ufb2c" * 90, "\u1112\u1161\u11ab" * 33, "\u212a, k, K", "\u0130, i\u0307", "\xdf, ss"),
)
"""Vocabularies."""
LISTS = ([], [""], ["sky", 5], ["sky, grass"], [["sky"]], [None], {"sky": 1}, ["x"] * 6000)
LISTS += (7, 1.5, True)
"""What is given for one."""

SPECIAL = [*",;|\t\n \uff0c\uff5c\u3001", "\u200b", "\u0301", "\u0323", "\u0344", "\ufb2c"]
SPECIAL += ["\ud800", "a\u0301" * 40, "w" * 99, "\u2028", "\U000e0041", "\u0130", "\xdf", "\x00"]
SPECIAL += ["cat", "sky"]
TYPED = st.lists(st.sampled_from(SPECIAL) | st.text(max_size=3), max_size=12).map("".join)
"""Vocabularies as hypothesis makes them: few names, for their time."""
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TYPED,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)
"""Any value that a message can hold."""
