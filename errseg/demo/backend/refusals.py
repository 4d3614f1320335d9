"""What prevents an answer, in one sentence; and what nobody foresaw, in one line of the log."""

import errno
import logging
import traceback
from pathlib import Path

from errseg.demo.backend.places import GoneError
from errseg.errors import InputError

logger = logging.getLogger(__name__)

UNEXPECTED = "Something went wrong on the server; your photo and words are kept. Please try again."
DISK_FULL = "The server's disk is full; your photo and words are kept. Please try again later."
DISK_SHUT = (
    "The server can't use its disk at the moment; your photo and words are kept. Please try again "
    "later."
)
NOBODY_WAITED = "Nobody listened for this answer, so it was not computed; ask again."
FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))  # Windows knows no quotas
SHUT = (errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)


def of_disk(error: BaseException) -> bool:
    """Tell whether the server's disk prevents an answer, and so all others that need it."""
    return isinstance(error, OSError) and error.errno in (*FULL, *SHUT)


def sentence_for(error: BaseException, unexpected: str = UNEXPECTED) -> str:
    """Say what prevents an answer. What nobody foresaw is logged in one line, where it happened.

    The line quotes nothing of the error: a visitor's words or a file's name may be in it.

    Args:
        error: what was raised.
        unexpected: the sentence for what nobody foresaw.
    """
    if isinstance(error, InputError):
        return str(error).encode("utf-8", "replace").decode()  # a lone surrogate can't be sent
    if isinstance(error, GoneError):
        return NOBODY_WAITED
    if of_disk(error):
        logger.error("the disk can't be used: %s", errno.errorcode[error.errno])
        return DISK_FULL if error.errno in FULL else DISK_SHUT
    calls = traceback.extract_tb(error.__traceback__)
    where = " < ".join(f"{Path(call.filename).name}:{call.lineno}" for call in calls[::-1])
    logger.error("a question could not be answered: %s at %s", type(error).__name__, where)
    return unexpected
