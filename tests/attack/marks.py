"""Runs of combining marks, which are slow to normalise, while another visitor pings."""

import statistics
import threading
import time

import httpx

from attack.app import API, App, Client
from attack.figures import Figures

MARKS = "a" + "\u0300" * 20_000 + "\u0323" * 20_000
PING_SECONDS = 0.25  # issue 17 says 0.05 for what has no line; a busy machine adds to it
PINGS, PAUSE = 40, 0.05


def attack(app: App, quick: bool = False) -> Figures:
    """Send runs of combining marks to an event without a line, while somebody else pings."""
    figures = Figures("pings beside 40,000 combining marks", f"each under {PING_SECONDS} s")
    over, number = threading.Event(), app.functions["look_at_words"]

    def flood() -> None:
        with Client(app.url) as client:
            while not over.is_set():
                client.ask_at_once(number, [MARKS, 3])

    with figures.timed():
        flooding = threading.Thread(target=flood)
        # One connection for all pings: opening a client takes longer than an answer.
        with httpx.Client(base_url=app.url) as visitor:
            _ping(visitor)
            flooding.start()
            found = [_ping(visitor) for _ in range(PINGS)]
        over.set()
        flooding.join()
    for seconds in found:
        figures.count(seconds < PING_SECONDS, f"{seconds:.2f} s")
    figures.measured = f"median {statistics.median(found):.3f} s, longest {max(found):.3f} s"
    return figures


def _ping(visitor: httpx.Client) -> float:
    time.sleep(PAUSE)
    began = time.perf_counter()
    visitor.get(f"{API}/app_id").raise_for_status()
    return time.perf_counter() - began
