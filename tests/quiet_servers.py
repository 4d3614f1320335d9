"""Servers on this machine that behave badly: silent, slow, rubbish, closed, or gone at once."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

RUBBISH = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n<rubbish>"
SECONDS_A_BYTE = 1.0  # of the slow one, which never comes to its end


@contextlib.contextmanager
def serve(manner: str) -> Iterator[tuple[int, list]]:
    """Serve until the block ends; gives the port, and a list of who came so far.

    The manner is "silent", "slow", "rubbish", "closed" (nobody is there) or "closes" (at once).
    """
    visits, closing = [], threading.Event()
    server = socket.create_server(("127.0.0.1", 0), backlog=64)
    port = server.getsockname()[1]

    def answer(visitor: socket.socket) -> None:
        with contextlib.suppress(OSError), visitor:
            if manner == "rubbish":
                visitor.recv(65536)
                visitor.sendall(RUBBISH)
            while manner == "slow" and not closing.wait(SECONDS_A_BYTE):
                visitor.sendall(b"H")
            while manner == "silent" and not closing.wait(1):
                pass

    def accept() -> None:
        while True:
            try:
                visitor, _ = server.accept()
            except OSError:  # closed
                return
            visits.append(time.monotonic())
            threading.Thread(target=answer, args=(visitor,), daemon=True).start()

    if manner == "closed":
        server.close()
    else:
        threading.Thread(target=accept, daemon=True).start()
    try:
        yield port, visits
    finally:
        closing.set()
        server.close()
