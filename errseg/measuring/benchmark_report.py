"""The benchmark's figures as text and as a picture."""

from pathlib import Path

from errseg.errors import InputError
from errseg.measuring.benchmark import KINDS, PHOTO_STAGES, PROMPTS, STAGES, Report

STAGE_NAMES = {
    "text": f"text, {PROMPTS} prompts",
    "encode": "image encoder",
    "crm": "cost maps, CRM",
    "escf": "cost embedding, ESCF",
    "gud": "GUD",
    "render": "labels at photo size",
}
RATIO_NAMES = {
    "text_float32": "text, float32 / as drawn",
    "text_auto": "text, auto / as drawn",
    "photo_float32": "whole photo, cached text, float32 / as drawn",
    "photo_auto": "whole photo, cached text, auto / as drawn",
    "knob_auto": "new P or K on the same photo / whole photo, auto",
    "vocabulary_847_over_150": "847 classes / 150 classes, whole photo, auto",
    "memory": "peak memory beyond the weights, float32 / as drawn",
}
COLORS = dict(zip(KINDS, ("#9aa5b1", "#4c8dae", "#0b7a75"), strict=True))
MEBIBYTE = 2**20


def as_text(report: Report) -> str:
    """Write the figures as aligned tables."""
    setting, labels = report.setting, kind_labels(report)
    lines = [
        f"{setting.model}, random weights, {_conditions(report)}, "
        f"medians of {setting.runs} runs in turn",
        "",
        f"{'seconds':24}{labels['as_drawn']:>12}{labels['float32']:>12}{'':8}{labels['auto']:>16}"
        f"{'':8}{'G multiply-adds':>18}",
    ]
    rows = [(STAGE_NAMES[stage], (stage,)) for stage in STAGES]
    for name, stages in [*rows, ("whole photo", PHOTO_STAGES)]:
        drawn, ours = (
            sum(report.multiply_adds[stage][kind] for stage in stages) / 1e9
            for kind in ("as_drawn", "ours")
        )
        seconds = {kind: report.photo(kind, stages) for kind in KINDS}
        lines.append(_row(name, seconds, 3) + f"{drawn:9.1f} ->{ours:6.1f}")
    lines.append(_row("new P or K", report.knob, 3))
    if report.memory["as_drawn"] is not None:
        lines.append(_row("peak memory, MiB", {k: report.memory[k] / MEBIBYTE for k in KINDS}, 0))
    lines += ["", f"whole photo with cached text, {labels['auto']}, seconds"]
    for symbol, growth in (("T", report.by_classes), ("P", report.by_kept_classes)):
        lines.append("  ".join(f"{symbol} = {n}: {seconds:.2f}" for n, seconds in growth.items()))
    lines += ["", f"ratios, with auto = {report.machine['auto']} here"]
    for name, ratio in report.ratios.items():
        shown = "not known here" if ratio is None else f"{ratio:.2f}"
        lines.append(f"{RATIO_NAMES[name]:54}{shown}")
    return "\n".join(lines)


def _row(name: str, figures: dict[str, float], digits: int) -> str:
    drawn, ours, auto = (figures[kind] for kind in KINDS)
    return (
        f"{name:24}{drawn:12.{digits}f}{ours:12.{digits}f}{ours / drawn:7.2f}x"
        f"{auto:16.{digits}f}{auto / drawn:7.2f}x"
    )


def _conditions(report: Report) -> str:
    asked = report.setting
    return (
        f"{asked.side} x {asked.side}, T = {asked.classes}, P = {asked.kept_classes}, "
        f"{report.machine['threads']} threads"
    )


def kind_labels(report: Report) -> dict[str, str]:
    """Name what took turns."""
    return dict(
        zip(KINDS, ("as drawn", "float32", f"auto ({report.machine['auto']})"), strict=True)
    )


def check_plot(path: Path) -> None:
    """Refuse a kind of picture that isn't known with an `InputError`, before long measuring."""
    from matplotlib.backend_bases import FigureCanvasBase

    kinds = FigureCanvasBase.get_supported_filetypes()
    if path.suffix.removeprefix(".").lower() not in kinds:
        raise InputError(f"{path.name} can't be drawn; give a file such as benchmark.png.")


def plot(report: Report, path: Path) -> None:
    """Draw a photo's seconds by stage, and how they grow with T and P; the path says as what."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.6), layout="constrained")
    stages, vocabulary, kept = figure.subplots(1, 3, width_ratios=(2, 1, 1))
    labels = kind_labels(report)
    for place, kind in enumerate(KINDS):
        bars = stages.barh(
            [row + 0.27 * (place - 1) for row in range(len(PHOTO_STAGES))],
            [report.seconds[stage][kind] for stage in PHOTO_STAGES],
            height=0.25,
            color=COLORS[kind],
            label=f"{labels[kind]}: {report.photo(kind):.2f} s",
        )
        stages.bar_label(bars, fmt="%.2f", padding=2, fontsize=8)
    stages.set_yticks(range(len(PHOTO_STAGES)), [STAGE_NAMES[stage] for stage in PHOTO_STAGES])
    stages.invert_yaxis()
    stages.set_xlabel("seconds per photo, cached text")
    stages.legend(frameon=False, loc="lower right")
    for axes, growth, label in (
        (vocabulary, report.by_classes, "classes in the vocabulary (T)"),
        (kept, report.by_kept_classes, "classes that CRM keeps (P)"),
    ):
        axes.plot(list(growth), list(growth.values()), "o-", color=COLORS["auto"])
        axes.set(ylim=(0, None), xlabel=label, ylabel="seconds per photo")
    vocabulary.set_xscale("log")
    vocabulary.set_xticks(list(report.by_classes), list(map(str, report.by_classes)))
    vocabulary.minorticks_off()
    for axes in (stages, vocabulary, kept):
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(f"{report.setting.model}, {_conditions(report)}", fontsize=11)
    figure.savefig(path, dpi=150)
