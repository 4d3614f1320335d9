"""Which values of a picture are black and which white, where they aren't bytes already.

Cameras, microscopes and programs write greys of 9 to 14 bits into files of 16, whole numbers of 32
bits, and fractions: read as they are, such a picture is black or white all over.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from errseg.errors import InputError

BYTE_BITS, FULL_BITS = 8, 16
USUAL_BITS = (*range(BYTE_BITS, 15), FULL_BITS)
"""Of greys: 10, 12 and 14 are what cameras have, 11 what satellites have; nothing has 15."""
USUAL_WHITES = (1.0, 255.0)  # of fractions, as programs write them
LEAST_USED = 0.25
"""Of the way to a usual white: fractions that stay below it are spread by their own range."""


@dataclass(frozen=True)
class Tones:
    """How values become grey levels."""

    black: float
    white: float  # below black where small values are bright
    notices: tuple[str, ...] = ()  # what was decided, in sentences
    unsigned: bool = False  # whether 32 bits hold no sign, though Pillow thinks so

    def levels(self, values: np.ndarray) -> np.ndarray:
        """Bring values of any number type to uint8; what is no number becomes black."""
        values = self.as_stored(values).astype(np.float64)
        scaled = (values - self.black) * (255 / (self.white - self.black))
        scaled[np.isnan(scaled)] = 0
        return scaled.clip(0, 255).round().astype(np.uint8)

    def as_stored(self, values: np.ndarray) -> np.ndarray:
        """See 32 bits without a sign as what they are."""
        return values.view(np.uint32) if self.unsigned and values.dtype == np.int32 else values


def find_tones(
    parts: Iterable[np.ndarray],
    declared: float | None = None,
    inverted: bool = False,
    unsigned: bool = False,
) -> Tones:
    """Decide what is black and white: by what the file says, else by the range of the values.

    Whole numbers from 0 are of the fewest usual bits that hold them all. Fractions from 0 go to 1
    or to 255 if they come near it. All else is spread from its least to its greatest value.

    Args:
        parts: of the values, arrays of one number type.
        declared: the white that the file names, if it does.
        inverted: whether the file says that 0 is white.
        unsigned: whether 32-bit values have no sign.

    Raises:
        InputError: no value is a number, or all are the same one and nothing says what it means.
    """
    raw = Tones(0, 1, unsigned=unsigned)
    least, most, missing, whole = np.inf, -np.inf, 0, True
    for part in map(raw.as_stored, parts):
        whole = part.dtype.kind in "iub"
        there = part if whole else part[np.isfinite(part)]
        missing += part.size - there.size
        if there.size:
            least, most = min(least, float(there.min())), max(most, float(there.max()))
    if least > most:
        raise InputError("No value of this photo is a number; there is nothing to see in it.")
    black, white, notice = _range(least, most, whole, declared)
    notices = [notice] if notice else []
    if missing:
        notices.append(f"{missing:,} pixels of the photo have no finite value.")
    if inverted:
        black, white = white, black
    return Tones(black, white, tuple(notices), unsigned)


def _range(
    least: float, most: float, whole: bool, declared: float | None
) -> tuple[float, float, str]:
    """Return black, white and what there is to say of them."""
    if least >= 0 and declared and most <= declared:
        return 0.0, declared, f"The photo's values were read up to {_told(declared)}, its white."
    if least >= 0 and whole and most < 2**FULL_BITS:
        bits = next(bits for bits in USUAL_BITS if most < 2**bits)
        told = (
            f"The photo's values go up to {_told(most)}; they were read as {bits} bits, "
            f"with {2**bits - 1:,} as white."
        )
        return 0.0, 2.0**bits - 1, told if bits < FULL_BITS and most else ""
    for white in USUAL_WHITES:
        if least >= 0 and not whole and white * LEAST_USED < most <= white:
            return 0.0, white, f"The photo's values were read as 0 (black) to {white:g} (white)."
    if least == most and (whole or most):
        raise InputError(
            f"Every pixel of this photo has the value {_told(most)}; there is nothing to see in it."
        )
    told = f"The photo's values from {_told(least)} to {_told(most)} were spread to all greys."
    return least, most if most > least else 1.0, told if most > least else ""


def _told(value: float) -> str:
    return f"{value:,.0f}" if value == round(value) and abs(value) < 1e15 else f"{value:.4g}"
