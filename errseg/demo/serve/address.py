"""Where the page is served and who may open it: looked at before Gradio, whose errors tell less."""

import os
import re
import socket

from errseg.errors import InputError

PORT_VARIABLE = "GRADIO_SERVER_PORT"  # Gradio's own, which it reads when it is imported
LAST_PORT = 65535
LOCAL_HOST = "127.0.0.1"  # Gradio's default: this machine only
PLACE = re.compile(r"(https?://[^/\s?#]+)?(/[^\s?#]*)?")  # of a page behind a proxy


def asked_port(given: int | None) -> int | None:
    """Return the port that was given, or that of the environment, or None.

    Raises:
        InputError: the environment's is no port.
    """
    text = os.environ.get(PORT_VARIABLE, "").strip()
    if not text:
        os.environ.pop(PORT_VARIABLE, None)
        return given
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= LAST_PORT:
        raise InputError(f"{PORT_VARIABLE} has to be a port from 1 to {LAST_PORT}, not {text!r}.")
    return int(text) if given is None else given


def check_address(host: str | None, port: int | None) -> None:
    """Try an address: Gradio would try many times and then explain how to call Gradio.

    Raises:
        InputError: nothing can be served there.
    """
    if port is not None and not 1 <= port <= LAST_PORT:
        raise InputError(f"A port lies between 1 and {LAST_PORT}, not {port}.")
    if host is None and port is None:
        return
    try:
        family, kind, *_, address = socket.getaddrinfo(
            host or LOCAL_HOST, port or 0, type=socket.SOCK_STREAM
        )[0]
        with socket.socket(family, kind) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind(address)
    except (OSError, UnicodeError) as error:
        where = host or LOCAL_HOST
        raise InputError(
            f"The page can't be served at {where}{f':{port}' if port else ''} "
            f"({getattr(error, 'strerror', None) or error}); give another --host or --port."
        ) from None


def read_login(text: str | None) -> tuple[str, str] | None:
    """Read ``USER:PASSWORD``; the password may hold colons itself.

    Raises:
        InputError: one of them is missing.
    """
    if text is None:
        return None
    user, _, password = text.partition(":")
    if not user or not password:
        raise InputError("A login is USER:PASSWORD, and neither of them is empty.")
    return user, password


def check_root(path: str | None) -> str | None:
    """Check the place of the page behind a proxy, ``/demo`` or all of its address.

    Raises:
        InputError: it is no such place.
    """
    if path is None or path == "/":
        return None
    if not path or not PLACE.fullmatch(path):
        raise InputError(
            f"A root path begins with a slash, such as /demo, or is the page's whole address, not "
            f"{path[:60]!r}."
        )
    return path.rstrip("/")
