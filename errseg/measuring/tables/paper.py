"""The paper's tables and what they report, quoted beside what is measured. No torch.

Nothing here was reproduced.

Figures are mIoU in percent, milliseconds on an RTX 3090, or counts. The benchmarks are ADE20K 847,
PASCAL-Context 459, ADE20K 150, PASCAL-Context 59 and PASCAL VOC 20; the models ERR-Seg with CLIP's
ConvNeXt-B, if nothing else is said.
"""

from collections.abc import Sequence
from typing import NamedTuple

from errseg.errors import InputError

TABLES = ("I", "IV", "VII", "XIII", "beta", "XIV", "proposition")
"""Those that are measured: the paper's numbers, CRM's score coefficient, and Proposition 1."""


class Benchmark(NamedTuple):
    """One of the paper's benchmarks."""

    name: str
    classes: int  # T
    present: float  # mean number of classes really present in a photo (Table I)
    kept_classes: int  # the best P (Table XIII)
    miou: float  # percent
    miou_without_crm: float  # percent, P = T


BENCHMARKS = (
    Benchmark("PAS-20", 20, 1.5, 16, 95.4, 94.9),
    Benchmark("PC-59", 59, 4.8, 24, 56.9, 56.8),
    Benchmark("A-150", 150, 8.5, 32, 35.8, 35.3),
    Benchmark("PC-459", 459, 6.5, 48, 20.5, 20.1),
    Benchmark("A-847", 847, 10.2, 48, 13.9, 14.0),
)
MIOU_BY_KEPT = {16: 34.9, 24: 35.5, 32: 35.8, 40: 35.8}  # A-150, P -> percent (Table XIII)
VOTES_SPREAD = 0.1  # most that K = 1, 3 and 5 differ by, percentage points (Table VII)
BEST_SIZES = {"ConvNeXt-B": 640, "ConvNeXt-L": 768}  # pixels of a side (Table XIV)
MILLISECONDS = {150: 85, 847: 114}  # T -> latency of a photo


def check_tables(names: Sequence[str]) -> None:
    """Refuse names that aren't in `TABLES` with an `InputError`, and no name at all."""
    if not names:
        raise InputError(f"No table was named; there are {', '.join(TABLES)}.")
    if unknown := [name for name in names if name not in TABLES]:
        raise InputError(f"There is no table {', '.join(unknown)}; there are {', '.join(TABLES)}.")
