"""What a question is at while somebody waits for it, told as it goes on."""

import contextvars
import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import TypeVar

T, S = TypeVar("T"), TypeVar("S")

SENTENCES = {
    "lend": "Waiting for the GPU that this Space lends …",
    "read": "Reading the photo …",
    "text": "Reading the words …",
    "encode": "Looking at the photo …",
    "tiles": "Looking closer, at parts of the photo …",
    "decode": "Finding the words in it: CRM, ESCF, GUD …",
    "attend": "Asking what the pixel attends to …",
    "load": "Loading the model …",
    "ask": "Asking the Hub for released models …",
}
"""A stage's name in timings -> what somebody who waits for it is told."""
MB = 10**6
SECONDS_WORTH_TELLING = 0.5  # a stage that is over sooner would only flicker


def ahead(count: int) -> str:
    """Say how many questions go before one."""
    return f"{count} question{' is' if count == 1 else 's are'} ahead of yours."


def fetched(model: str, done: int, size: int) -> str:
    """Say how far the download of a model is, in bytes."""
    return f"Fetching {model} from the Hub: {done / MB:,.0f} of {size / MB:,.0f} MB …"


def told(
    ask: Callable[[Callable[[str], None]], T], as_step: Callable[[str], S]
) -> Generator[S, None, T]:
    """Ask a question in a thread of its own, and give its stages as they come.

    Args:
        ask: asks it; is given what to tell a stage to: one of `SENTENCES`, or a sentence.
        as_step: makes of a stage's sentence what is given.

    Returns:
        what `ask` returns; what it raises is raised.
    """
    news: SimpleQueue[str | None] = SimpleQueue()
    # Emptied in the end: an error knows these frames, and with them all that a question computed.
    answer: list[Future[T]] = [Future()]
    context = contextvars.copy_context()  # says who asks

    def run() -> None:
        try:
            answer[0].set_result(context.run(ask, news.put))
        except BaseException as error:  # SystemExit too: who waits must hear of it
            answer[0].set_exception(error)
        finally:
            news.put(None)

    threading.Thread(target=run, daemon=True).start()
    stage = news.get()
    while stage is not None:
        try:
            stage = news.get(timeout=SECONDS_WORTH_TELLING)
        except Empty:
            yield as_step(SENTENCES.get(stage, stage))
            stage = news.get()
    return answer.pop().result()
