"""One hostile visitor sends the worst allowed question, or refused ones, all the time; another one
waits.
"""

import itertools
import json
import re
import statistics
import threading
import time
from collections.abc import Callable, Iterator

from attack.app import App, Client, uploaded
from attack.figures import Figures
from attack.photos import noise, page_values, photo

MOST_TIMES = 2.0  # issue 17: another's median wait, beside that next to a kind visitor
QUESTIONS, QUICK_QUESTIONS = 15, 5
GREEDY_WORDS = 1000
GREEDY_SIDE = 2048  # pixels of the photo; larger ones are shrunk to it
GREEDY_INPUT = 1024  # the largest input size
KIND_WORDS = 16  # new ones in each ordinary question, beside as many known ones
SMALLEST_P = 8
MOST_TRIES = 40  # refusals until the worst allowed question is found
FITS = re.compile(r"P = ([\d,]+) would fit|The first ([\d,]+) of the words would fit")


def attack(app: App, quick: bool = False) -> Figures:
    """Measure a visitor's waits beside a kind visitor, then beside a hostile one."""
    figures = Figures("greedy visitor", f"another's median wait at most {MOST_TIMES:g} times")
    questions = QUICK_QUESTIONS if quick else QUESTIONS
    with figures.timed():
        fresh, worst, refused = itertools.count(), _Worst(app), _Worst(app)
        worst.find()
        kind = _waits(app, questions, fresh, lambda client: _ask_kindly(app, client, next(fresh)))
        greedy = _waits(app, questions, fresh, worst.ask)
        beside_refusals = _waits(app, questions, fresh, refused.ask_too_much)
    usual = statistics.median(kind)
    said = []
    for waits, what in ((greedy, "the worst allowed"), (beside_refusals, "what is refused")):
        times = statistics.median(waits) / usual
        figures.count(times <= MOST_TIMES, f"{what}: {times:.2f} times: {waits}, usually {kind}")
        said.append(f"{times:.2f} times beside {what} ({statistics.median(waits):.1f} s)")
    figures.count(len(worst.computed) > 0, "nothing of the hostile visitor's was computed")
    figures.count(not refused.computed, "a question that costs too much was computed")
    figures.measured = (
        f"{', '.join(said)}, {usual:.1f} s beside a kind one; the hostile one had "
        f"{len(worst.computed)} answers of {worst.words} words with P = {worst.kept}"
    )
    return figures


def _waits(
    app: App, questions: int, fresh: Iterator[int], ask: Callable[[Client], object]
) -> list[float]:
    """Ask ordinary questions while another visitor asks all the time.

    Args:
        app: of both.
        questions: how many.
        fresh: numbers of questions that nobody has asked yet.
        ask: what the other one does.
    """
    over = threading.Event()

    def other() -> None:
        while not over.is_set():
            with Client(app.url) as client:
                ask(client)

    asking = threading.Thread(target=other)
    asking.start()
    time.sleep(1)  # until the other one is under way
    waits = []
    for _ in range(questions):
        with Client(app.url) as client:
            waits.append(_ask_kindly(app, client, next(fresh)))
    over.set()
    asking.join()
    return waits


def _ask_kindly(app: App, client: Client, number: int) -> float:
    """Ask about a new photo, half of the words being new; the seconds until the answer."""
    path = client.upload("kind.jpg", photo(number, (640, 480))).data[0]
    new = [f"kind {number} {i}" for i in range(KIND_WORDS)]
    known = [f"known {i}" for i in range(KIND_WORDS)]
    began = time.perf_counter()
    said = client.ask(app.functions["segment"], [uploaded(path), ", ".join(new + known), 32, 3, 0])
    assert said.answered, said.sentence
    return time.perf_counter() - began


class _Worst:
    """Asks for the most that is allowed, which it finds from what refusals propose."""

    def __init__(self, app: App):
        self._app = app
        self.kept = self.words = GREEDY_WORDS
        self.computed: list[float] = []  # seconds of each question that was
        self._photo = noise(0, (GREEDY_SIDE, GREEDY_SIDE))

    def find(self) -> None:
        """Ask for less and less until something is computed."""
        for _ in range(MOST_TRIES):
            with Client(self._app.url) as client:
                self.ask(client)
            if self.computed:
                return

    def ask_too_much(self, client: Client) -> None:
        """Ask for what is refused, again and again: refusals cost something too."""
        self.words = self.kept = GREEDY_WORDS
        self.ask(client)

    def ask(self, client: Client) -> None:
        """Ask with a new photo and new words each time; a refusal tells what to ask for next."""
        # What stands behind a JPEG's end makes another file of it, and is read by nobody.
        path = client.upload("greedy.jpg", self._photo + str(time.monotonic()).encode()).data[0]
        words = ", ".join(f"greedy {time.monotonic()} {i}" for i in range(self.words))
        knobs = {"classes": words, "kept": self.kept, "input_size": GREEDY_INPUT}
        # As P's own slider asks: any other event takes P for advice, which is far from the worst.
        question = page_values(self._app, "choose_kept", path, **knobs)
        began = time.perf_counter()
        client.join(self._app.functions["choose_kept"], question).raise_for_status()
        steps = [json.dumps(m) for m in client.listen() if m["msg"] == "process_generating"]
        masks = next((n for n, step in enumerate(steps) if "data-view" in step), None)
        fits = next(filter(None, map(FITS.search, steps[:masks])), None)
        if masks is not None:  # the attention after them may be refused
            self.computed.append(time.perf_counter() - began)
        if fits and fits[1]:
            self.kept = int(fits[1].replace(",", ""))
            if self.kept < SMALLEST_P:  # all goes into reading words; leave some for the network
                self.words, self.kept = self.words * 3 // 4, GREEDY_WORDS
        elif fits:
            self.words = int(fits[2].replace(",", ""))
        elif masks is None:  # nothing was proposed
            self.words = max(1, self.words // 2)
