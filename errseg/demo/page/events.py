"""What all the page's events share: checked inputs, and sentences for what can't be done."""

import functools
import inspect
import tempfile
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import gradio as gr
from gradio.context import LocalContext
from gradio.processing_utils import save_file_to_cache
from gradio.utils import get_upload_folder
from PIL import Image

from errseg.demo.backend.places import GoneError
from errseg.demo.backend.refusals import sentence_for
from errseg.demo.page import html
from errseg.errors import InputError

_UPLOAD = (
    "POST it to /gradio_api/upload as the form's field 'files', and send {'path': PATH} with the "
    "path that comes back."
)
NOT_UPLOADED = f"The photo has to be uploaded, nothing is fetched from an address: {_UPLOAD}"
NOT_SENT = f"There is no photo yet: {_UPLOAD}"
NO_LONGER_THERE = (
    "The photo is gone: the server keeps photos for an hour, and maybe none when it is started "
    "again; choose it again."
)
IN_TURN = {"concurrency_limit": None}
"""All that computes begins at once and waits for its turn in `backend.places`, which is fair."""
AS_SENT = {"preprocess": False}
"""Values arrive as the browser sent them. Gradio would decode photos before anything is checked and
refuse numbers in its own words; `check_request` looks at everything and has a sentence for it."""
PRIVATE = {"api_visibility": "private"}
COMPUTES = {**PRIVATE, **AS_SENT, **IN_TURN}
AS_MADE = {"postprocess": False}
"""Values go out as a handler made them, where each is of the kind that its element shows: Gradio
would take each to a thread and back."""
SHOWS_NO_PROGRESS = {"show_progress": "hidden", "show_progress_on": ()}
"""Gradio's page tells every output how far an event is, though it is hidden, and copies whatever
lies in it: of tabs, the whole page. Where there is no place for it, it tells none."""
LOOKS_UP = {**COMPUTES, **SHOWS_NO_PROGRESS}
"""What waits for another machine stands in the queue too: who is not in it is answered at once."""
AT_ONCE = {**PRIVATE, **AS_SENT, **SHOWS_NO_PROGRESS, "queue": False}


def answered(message: gr.HTML) -> Callable:
    """Decorate a handler that returns or yields {component: value}.

    What prevents an answer becomes a sentence in `message`; everything else on the page stays.
    """
    return refused_in(message, html.message)


def refused_in(place: gr.HTML, as_value: Callable[[str], str]) -> Callable:
    """Decorate a handler as `answered` does; the sentence becomes a value of another component."""

    def refusal(error: BaseException) -> dict:
        if isinstance(error, GoneError):  # a later question of the same visitor is under way
            return {place: gr.skip()}
        return {place: as_value(sentence_for(error))}

    def decorate(handler: Callable) -> Callable:
        @functools.wraps(handler)
        def once(*values):
            try:
                return handler(*values)
            except (Exception, SystemExit) as error:
                return refusal(error)

        @functools.wraps(handler)
        def stepwise(*values):
            try:
                yield from handler(*values)
            except (Exception, SystemExit) as error:
                yield refusal(error)

        return stepwise if inspect.isgeneratorfunction(handler) else once

    return decorate


def beside(first: dict, steps: Iterator[dict]) -> Iterator[dict]:
    """Add something to the first of an event's steps; it is a step itself if there is none.

    Each step takes Gradio some ten milliseconds, and the browser some thirty.
    """
    try:
        step = next(steps, {})
    except BaseException:
        yield first
        raise
    yield {**first, **step}
    yield from steps


def for_programs(handler: Callable) -> Callable:
    """Decorate an endpoint: what prevents an answer becomes an error with one sentence."""

    @functools.wraps(handler)
    def safe(*values):
        try:
            return handler(*values)
        except (Exception, SystemExit) as error:
            raise gr.Error(sentence_for(error), print_exception=False) from None

    return safe


def current_visitor() -> str | None:
    """Name the session whose event runs in this thread, or None where there is none."""
    request = LocalContext.request.get(None)
    return getattr(request, "session_hash", None) or LocalContext.event_id.get(None)


class Asked:
    """When the event that runs in this thread was put into Gradio's queue.

    Gradio begins events some time later, and in any order where many come at once. It is told once
    an event: what else an event asks for is asked when it asks.

    Args:
        page: whose events they are.
    """

    def __init__(self, page: gr.Blocks):
        self._page = page
        self._told = weakref.WeakSet()

    def __call__(self) -> float | None:
        """Tell it, in seconds of `time.monotonic`; None where it was told, or there is none."""
        number = LocalContext.event_id.get(None)
        event = self._page._queue.event_ids_to_events.get(number)
        if event is None or event in self._told:
            return None
        self._told.add(event)
        return event.enqueue_time


def uploaded(image: dict | None) -> str | None:
    """Return the path of an upload.

    A made-up path could name any picture on this machine, and Gradio looks at the paths of those
    messages only that are marked as files.

    Raises:
        InputError: it is no upload.
    """
    path = image.get("path") if isinstance(image, dict) else image
    if not path:
        return None
    folder = Path(get_upload_folder()).resolve()
    try:
        inside = isinstance(path, str) and Path(path).resolve().is_relative_to(folder)
    except (ValueError, OSError):  # a null byte, or a name that is too long
        inside = False
    if not inside:
        raise InputError(NOT_UPLOADED)
    if Path(path).name.startswith("."):  # Gradio serves none
        raise InputError("The name of the photo's file begins with a dot; give it another name.")
    if not Path(path).is_file():
        raise InputError(NO_LONGER_THERE)
    return path


def served(path: Path) -> str:
    """Copy a file of ours to where Gradio serves files from; it serves none from elsewhere."""
    return save_file_to_cache(path, get_upload_folder())


def drawn(picture: Image.Image) -> str:
    """Write a picture as PNG to where Gradio serves files from.

    Gradio would do it after the event, where nobody has a sentence for a disk that takes nothing,
    and into the file that another visitor, who asked the same, may be reading.
    """
    with tempfile.TemporaryDirectory() as folder:
        picture.save(path := Path(folder) / "image.png")
        return served(path)


def sent(event: gr.EventData, name: str, kind: type) -> object | None:
    """Return what a panel's script sent under a name, or None if it is of another type."""
    value = event._data.get(name) if isinstance(event._data, dict) else None
    return value if type(value) is kind else None
