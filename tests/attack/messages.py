"""Made-up words, numbers and messages: one sentence each, and a quiet log."""

import random
import time
import uuid
from collections.abc import Callable

import httpx
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from attack import odd_values
from attack.app import App, Client, Said, uploaded
from attack.figures import Figures, is_sentence
from attack.made_up import SECRET, shapes, values_for, words_for
from attack.photos import photo

TRIED, TRIED_QUICKLY = 1000, 160  # issue 17: 1,000 / 1,000
BY_HYPOTHESIS = 300  # of them in the full run
MOST_LINES = 1  # of the log, a message
SEED = 17
PAUSE = 0.05  # seconds until what the log says is there


def attack(app: App, quick: bool = False) -> Figures:
    """Send them all, one after the other."""
    figures = Figures(
        "vocabularies and messages",
        "one sentence each, at most one line in the log",
        least=TRIED_QUICKLY if quick else TRIED,
    )
    with figures.timed(), Client(app.url) as client:
        path = client.upload(f"{SECRET}.jpg", photo(SEED)).data[0]
        made, chance = 0 if quick else BY_HYPOTHESIS, random.Random(SEED)
        wanted = (TRIED_QUICKLY if quick else TRIED) - made
        said_or_sent = [*shapes(), *words_for(app, path)]
        chosen = chance.sample(said_or_sent, min(wanted // 2, len(said_or_sent)))
        chosen += chance.sample([*values_for(app, path)], wanted - len(chosen))
        begun = app.log()
        for what, send in chosen:
            _try(app, client, figures, what, send)
        if made:
            _by_hypothesis(app, client, figures, path, made)
        said = app.log().removeprefix(begun)
        figures.measured = f"{len(said.splitlines())} lines in the log"
        figures.count("Traceback" not in said, "a traceback in the log")
        figures.count(SECRET not in said, "a visitor's words in the log")
    return figures


def _try(
    app: App, client: Client, figures: Figures, what: str, send: Callable[[Client], Said]
) -> None:
    before = app.log().count("\n")
    client.session = uuid.uuid4().hex
    try:
        said = send(client)
    except httpx.HTTPError as error:
        figures.count(False, f"{what}: {error!r}")
        return
    right = said.answered or is_sentence(said.sentence)
    if not right:
        time.sleep(PAUSE)  # the log's lines are this one's, not the next one's
    lines = app.log().count("\n") - before
    told = f"{what}: {said.sentence!r} ({said.status}), {lines} lines in the log"
    figures.count(right and lines <= MOST_LINES, told)


def _by_hypothesis(app: App, client: Client, figures: Figures, path: str, most: int) -> None:
    """Send what hypothesis makes: texts as words, anything in any other place."""
    look, begun = app.functions["look_at_words"], figures.tried

    @seed(SEED)
    @settings(
        max_examples=2 * most,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(odd_values.TYPED, odd_values.JSON, st.integers(0, 4), st.booleans())
    def send(words, value, place, endpoint):
        if figures.tried - begun >= most:
            return
        data = [uploaded(path), words, 32, 3, 0] if endpoint else [words, 3]
        if place != 1:
            data[place % len(data)] = value
        ask = client.ask if endpoint else client.ask_at_once
        number = app.functions["segment"] if endpoint else look
        what = f"made up {data!r:.200}"
        _try(app, client, figures, what, lambda client: ask(number, data))

    send()
