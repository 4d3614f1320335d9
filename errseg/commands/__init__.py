"""The commands of the command line, a module each.

A module has its line in the help (`HELP`), its options (`add_options`) and what it does (`run`,
which returns what there is to print). What is slow to import is imported where it is needed, so
that help and mistakes are answered at once.
"""

from errseg.commands import (
    alone,
    attention,
    average,
    benchmark,
    calibrate,
    convert,
    embed,
    evaluate,
    fetch,
    models,
    priors,
    pseudo_label,
    rivals,
    segment,
    sheet,
    suggest,
    tables,
    train,
)

COMMANDS = {
    "segment": segment,
    "models": models,
    "fetch": fetch,
    "evaluate": evaluate,
    "suggest": suggest,
    "alone": alone,
    "sheet": sheet,
    "train": train,
    "average": average,
    "calibrate": calibrate,
    "pseudo-label": pseudo_label,
    "convert": convert,
    "embed": embed,
    "rivals": rivals,
    "priors": priors,
    "benchmark": benchmark,
    "tables": tables,
    "attention": attention,
}
"""Name -> command, as the help lists them."""
