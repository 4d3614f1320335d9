"""The commands of the command line, a module each.

A module has its line in the help (`HELP`), its options (`add_options`) and what it does (`run`,
which returns what there is to print). What is slow to import is imported where it is needed, so
that help and mistakes are answered at once.
"""

from __future__ import annotations

from types import SimpleNamespace

from errseg.commands import (
    average,
    benchmark,
    calibrate,
    evaluate,
    pseudo_label,
    segmenting,
    train,
)


def _command(line: str, add_options: object, run: object) -> SimpleNamespace:
    return SimpleNamespace(HELP=line, add_options=add_options, run=run)


COMMANDS = {
    "segment": _command(
        "segment a photo with the words you give", segmenting.segment_options, segmenting.segment
    ),
    "models": _command("list the models", segmenting.models_options, segmenting.models),
    "evaluate": evaluate,
    "sheet": _command("draw photos beside their masks", segmenting.sheet_options, segmenting.sheet),
    "train": train,
    "average": average,
    "calibrate": calibrate,
    "pseudo-label": pseudo_label,
    "benchmark": benchmark,
}
"""Name -> command, as the help lists them."""
