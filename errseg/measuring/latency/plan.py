"""What is measured on a device, and what a measured line holds."""

from dataclasses import dataclass, field

Case = tuple[int, int]
"""T and P."""


@dataclass(frozen=True)
class Plan:
    """What is measured. The paper's Table III: P = 48 for T = 847, and 32 for T = 150."""

    model: str = "errseg-base"
    side: int | None = None  # pixels of a side of the photo; each model's own if None
    cases: tuple[Case, ...] = ((847, 48), (150, 32))
    batches: tuple[int, ...] = (1, 8)  # photos at once
    others: tuple[str, ...] = ("errseg-large", "errseg-lite")  # the last case of them, one photo
    groups: tuple[int | None, ...] = (4, 16, None)  # classes at once; None: as the device has it
    bounds: bool = True  # whether what bounds it is looked for: profile, CUDA graph, compiling
    runs: int = 20  # of which the median is told
    warm_up: int = 5  # runs before them
    training: tuple[int, int, int] | None = (4, 171, 32)  # photos, T and P of a step (COCO-Stuff's)
    minutes: float = 8.0  # after which no section is begun


SMALL = Plan(
    side=64,
    cases=((20, 8), (8, 4)),
    batches=(1, 2),
    others=("errseg-lite",),
    groups=(2, None),
    runs=2,
    warm_up=1,
    training=(1, 5, 4),
)
"""Everything in a minute on a CPU: to see that it runs. Its figures say nothing."""


@dataclass(frozen=True)
class Row:
    """A measured line; milliseconds are medians."""

    section: str
    network: str  # which one, and how it computes
    classes: int  # T
    kept: int  # P
    batch: int
    milliseconds: dict[str, float]  # stage -> of the whole batch; see `latency.clock.WHOLE`
    peak: int | None = None  # bytes beyond the weights, of a photo with cached text


@dataclass(frozen=True)
class Measured:
    """All that was measured on a device."""

    machine: dict[str, str | int]
    plan: Plan
    rows: tuple[Row, ...] = ()
    notes: tuple[str, ...] = ()  # more lines, the profile's above all
    failed: dict[str, str] = field(default_factory=dict)  # section -> why, in a sentence
    seconds: dict[str, float] = field(default_factory=dict)  # that each section took
