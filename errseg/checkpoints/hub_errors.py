"""What keeps weights from being fetched, in one sentence that says what to do."""

import errno
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar

from errseg.checkpoints.hub_address import HubAddress
from errseg.errors import InputError

T = TypeVar("T")

PATIENCE = 4.0
"""Seconds that the Hub has for telling what a repository holds: a machine without a network should
say so within five."""
MB = 10**6
LOGIN = "log in with: hf auth login"
ELSEWHERE = "make room, or let HF_HOME name another folder"
UNAUTHORISED, FORBIDDEN, NOT_FOUND, TOO_MANY, FAULT_OF_SERVER = 401, 403, 404, 429, 500  # HTTP


def within_patience(ask: Callable[[], T]) -> T:
    """Return what a function does, in a thread of its own: looking up a name has no time limit.

    Raises:
        TimeoutError: it took more than `PATIENCE`; it goes on, and nobody waits for it.
    """
    answer: Future[T] = Future()

    def run() -> None:
        try:
            answer.set_result(ask())
        except BaseException as error:  # SystemExit too: who waits must hear of it
            answer.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return answer.result(PATIENCE)


def check_room(folder: Path, size: int, name: str) -> None:
    """Refuse a download with an `InputError` for which a disk has no room.

    Args:
        folder: where it is to lie; it need not be there yet.
        size: in bytes.
        name: the file's, for the sentence.
    """
    there = next(place for place in (folder, *folder.parents) if place.is_dir())
    free = shutil.disk_usage(there).free
    if free < size:
        raise InputError(
            f"{name} has {size / MB:,.0f} MB and {folder} has room for {free / MB:,.0f} MB; "
            f"{ELSEWHERE}."
        )


def hub_sentence(error: Exception, address: HubAddress, asked: str = "") -> str:
    """Say why the Hub gave nothing, and what to do.

    Args:
        error: what huggingface_hub raised.
        address: where the weights lie.
        asked: what somebody gave for them, if not the address.
    """
    from huggingface_hub import errors

    repository, response = address.repository, _response(error)
    status = response.status_code if response is not None else 0
    if isinstance(error, errors.GatedRepoError) or status == FORBIDDEN:
        return (
            f"{repository} is open to those only who accepted its terms; do so on its page, "
            f"https://huggingface.co/{repository}, and {LOGIN}."
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return f"{repository} has no revision {address.revision!r}."
    if isinstance(error, errors.EntryNotFoundError) and status == NOT_FOUND:
        return f"{repository} has no file {address.file}."
    if isinstance(error, errors.RepositoryNotFoundError) or status in (UNAUTHORISED, NOT_FOUND):
        return (
            f"The Hub shows no model {repository} from here; check the name, and if it is private, "
            f"{LOGIN}."
        )
    if status == TOO_MANY:
        wait = response.headers.get("Retry-After", "")
        when = f"in {wait} seconds" if wait.isdecimal() else "later"
        return f"The Hub was asked too often from here; try again {when}, or {LOGIN}."
    if status >= FAULT_OF_SERVER:
        return f"The Hub can't answer at the moment (HTTP {status}); try again later."
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return f"The disk is full, and {address} was not kept; {ELSEWHERE}."
    if isinstance(error, PermissionError):
        return f"{error.filename or 'The folder of the Hub'} can't be written; {ELSEWHERE}."
    if "onsistency check" in str(error):  # huggingface_hub's word for a wrong size
        return f"{address} came incomplete; try again."
    what = asked or str(address)
    return (
        f"{what} isn't on this machine and the Hub can't be reached ({reason_of(error)}); where "
        f"there is a network python -m errseg fetch {what} gets it and says what to copy, or give "
        "the path of a file."
    )


def upload_sentence(error: Exception, repository: str) -> str:
    """Say why the Hub didn't take a model, and what to do."""
    response = _response(error)
    status = response.status_code if response is not None else 0
    if status in (UNAUTHORISED, FORBIDDEN):
        return f"{repository} isn't yours to write to; {LOGIN}, with a token that may write."
    if status == TOO_MANY or status >= FAULT_OF_SERVER:
        return f"The Hub can't take {repository} at the moment (HTTP {status}); try again later."
    said = getattr(error, "server_message", None)
    return f"{repository} could not be put on the Hub ({said or reason_of(error)})."


def reason_of(error: Exception) -> str:
    """Say in a few words why the Hub can't be reached."""
    from huggingface_hub.errors import OfflineModeIsEnabled

    while error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set"
    if isinstance(error, TimeoutError):  # of `within_patience`
        return f"no answer in {PATIENCE:.0f} seconds"
    name = type(error).__name__
    if "Timeout" in name:  # of whatever speaks HTTP for huggingface_hub
        return "it stopped answering"
    unread = isinstance(error, (ValueError, LookupError, TypeError, AttributeError))
    return f"what answers there makes no sense: {name}" if unread else name


def _response(error: BaseException | None) -> object | None:
    """Find what the Hub answered, which may stand in what an error came of."""
    while error is not None:
        if (response := getattr(error, "response", None)) is not None:
            return response
        error = error.__cause__
    return None
