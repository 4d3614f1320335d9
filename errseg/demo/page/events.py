"""What all the page's events share: checked inputs, and sentences for what can't be done."""

import functools
import inspect
import logging
from collections.abc import Callable
from pathlib import Path

import gradio as gr
from gradio.processing_utils import save_file_to_cache
from gradio.utils import get_upload_folder

from errseg.demo.page import html
from errseg.errors import InputError

logger = logging.getLogger(__name__)

UNEXPECTED = "Something went wrong on the server; your photo and words are kept. Please try again."
ONE_AT_A_TIME = {"concurrency_id": "model", "concurrency_limit": 1}
"""All that computes shares one place in the queue: two at once would each take twice as long."""
AS_SENT = {"preprocess": False}
"""Values arrive as the browser sent them. Gradio would decode photos before anything is checked and
refuse numbers in its own words; `check_request` looks at everything and has a sentence for it."""
PRIVATE = {"api_visibility": "private"}
COMPUTES = {**PRIVATE, **AS_SENT, **ONE_AT_A_TIME}
AT_ONCE = {**PRIVATE, **AS_SENT, "queue": False, "show_progress": "hidden"}


def answered(message: gr.HTML) -> Callable:
    """Decorate a handler that returns or yields {component: value}.

    What prevents an answer becomes a sentence in `message`; everything else on the page stays.
    """

    def refusal(error: Exception) -> dict:
        if isinstance(error, InputError):
            return {message: html.message(str(error))}
        logger.error("a question could not be answered", exc_info=error)
        return {message: html.message(UNEXPECTED)}

    def decorate(handler: Callable) -> Callable:
        @functools.wraps(handler)
        def once(*values):
            try:
                return handler(*values)
            except Exception as error:
                return refusal(error)

        @functools.wraps(handler)
        def stepwise(*values):
            try:
                yield from handler(*values)
            except Exception as error:
                yield refusal(error)

        return stepwise if inspect.isgeneratorfunction(handler) else once

    return decorate


def for_programs(handler: Callable) -> Callable:
    """Decorate an endpoint: what prevents an answer becomes an error with one sentence."""

    @functools.wraps(handler)
    def safe(*values):
        try:
            return handler(*values)
        except InputError as error:
            raise gr.Error(str(error), print_exception=False) from None
        except Exception:
            logger.exception("an endpoint's question could not be answered")
            raise gr.Error(UNEXPECTED, print_exception=False) from None

    return safe


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
    if not isinstance(path, str) or not Path(path).resolve().is_relative_to(folder):
        raise InputError("The photo has to be uploaded.")
    return path


def served(path: Path) -> str:
    """Copy a file of ours to where Gradio serves files from; it serves none from elsewhere."""
    return save_file_to_cache(path, get_upload_folder())


def sent(event: gr.EventData, name: str, kind: type) -> object | None:
    """Return what a panel's script sent under a name, or None if it is of another type."""
    value = event._data.get(name) if isinstance(event._data, dict) else None
    return value if type(value) is kind else None
