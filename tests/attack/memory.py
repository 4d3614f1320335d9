"""Many requests: memory does not grow, and comes back when all is done."""

import functools
import time
from concurrent.futures import ThreadPoolExecutor

from attack.app import App, Client, resident, uploaded
from attack.figures import Figures
from attack.photos import page_values, photo

VISITORS = 4  # at a time: two left the cores idle for a third of the time
REQUESTS, BEGUN = 1000, 100  # issue 17: at the end over after the first hundred
QUICK_REQUESTS, QUICK_BEGUN = 150, 50
MOST_GROWTH = 1.1  # issue 17
MOST_IDLE = 1600.0  # megabytes after all attacks, issue 17
SECONDS_TO_IDLE = 10.0  # until what waits to be given back has been
INPUT = 128  # pixels: small ones, so that a thousand fit into some minutes
WITH_ATTENTION = 50  # each so-maniest request also asks for attention, and one for a sweep
SEED = 5000


def attack(app: App, quick: bool = False) -> Figures:
    """Ask new questions about new photos, some at a time."""
    requests, begun = (QUICK_REQUESTS, QUICK_BEGUN) if quick else (REQUESTS, BEGUN)
    figures = Figures("memory", f"after {requests:,} at most {MOST_GROWTH} times after {begun}")
    with figures.timed(), ThreadPoolExecutor(VISITORS) as visitors:
        held = []
        for numbers in (range(begun), range(begun, requests)):
            list(visitors.map(functools.partial(_ask, app), numbers))
            held.append(app.memory())
        early, late = held
    times = late / early
    figures.count(times <= MOST_GROWTH, f"{times:.2f} times: {early:.0f} MB, then {late:.0f} MB")
    figures.measured = f"{times:.2f} times: {early:.0f} MB, then {late:.0f} MB"
    return figures


def _ask(app: App, number: int) -> None:
    words, kind = f"thing {number}, sky, grass", number % WITH_ATTENTION
    with Client(app.url) as client:
        path = client.upload("a.jpg", photo(SEED + number)).data[0]
        if kind == 0:
            event, question = "attention", [uploaded(path), words, 5, 5, 32, 3, False]
        elif kind == 1:
            event, question = "sweep", [uploaded(path), words, "P", "1, 2", 32, 3, 0]
        else:
            event = "segment_page"
            question = page_values(app, event, path, classes=words, input_size=INPUT)
        said = client.ask(app.functions[event], question)
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
