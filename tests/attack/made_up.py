"""Made-up words, numbers and messages: what to send, and how."""

import json
from collections.abc import Callable, Iterator
from functools import partial

from attack import odd_values
from attack.app import App, Client, Said, said_by, uploaded
from attack.photos import page_values

SECRET = "zebrafinch"  # stands in words and file names, and in no line of the log
WORDS = f"sky, {SECRET}"
LARGE_BODY = 60 * 10**6
SEGMENT = 27  # about the number of an event that there is
NO_NUMBERS = (9999, -1, "0", 27.5, True, [], {})  # of events
NO_SESSIONS = ("", "x" * 1000, [], {}, True, 1)
NO_LISTS = (None, {}, "x", 5, [], [1], [1] * 50)  # of a question's values
SHAPES = (
    *(b"no JSON", b"", b"[" * 100_000, b"[1]", b"null", b'"x"', b"{}", b"\xff\xfe"),
    *(b'{"data": NaN}', {"data": [], "session_hash": "x"}),
    {"fn_index": 0, "data": []},
    *({"fn_index": number, "data": [], "session_hash": "x"} for number in NO_NUMBERS),
    *({"fn_index": SEGMENT, "data": [], "session_hash": name} for name in NO_SESSIONS),
    *({"fn_index": SEGMENT, "data": data, "session_hash": "x"} for data in NO_LISTS),
    {"fn_index": SEGMENT, "data": [None] * 5, "session_hash": "x", "trigger_id": []},
    {"fn_index": SEGMENT, "data": [None] * 5, "session_hash": "x", "event_id": []},
)
PLACES = ("queue/join", "call/segment", "call/nothing", "run/segment", "api/segment_page", "cancel")

Try = tuple[str, Callable[[Client], Said]]
"""What is sent, and what sends it."""


def shapes() -> Iterator[Try]:
    """What is no question at all."""
    large = b'{"data": ["' + b"x" * LARGE_BODY + b'"]}'
    for place in map("/{}".format, PLACES):
        for body in SHAPES:
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            yield f"{place} {content[:60]!r}", partial(_post, place=place, content=content)
        yield f"{place} {LARGE_BODY // 10**6} MB", partial(_post, place=place, content=large)


def _post(client: Client, place: str, content: bytes) -> Said:
    reply = client.send(place, content=content, headers={"content-type": "application/json"})
    said = said_by(reply)
    if said.answered and "event_id" in (said.data[0] or {}):
        client.send(
            "/cancel", json={"session_hash": client.session, "fn_index": 0, "event_id": "x"}
        )
    return said


def words_for(app: App, path: str) -> Iterator[Try]:
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


def values_for(app: App, path: str) -> Iterator[Try]:
    """Every value in every place of every event, and as what a panel's script sends."""
    parts = {one["id"]: one for one in app.config["components"]}
    for event in app.config["dependencies"]:
        if not event["backend_fn"]:
            continue
        name = event["api_name"]
        usual = page_values(app, name, path, classes=WORDS)
        ask = Client.ask if event["queue"] else Client.ask_at_once
        ask = partial(ask, function=event["id"])
        for place, number in enumerate(event["inputs"]):
            for value in odd_values.VALUES:
                data = [*usual[:place], value, *usual[place + 1 :]]
                label = parts[number]["props"].get("label")
                yield f"{name} {label} {value!r:.40}", partial(ask, data=data)
        for value in odd_values.EVENTS:
            yield f"{name} sent {value!r:.40}", partial(ask, data=usual, event_data=value)
