"""What an attack found, in figures."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

UNEXPECTED = ("Something went wrong", "Traceback", "Internal Server Error")
LONGEST_SENTENCE = 1000  # characters
FAILURES_SHOWN = 30


@dataclass
class Figures:
    """Of one attack, or of one bound of it.

    Args:
        name: of the attack.
        reach: what has to be reached, in words, as the table shows it.
        least: tries that have to be made.
    """

    name: str
    reach: str
    least: int = 1
    tried: int = 0
    held: int = 0
    seconds: float = 0.0
    measured: str = ""  # what the table shows beside the counts
    failures: list[str] = field(default_factory=list)

    def count(self, holds: bool, what: str) -> None:
        """Count one try; `what` says what was done and found if it does not hold."""
        self.tried += 1
        self.held += holds
        if not holds:
            self.failures.append(what)

    @property
    def holds(self) -> bool:
        return self.held == self.tried >= self.least

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Add the seconds that a block takes."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds += time.perf_counter() - began

    @property
    def complaint(self) -> str:
        """What did not hold, a line each; empty if all did."""
        lines = self.failures[:FAILURES_SHOWN]
        if self.tried < self.least:
            lines.insert(0, f"{self.tried} tried, at least {self.least} have to be")
        if len(self.failures) > FAILURES_SHOWN:
            lines.append(f"and {len(self.failures) - FAILURES_SHOWN} more")
        return "\n".join(f"{self.name}: {line}" for line in lines)


def table(all_figures: Sequence[Figures]) -> str:
    """Write figures as a Markdown table."""
    lines = ["| attack | tried | held | measured | reach | seconds |", "|---|---|---|---|---|---|"]
    for one in all_figures:
        cells = (one.name, one.tried, one.held, one.measured, one.reach, f"{one.seconds:.0f}")
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def is_sentence(text: object) -> bool:
    """Tell whether a refusal is one sentence for a person, and none that nobody foresaw."""
    if not isinstance(text, str) or not 0 < len(text) <= LONGEST_SENTENCE:
        return False
    told = text.rstrip().endswith((".", "!", "?"))
    return told and "\n" not in text and not any(words in text for words in UNEXPECTED)
