"""Whether a message has the form of a question, before Gradio looks at it.

Gradio answers a message that it can't use with no words at all and a traceback in the log.
"""

import json
from typing import TYPE_CHECKING

import gradio as gr

from errseg.demo.page.events import NOT_UPLOADED, uploaded
from errseg.demo.serve.doors import API
from errseg.errors import InputError

if TYPE_CHECKING:
    from gradio.block_function import BlockFunction

MESSAGE_BYTES = 2 * 2**20
"""Most bytes of a message: all words that a question may have, escaped, and room."""
MOST_PARTS = 60_000
"""Most commas, colons and brackets of a message: a question has some hundred beside those of its
words, which may have 50,000 characters. Two megabytes of brackets would keep the server from
everybody for half a second."""
PART_MARKS = (b",", b":", b"[", b"{")
LONGEST_SESSION = 64  # characters of a session's name; browsers send some ten
AT_ONCE = ("run/", "api/")  # doors of what needs no turn, which every endpoint does
NAMES = ("session_hash", "fn_index", "trigger_id", "event_id")  # beside a question's values
NAME_SHOWN = 30  # characters of a name that there isn't, in a sentence
ADDED = ("tiles", "closer_at")
"""Last inputs that endpoints have got since: who sends a list without them gets their defaults."""
WITHOUT_VALUES = {"reset": ("event_id",), "cancel": ("session_hash", "fn_index", "event_id")}
"""Doors whose messages name a question and hold no values -> what names it."""
FILE = {"_type": "gradio.FileData"}  # how Gradio marks files in messages


def checked_message(path: str, body: bytes, page: gr.Blocks) -> bytes:
    """Check a message that was sent to one of the doors, and return what Gradio is to see of it.

    What stands for a photo and is no upload loses its mark as a file, so that Gradio hands it on as
    it is, and events have a sentence for it.

    Raises:
        InputError: it can't be a question; the sentence says what to send.
    """
    place = path.removeprefix(f"{API}/").rstrip("/")
    if sum(map(body.count, PART_MARKS)) > MOST_PARTS:
        raise InputError(
            f"A message is a JSON object of at most {MOST_PARTS:,} commas, colons and brackets."
        )
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        message = None
    if not isinstance(message, dict):
        raise InputError('A message is a JSON object, such as {"data": [...]}.')
    _check_names(message, required=place == "queue/join")
    if place in WITHOUT_VALUES:
        return _named_only(message, WITHOUT_VALUES[place])
    function = _function(place, message, page)
    if place.startswith(AT_ONCE) and function.queue:
        where = f"{API}/call/{function.api_name}"
        raise InputError(f"POST this to {where}, and read the answer at {where}/EVENT_ID.")
    named = place.startswith("call/v2/")
    changed = not named and _completed(message, function)
    blocks = _inputs(message, function, place, named)
    values = message if named else message["data"]
    # Who calls an endpoint listens under the question's own name, not under a session's.
    if place.startswith("call/"):
        changed |= message.pop("session_hash", None) is not None
    there = values if named else range(len(values))
    for key, block in blocks:
        if isinstance(block, gr.Image | gr.File) and key in there:
            repaired = _repaired(values[key], several=isinstance(block, gr.File))
            changed |= repaired is not values[key]
            values[key] = repaired
        elif key in there and _holds_file(values[key]):
            changed, values[key] = True, "a file"  # no value of these boxes; they refuse it
    return json.dumps(message).encode() if changed else body


def _named_only(message: dict, names: tuple[str, ...]) -> bytes:
    """Return a message with nothing but what names its question."""
    if missing := [name for name in names if message.get(name) is None]:
        raise InputError(f"Name the question by {', '.join(names)}; missing: {missing[0]}.")
    return json.dumps({name: message[name] for name in names}).encode()


def _holds_file(value: object) -> bool:
    """Tell whether Gradio would take some part of a value for a file, however deep it lies."""
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            if "meta" in part or "path" in part:
                return True
            waiting += part.values()
        elif isinstance(part, list):
            waiting += part
    return False


def _check_names(message: dict, required: bool) -> None:
    session = message.get("session_hash")
    if (session is None and required) or not isinstance(session, str | None):
        raise InputError("A question names its session: session_hash, a text of your choice.")
    if session is not None and not 1 <= len(session) <= LONGEST_SESSION:
        raise InputError(f"A session's name has 1 to {LONGEST_SESSION} characters.")
    for name, kinds in (("fn_index", int), ("trigger_id", int), ("event_id", str)):
        value = message.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, kinds)):
            raise InputError(f"{name} has to be {'a number' if kinds is int else 'a text'}.")


def _function(place: str, message: dict, page: gr.Blocks) -> "BlockFunction":
    """Find what a message is for, as Gradio would: by its number, or by the endpoint's name."""
    kind, _, name = place.partition("/")
    # An endpoint that is called is the one of the address, whatever number comes with it.
    if kind != "call" and (number := message.get("fn_index")) is not None:
        if number in page.fns:
            return page.fns[number]
        raise InputError(f"There is no function number {number} here.")
    name = name.removeprefix("v2/")
    named = {fn.api_name: fn for fn in page.fns.values() if fn.api_visibility == "public"}
    if kind != "queue" and name in named:
        return named[name]
    known = ", ".join(f"/{name}" for name in named)
    raise InputError(f"There is no such endpoint here; there are {known}.")


def _completed(message: dict, function: "BlockFunction") -> bool:
    """Add the defaults of inputs that were `ADDED`, where only those are lacking; tell whether."""
    values = message.get("data")
    if function.api_visibility != "public" or not isinstance(values, list):
        return False
    lacking = function.inputs[len(values) :]
    if not lacking or any(block.label not in ADDED for block in lacking):
        return False
    values += [block.value for block in lacking]
    return True


def _inputs(
    message: dict, function: "BlockFunction", place: str, named: bool
) -> list[tuple[int | str, object]]:
    """Pair the places of a message's values with the components that they are for."""
    if named:
        _check_named(message, function)
        return [(block.label, block) for block in function.inputs]
    values, every = message.get("data"), function.inputs
    shown = [block for block in every if not (place.startswith("call/") and block.skip_api)]
    if not isinstance(values, list) or len(values) not in (len(every), len(shown)):
        names = ", ".join(str(block.label or "a value") for block in shown)
        given = len(values) if isinstance(values, list) else "none"
        raise InputError(
            f'This needs {len(shown)} values in a list under "data" ({names}); there are {given}.'
        )
    return list(enumerate(shown if len(values) == len(shown) else every))


def _check_named(message: dict, function: "BlockFunction") -> None:
    """Refuse values by names that an endpoint hasn't, and a question without those it needs."""
    defaults = {block.label: getattr(block, "value", None) for block in function.inputs}
    needed = [name for name, value in defaults.items() if value is None]
    others = [name for name in defaults if name not in needed]
    told = f"it needs {', '.join(needed)}" + (
        f"; it may have {', '.join(others)}" if others else ""
    )
    if unknown := message.keys() - {*defaults, *NAMES}:
        raise InputError(f"/{function.api_name} takes no {min(unknown)[:NAME_SHOWN]!r}: {told}.")
    if missing := [name for name in needed if name not in message]:
        raise InputError(f"/{function.api_name} lacks {', '.join(missing)}: {told}.")


def _repaired(value: object, several: bool) -> object:
    """Return a value for an uploaded file, or for several, as it is, or without a file's mark.

    Raises:
        InputError: one of several is no upload.
    """
    if value is None:
        return None
    if several:
        if not isinstance(value, list) or not all(map(_is_upload, value)):
            raise InputError(NOT_UPLOADED)
        return value
    if isinstance(value, str) and _is_upload(as_file := {"path": value, "meta": FILE}):
        return as_file
    if isinstance(value, dict) and value.get("path") is None:  # no photo
        return value if value.keys() <= {"path", "url", "meta"} else {"path": None}
    if _is_upload(value):
        return value
    path = value.get("path") if isinstance(value, dict) else None
    return {"path": path if isinstance(path, str) else "no upload"}


def _is_upload(value: object) -> bool:
    if not isinstance(value, dict) or value.get("meta") != FILE:
        return False
    try:
        return uploaded(value) is not None
    except InputError:
        return False
