"""Visitors who ask and never listen: what they ask is not computed, and nobody waits for it."""

import statistics
import time
import uuid

from attack.app import App, Client, uploaded
from attack.figures import Figures
from attack.photos import THRESHOLD, VOTES, photo, segment

SEED = 3000
ASKED = 5  # questions before, and after
SILENT, SILENT_WORDS = 20, 30  # who never listens, and their new words: few, so that none is dear
SILENT_WAIT = 2.0  # times the wait in an empty line, plus `SILENT_SLACK`
SILENT_SLACK = 1.0  # seconds: so many questions are looked at, and refused, all the same


def attack(app: App, quick: bool = False) -> Figures:
    """Some join and never listen: what they ask is not computed, nobody waits for it."""
    figures = Figures("silent visitors", "the next one waits as in an empty line")
    with figures.timed(), Client(app.url) as client:
        path = client.upload("silent.jpg", photo(SEED)).data[0]
        empty = statistics.median(_wait(app, client, path, f"empty {i}, sky") for i in range(ASKED))
        for number in range(SILENT):
            client.session = uuid.uuid4().hex
            words = ", ".join(f"silent {number} {i}" for i in range(SILENT_WORDS))
            client.join(
                app.functions["segment"], [uploaded(path), words, SILENT_WORDS, VOTES, THRESHOLD]
            )
        most = SILENT_WAIT * empty + SILENT_SLACK
        waits = [_wait(app, client, path, f"next {i}, sky") for i in range(ASKED)]
        for waited in waits:
            figures.count(waited <= most, f"waited {waited:.1f} s, {empty:.1f} s in an empty line")
        figures.measured = f"{empty:.2f} s before, {max(waits):.2f} s at most after {SILENT} joined"
    return figures


def _wait(app: App, client: Client, path: str, words: str) -> float:
    client.session = uuid.uuid4().hex
    began = time.perf_counter()
    said = segment(app, client, path, words)
    assert said.answered, said.sentence
    return time.perf_counter() - began
