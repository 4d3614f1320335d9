"""What was measured, as one table: beside each of ours stands how it compares with as drawn."""

from collections.abc import Mapping, Sequence

from errseg.measuring.benchmark import PHOTO_STAGES
from errseg.measuring.latency.clock import WHOLE
from errseg.measuring.latency.networks import AS_DRAWN
from errseg.measuring.latency.plan import Measured, Row

MEBIBYTE, GIBIBYTE = 2**20, 2**30
PAPER = {(847, 48): 114, (150, 32): 85}
"""The paper's milliseconds a photo of errseg-base by T and P, on an RTX 3090."""
LABELS = PHOTO_STAGES[-1]
HEADS = (
    *("network", "T", "P", "batch", "encode", "CRM", "ESCF", "GUD", "labels"),
    *("without labels", "all, ms", "/ as drawn", "peak MiB"),
)
NOTHING = "-"


def as_markdown(measured: Measured) -> str:
    """Write what failed and the profile first, and the table last."""
    lines = []
    if measured.notes:
        lines += ["What a photo's time goes to:", "", *measured.notes, ""]
    if measured.failed:
        lines += ["Not measured:", ""]
        lines += [f"- {name}: {reason}" for name, reason in measured.failed.items()] + [""]
    quoted = ", ".join(f"{ms} at T = {case[0]}, P = {case[1]}" for case, ms in PAPER.items())
    lines += [
        f"{_machine(measured.machine)}; random weights (errseg-lite: its own), medians of "
        f"{measured.plan.runs} runs, milliseconds a batch; {sum(measured.seconds.values()):.0f} s "
        "in all.",
        f"The paper's, of errseg-base on an RTX 3090: {quoted}.",
        "",
        _line(HEADS),
        _line(["---", *("--:" for _ in HEADS[1:])]),
    ]
    return "\n".join([*lines, *(_line(_cells(row, measured.rows)) for row in measured.rows)])


def as_dict(measured: Measured) -> dict:
    """Give all figures to a program."""
    rows = [{**vars(row), "of as drawn": _of_as_drawn(row, measured.rows)} for row in measured.rows]
    return {**vars(measured), "plan": vars(measured.plan), "rows": rows}


def _machine(machine: Mapping[str, str | int]) -> str:
    parts = [f"{machine['device']}, {machine['threads']} threads"]
    if "gpu" in machine:
        memory = int(machine["memory"]) / GIBIBYTE
        parts = [f"{machine['gpu']}, {memory:.0f} GiB, CUDA {machine['cuda']}"]
    return ", ".join([*parts, f"torch {machine['torch']}", f"Python {machine['python']}"])


def _cells(row: Row, rows: Sequence[Row]) -> list[str]:
    taken = row.milliseconds
    stages = [f"{taken[stage]:.2f}" if stage in taken else NOTHING for stage in PHOTO_STAGES]
    network = f"{taken[WHOLE] - taken[LABELS]:.2f}" if LABELS in taken else NOTHING
    ratio = _of_as_drawn(row, rows)
    return [
        f"{row.section}: {row.network}",
        *map(str, (row.classes, row.kept, row.batch)),
        *stages,
        network,
        f"{taken[WHOLE]:.2f}",
        NOTHING if ratio is None else f"{ratio:.3f}",
        NOTHING if row.peak is None else f"{row.peak / MEBIBYTE:.0f}",
    ]


def _of_as_drawn(row: Row, rows: Sequence[Row]) -> float | None:
    """Divide a row's time by that of the network as drawn, if that was measured on the same."""

    def asked(one: Row) -> tuple:
        stages = LABELS in one.milliseconds  # or words alone, or the network alone
        return one.network.split(",")[0], one.classes, one.kept, one.batch, stages

    drawn = [one for one in rows if AS_DRAWN in one.network and asked(one) == asked(row)]
    return row.milliseconds[WHOLE] / drawn[0].milliseconds[WHOLE] if drawn else None


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
