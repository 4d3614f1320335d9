"""What every request comes through: shut doors, bounded messages, who listens, room on the disk."""

import json
import shutil
from contextlib import nullcontext, suppress
from urllib.parse import parse_qs

import gradio as gr
from gradio.utils import get_upload_folder
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from errseg.demo.backend.listeners import Listeners
from errseg.demo.backend.refusals import DISK_FULL, sentence_for
from errseg.demo.serve.doors import API, MCP, is_open, listener
from errseg.demo.serve.messages import MESSAGE_BYTES, checked_message
from errseg.errors import InputError

LEAST_ROOM = 256 * 2**20  # bytes that must be free on the disk for what comes in and goes out
UPLOAD = f"{API}/upload"
WRITES = (UPLOAD, f"{API}/queue/join", f"{API}/call/")  # where files come of it
NOTHING_HERE, BAD, TOO_LONG, FAILED, NO_ROOM = 404, 400, 413, 500, 507  # HTTP's numbers


class Gate:
    """ASGI middleware around Gradio's application.

    Args:
        app: what is behind it.
        page: whose messages come in.
        listeners: is told who waits for an answer.
        mcp: whether the Model Context Protocol is served.
        login: whether visitors log in.
    """

    def __init__(
        self,
        app: ASGIApp,
        page: gr.Blocks,
        listeners: Listeners,
        mcp: bool = False,
        login: bool = False,
    ):
        self._app = app
        self._page = page
        self._listeners = listeners
        self._mcp = mcp
        self._login = login

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it with one sentence."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        path, method = _own_path(scope), scope["method"]
        if not is_open(method, path, self._mcp, self._login):
            await _refuse(send, NOTHING_HERE, "There is nothing at this address.")
            return
        if method == "POST" and not path.startswith(MCP):
            if path.startswith(WRITES) and not _has_room():
                await _refuse(send, NO_ROOM, DISK_FULL)
                return
            if path != UPLOAD:
                body = await _body(receive)
                if body is None:
                    limit = f"{MESSAGE_BYTES // 2**20} MB"
                    await _refuse(send, TOO_LONG, f"A message has at most {limit}.")
                    return
                try:
                    if path.startswith(f"{API}/"):
                        body = checked_message(path, body, self._page)
                except InputError as error:
                    await _refuse(send, BAD, str(error))
                    return
                receive = _replayed(body, receive)
        who = listener(path, parse_qs(scope["query_string"].decode("latin-1")))
        # Who leaves in the middle of an upload is not there for an answer, nor worth a traceback.
        with self._listeners.connected(who) if who else nullcontext(), suppress(ClientDisconnect):
            await _answer(self._app, scope, receive, send)


async def _answer(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Let the application answer; what prevents it, such as a disk, has a sentence.

    Raises:
        RuntimeError: the answer's last part can't go out. Its connection is of no use any more, and
            the server, who takes it for complete, closes it only so.
    """
    begun = last = False

    async def noted(message: Message) -> None:
        nonlocal begun, last
        begun = True
        last = message["type"] == "http.response.body" and not message.get("more_body")
        await send(message)

    try:
        await app(scope, receive, noted)
    except ClientDisconnect:
        raise
    except Exception as error:
        sentence = sentence_for(error)
        if last:
            raise RuntimeError(sentence) from None
        if not begun:
            await _refuse(send, FAILED, sentence)


def _own_path(scope: Scope) -> str:
    """Return the path without what a proxy put before it."""
    root = scope.get("root_path", "").rstrip("/")
    path = scope["path"]
    return path.removeprefix(root) if root and path.startswith(f"{root}/") else path


async def _body(receive: Receive) -> bytes | None:
    """Read a request's body, or stop reading one that is too long and return None."""
    parts, length = [], 0
    while True:
        message = await receive()
        if message["type"] != "http.request":  # the sender left
            return b""
        parts.append(message.get("body", b""))
        length += len(parts[-1])
        if length > MESSAGE_BYTES:
            return None
        if not message.get("more_body"):
            return b"".join(parts)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Give a body that was read once more, then whatever comes."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return waiting.pop() if waiting else await receive()

    return again


def _has_room() -> bool:
    try:
        return shutil.disk_usage(get_upload_folder()).free >= LEAST_ROOM
    except OSError:  # the folder isn't there yet; Gradio makes it
        return True


async def _refuse(send: Send, status: int, sentence: str) -> None:
    body = json.dumps({"detail": sentence, "error": sentence}).encode()
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
