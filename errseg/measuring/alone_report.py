"""What one word alone paints and finds, as text and as JSON."""

import dataclasses
import json
from collections.abc import Sequence

from errseg.measuring.alone import LEAST_SHARE, MUCH, NOTICED, Absent, Present
from errseg.measuring.tables.report import lay_out, percent

WORDS_A_LINE = 5


def as_text(absent: Absent, present: Sequence[Present]) -> str:
    """Write all figures as a person reads them."""
    parts = [
        f"False paint: one absent word alone gets {absent.false_paint:.2%} of the pixels, the mean "
        f"over {len(absent.shares)} words ({absent.questions} questions, of which "
        f"{absent.often:.1%} get {MUCH:.0%} or more)."
    ]
    parts += [
        f"A list of {size} absent words gets {painted:.1%}."
        for size, painted in absent.lists.items()
    ]
    worst = sorted(absent.shares.items(), key=lambda pair: (-pair[1], pair[0]))
    for start in range(0, len(worst), WORDS_A_LINE):
        cells = (f"{word:15}{part:6.1%}" for word, part in worst[start : start + WORDS_A_LINE])
        parts.append("  ".join(cells))
    if present:
        parts += [
            "",
            f"A class over {LEAST_SHARE:.0%} of a photo, asked alone: share of its pixels that it "
            f"gets, how often {NOTICED:.0%} of them or more, share of other labelled pixels.",
            "",
        ]
        rows = [
            (one.name, str(one.questions), *map(percent, (one.found, one.noticed, one.spilled)))
            for one in present
        ]
        parts.append(lay_out(("set", "questions", "found", "noticed", "spilled"), rows))
    return "\n".join(parts)


def as_dict(absent: Absent, present: Sequence[Present]) -> dict:
    """Describe all figures in types that JSON has; None where there is nothing."""
    described = {
        "absent": {"false_paint": absent.false_paint, **dataclasses.asdict(absent)},
        "present": [dataclasses.asdict(one) for one in present],
    }
    return json.loads(json.dumps(described), parse_constant=lambda nan: None)
