"""What one question may cost. No torch, no numpy."""

from collections.abc import Callable, Iterable
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
class Budget:
    """What one question may cost."""

    seconds: float = SECONDS
    bytes: int = BYTES

    def holds(self, price: Price) -> bool:
        """Tell whether a question may be computed."""
        return price.seconds <= self.seconds and price.bytes <= self.bytes

    def check(
        self, price: Price, cheaper: Iterable[tuple[str, Callable[[int], Price], int]] = ()
    ) -> None:
        """Refuse a question that costs too much.

        Args:
            price: of the question.
            cheaper: ways to ask for less: a sentence with {} for a number, the price for a number,
                and the number that was asked for; the first way that fits is told.

        Raises:
            InputError: it costs more; the sentence says what would fit.
        """
        if self.holds(price):
            return
        if price.seconds > self.seconds:
            cost = f"{price.seconds:,.0f} seconds here; at most {self.seconds:,.0f} are allowed"
        else:
            allowed = f"at most {self.bytes / 1e6:,.0f} are allowed"
            cost = f"{price.bytes / 1e6:,.0f} MB of memory; {allowed}"
        for sentence, price_of, asked in cheaper:
            if most := self._largest(asked - 1, price_of):
                raise InputError(f"This would take {cost}. {sentence.format(f'{most:,}')}")
        raise InputError(f"This would take {cost}. Ask for less at a time.")

    def _largest(self, most: int, price_of: Callable[[int], Price]) -> int:
        """Find the largest number from 1 that fits, 0 if none does: prices grow with it."""
        least = 0
        while least < most:
            middle = (least + most + 1) // 2
            fits = self.holds(price_of(middle))
            least, most = (middle, most) if fits else (least, middle - 1)
        return least
