"""Many visitors at once, each of whom knows the right answer; some leave."""

import random
import statistics
import threading
import time
from dataclasses import dataclass, field
from typing import NamedTuple

import httpx

from attack.app import App, Client, Said, uploaded
from attack.figures import Figures
from attack.photos import KEPT, THRESHOLD, VOTES, digest, photo, segment

CLIENTS, SECONDS = 50, 180.0  # issue 17
QUICK_CLIENTS, QUICK_SECONDS = 8, 15.0
OVERTAKEN_BY = 0.5
"""Seconds: asked so much later, answered so much earlier. One question was asked before another if
the server has told its visitor something before the other one was sent: how long each is on its
way, and when its visitor begins to listen, which a question waits for, is nothing that a line can
put right; in the first second, when all ask at once, it takes half a second and more."""
PAGE_SECONDS = 1.0  # issue 17
LEAVE = 0.08  # of the questions: their visitor leaves while they wait or run
SEED = 1000
WORDS = (
    *("sky, grass, wall", "red thing, blue thing, green thing", "dog, cat | kitten, sofa, floor"),
    *("tree, road, car, person, building", "water, boat, sand", "table, chair, window, door"),
    *("flower, leaf", "mountain, snow, sky, cloud, rock, lake"),
)


class _Times(NamedTuple):
    """When a question was what, in seconds of `time.monotonic`."""

    sent: float
    heard: float  # the first time that its visitor was told something
    answered: float

    def overtaken_by(self, other: "_Times") -> bool:
        later = other.sent > self.heard + OVERTAKEN_BY
        return later and other.answered < self.answered - OVERTAKEN_BY


@dataclass
class _Seen:
    """What all visitors found."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    answers: list[_Times] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    left: int = 0
    pages: list[float] = field(default_factory=list)


def attack(app: App, quick: bool = False) -> list[Figures]:
    """Let a crowd in for some minutes."""
    clients, seconds = (QUICK_CLIENTS, QUICK_SECONDS) if quick else (CLIENTS, SECONDS)
    reach = f"{clients} clients, {seconds:.0f} s"
    right = Figures("crowd: answers", f"{reach}: 0 wrong, 0 lost")
    order = Figures("crowd: order", f"0 overtaken by {OVERTAKEN_BY} s")
    page = Figures("crowd: page", f"painted every time under {PAGE_SECONDS:g} s")
    with right.timed():
        known = {number: _references(app, number) for number in range(clients)}
        seen, end = _Seen(), time.monotonic() + seconds
        visitors = [
            threading.Thread(target=_visit, args=(app, number, known[number], seen, end))
            for number in range(clients)
        ]
        visitors.append(threading.Thread(target=_paint, args=(app, seen, end)))
        for thread in visitors:
            thread.start()
        for thread in visitors:
            thread.join()
    for _ in range(len(seen.answers) - len(seen.wrong)):
        right.count(True, "")
    for what in seen.wrong + seen.lost:
        right.count(False, what)
    waits = [times.answered - times.sent for times in seen.answers]
    right.measured = (
        f"{len(seen.wrong)} wrong, {len(seen.lost)} lost, {seen.left} left; median wait "
        f"{statistics.median(waits):.1f} s, longest {max(waits):.1f} s"
    )
    for times in seen.answers:
        later = [other for other in seen.answers if times.overtaken_by(other)]
        order.count(not later, f"{times}, overtaken by {len(later)}: {later[:3]}")
    order.measured = f"{order.tried - order.held} overtaken"
    for took in seen.pages:
        page.count(took < PAGE_SECONDS, f"{took:.2f} s")
    page.measured = f"median {statistics.median(seen.pages):.2f} s, longest {max(seen.pages):.2f} s"
    return [right, order, page]


def _references(app: App, number: int) -> dict[str, str]:
    """Ask a visitor's questions alone: words -> digest of the answer."""
    with Client(app.url) as client:
        path = client.upload("alone.jpg", photo(SEED + number)).data[0]
        own = (WORDS[number % len(WORDS)], WORDS[(number + 3) % len(WORDS)])
        return {words: digest(client, segment(app, client, path, words)) for words in own}


def _visit(app: App, number: int, known: dict[str, str], seen: _Seen, end: float) -> None:
    chance = random.Random(number)
    time.sleep(chance.random())
    with Client(app.url) as client:
        visit = 0
        while time.monotonic() < end:
            visit += 1
            client.session = f"visitor{number}of{visit}of{id(seen)}"
            try:
                _ask_once(app, client, number, known, seen, chance)
            except (httpx.HTTPError, ValueError, LookupError, TypeError) as error:
                with seen.lock:
                    seen.lost.append(f"visitor {number}: {error!r}")


def _ask_once(app, client, number, known, seen, chance) -> None:
    words = chance.choice(list(known))
    path = client.upload(f"visitor {number}.jpg", photo(SEED + number)).data[0]
    question = [uploaded(path), words, KEPT, VOTES, THRESHOLD]
    sent = time.monotonic()
    client.join(app.functions["segment"], question).raise_for_status()
    messages = client.listen()
    last = next(messages)
    heard = time.monotonic()
    if chance.random() < LEAVE:
        messages.close()  # and the connection with it
        with seen.lock:
            seen.left += 1
        return
    *_, last = (last, *messages)
    answered = time.monotonic()
    if not last.get("success"):
        with seen.lock:
            seen.lost.append(f"visitor {number} after {answered - sent:.1f} s: {last!r:.300}")
        return
    is_right = digest(client, Said(last["output"]["data"])) == known[words]
    with seen.lock:
        seen.answers.append(_Times(sent, heard, answered))
        if not is_right:
            seen.wrong.append(f"visitor {number} asked for {words!r} and got another mask")


def _paint(app: App, seen: _Seen, end: float) -> None:
    """Open the page once a second: its HTML and what it is made of."""
    with Client(app.url) as client:
        while time.monotonic() < end:
            began = time.perf_counter()
            for place in ("/", "/config"):
                client.http.get(app.url + place).raise_for_status()
            seen.pages.append(time.perf_counter() - began)
            time.sleep(1)
