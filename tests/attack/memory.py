"""Many requests: memory does not grow, and comes back when all is done."""

import time

from attack.app import App, Client, resident, uploaded
from attack.figures import Figures
from attack.photos import page_values, photo

REQUESTS, BEGUN = 1000, 100  # issue 17: at the end over after the first hundred
QUICK_REQUESTS, QUICK_BEGUN = 150, 50
MOST_GROWTH = 1.1  # issue 17
MOST_IDLE = 1600.0  # megabytes after all attacks, issue 17
SECONDS_TO_IDLE = 10.0  # until what waits to be given back has been
INPUT = 128  # pixels: small ones, so that a thousand fit into some minutes
WITH_ATTENTION = 50  # each so-maniest request also asks for attention, and one for a sweep
SEED = 5000


def attack(app: App, quick: bool = False) -> Figures:
    """Ask new questions about new photos, one after the other."""
    requests, begun = (QUICK_REQUESTS, QUICK_BEGUN) if quick else (REQUESTS, BEGUN)
    figures = Figures("memory", f"after {requests:,} at most {MOST_GROWTH} times after {begun}")
    with figures.timed():
        early = late = 0.0
        for number in range(requests):
            with Client(app.url) as client:
                _ask(app, client, number)
            if number + 1 == begun:
                early = app.memory()
        late = app.memory()
    times = late / early
    figures.count(times <= MOST_GROWTH, f"{times:.2f} times: {early:.0f} MB, then {late:.0f} MB")
    figures.measured = f"{times:.2f} times: {early:.0f} MB, then {late:.0f} MB"
    return figures


def _ask(app: App, client: Client, number: int) -> None:
    path = client.upload("a.jpg", photo(SEED + number)).data[0]
    words = f"thing {number}, sky, grass"
    kind = number % WITH_ATTENTION
    if kind == 0:
        question = [uploaded(path), words, 5, 5, 32, 3, False]
        said = client.ask(app.functions["attention"], question)
    elif kind == 1:
        said = client.ask(app.functions["sweep"], [uploaded(path), words, "P", "1, 2", 32, 3, 0])
    else:
        question = page_values(app, "segment_page", path, classes=words, input_size=INPUT)
        said = client.ask(app.functions["segment_page"], question)
    assert said.answered, said.sentence


def idle(app: App, quick: bool = False) -> Figures:
    """Look at what the app holds when nobody asks any more."""
    figures = Figures("memory when all is done", f"under {MOST_IDLE:,.0f} MB")
    with figures.timed():
        time.sleep(SECONDS_TO_IDLE)
        held, together = resident(app.pid), app.memory()
    figures.count(held < MOST_IDLE, f"{held:.0f} MB")
    figures.measured = f"{held:,.0f} MB, with the photo readers {together:,.0f} MB"
    return figures
