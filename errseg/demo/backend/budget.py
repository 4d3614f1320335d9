"""What one question may cost. No torch, no numpy."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from errseg.errors import InputError

SECONDS, BYTES = 20.0, 10**9  # of one question on a server for everybody (two cores, 16 GB)


@dataclass(frozen=True)
class Price:
    """What a question costs."""

    seconds: float = 0.0
    bytes: int = 0  # beyond what the idle server holds, at the worst moment

    def __add__(self, other: Self) -> Self:
        """One after the other."""
        return Price(self.seconds + other.seconds, max(self.bytes, other.bytes))


@dataclass(frozen=True)
class Way:
    """A way to ask for less: a smaller number of something."""

    sentence: str  # "P = {} would fit.", with {} for the number
    price_of: Callable[[int], Price]  # grows with the number
    asked: int  # the number that was asked for
    least: int = 1


@dataclass(frozen=True)
class Budget:
    """What one question may cost."""

    seconds: float = SECONDS
    bytes: int = BYTES

    def holds(self, price: Price) -> bool:
        """Tell whether a question may be computed."""
        return price.seconds <= self.seconds and price.bytes <= self.bytes

    def check(
        self,
        price: Price,
        ways: Sequence[Way] = (),
        looks: Mapping[str, Callable[[], Price]] | None = None,
    ) -> None:
        """Refuse a question that costs too much.

        Args:
            price: of the question.
            ways: to ask for less; the first that fits is told.
            looks: less close looks at the photo, by their names on the page, and what the question
                costs with each; all that fit are told.

        Raises:
            InputError: it costs more; the sentence says what would fit.
        """
        if not self.holds(price):
            raise self.refusal(price, ways, looks or {})

    def refusal(
        self, price: Price, ways: Sequence[Way], looks: Mapping[str, Callable[[], Price]]
    ) -> InputError:
        """Say that a question costs too much, and what would fit; arguments as for `check`."""
        if price.seconds > self.seconds:
            cost = f"{price.seconds:,.0f} seconds here; at most {self.seconds:,.0f} are allowed"
        else:
            allowed = f"at most {self.bytes / 1e6:,.0f} are allowed"
            cost = f"{price.bytes / 1e6:,.0f} MB of memory; {allowed}"
        told = self.proposal(ways, looks) or "Ask for less at a time."
        return InputError(f"This would take {cost}. {told}")

    def proposal(self, ways: Sequence[Way], looks: Mapping[str, Callable[[], Price]]) -> str:
        """Say what would fit, nothing if nothing would; arguments as for `check`."""
        found = ((way.sentence, self._largest(way)) for way in ways)
        told = next((sentence.format(f"{most:,}") for sentence, most in found if most), "")
        fitting = [name for name, price_of in looks.items() if self.holds(price_of())]
        if not fitting:
            return told
        look = f"Look closer: {' or '.join(fitting)}"
        return f"{told} So would {look}." if told else f"{look} would fit."

    def _largest(self, way: Way) -> int | None:
        """Find the largest number that fits, below the one that was asked for, if there is one."""
        below, most = way.least - 1, way.asked - 1
        while below < most:
            middle = (below + most + 1) // 2
            fits = self.holds(way.price_of(middle))
            below, most = (middle, most) if fits else (below, middle - 1)
        return below if below >= way.least else None
