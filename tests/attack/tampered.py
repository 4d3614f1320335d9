"""Weights files that were tampered with: each is noticed, in a sentence and in time."""

import time
from pathlib import Path

from attack.app import scratch
from attack.figures import Figures, is_sentence
from attack.weights import COMMAND_RAN, tampered_files

LEAST_FILES = 60  # issue 17: 60 / 60
MOST_SECONDS = 2.0
QUICK = 4  # each so-maniest file is tried then


def attack(app: object = None, quick: bool = False) -> Figures:
    """Load them one after the other, in this process."""
    reach = f"all noticed, under {MOST_SECONDS:g} s each"
    figures = Figures("tampered weights", reach, least=1 if quick else LEAST_FILES)
    slowest = 0.0
    with figures.timed(), scratch() as folder:
        for number, (what, path) in enumerate(tampered_files(folder)):
            if not quick or number % QUICK == 0:
                began = time.perf_counter()
                said = _said_of(path)
                took = time.perf_counter() - began
                slowest = max(slowest, took)
                noticed = is_sentence(said) and not (folder / COMMAND_RAN).exists()
                figures.count(noticed and took < MOST_SECONDS, f"{what}: {said!r} in {took:.1f} s")
    figures.measured = f"{slowest:.1f} s at most"
    return figures


def _said_of(path: Path) -> str:
    from errseg.checkpoints.weights import load_model  # torch takes seconds to import
    from errseg.errors import InputError

    try:
        load_model(path)
    except InputError as error:
        return str(error)
    return ""
