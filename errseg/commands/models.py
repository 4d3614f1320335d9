"""``python -m errseg models``: list the models."""

import argparse

from errseg.config import list_models

HELP = "list the models"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``models``: none."""


def run(args: argparse.Namespace) -> str:
    """List the models."""
    width = max(map(len, list_models()))
    return "\n".join(f"{name:{width}}  {line}" for name, line in list_models().items())
