"""Faults while the app runs: each is survived, and the next ordinary question answered rightly."""

import os
import shutil
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
from hostile_photos import png

from attack import hub, restarts
from attack.app import API, App, Client, Said, family, running_app, scratch, uploaded
from attack.faulty_app import CLOCK, DISK, FAULTS, SLOW
from attack.figures import Figures
from attack.photos import Ordinary, photo, segment

LEAST_FAULTS = 25  # issue 17: 25 / 25
READER_SECONDS = 8.0  # in which a photo that can't be read is refused: 4 in the app, and some
FULL = "disk is full"
SEED = 9000
QUICK = 3  # each so-maniest fault of the network is tried then
PAGE = [32, 3, 0, 0.1, 0, "errseg-lite", "float32", True]


def attack(app: object = None, quick: bool = False) -> Figures:
    """Bring all faults about, in apps of their own."""
    figures = Figures("faults", "survived, the next answer right")
    with figures.timed(), scratch() as folder:
        switch = folder / "fault"
        with running_app(folder / "running", switch=switch) as running:
            _Running(running, switch, folder / "running", figures).bring_all(quick)
            log = running.log()
            figures.count("Traceback" not in log, f"a traceback in the log: {log[-1500:]}")
        hub.bring_about(figures, folder / "hub", quick)
        restarts.bring_about(figures, folder, quick)
    figures.measured = f"{figures.tried - figures.held} did not"
    return figures


class _Running:
    """Faults of one running app."""

    def __init__(self, app: App, switch: Path, folder: Path, figures: Figures):
        self._app, self._switch, self._folder, self._figures = app, switch, folder, figures
        self._ordinary = Ordinary(app)
        self._new = 0

    def bring_all(self, quick: bool) -> None:
        for fault in [*FAULTS][:: QUICK if quick else 1]:
            self._try(f"the network raises {fault}", lambda: self._refused(self._ask()), fault)
        for fault in [*DISK][: 1 if quick else None]:
            words = FULL if fault == "disk full" else ""
            for what, ask in {
                "upload": lambda: self._with_client(
                    lambda client: client.upload("a.jpg", photo(1))
                ),
                "share": self._share,
                "batch": self._batch,
                "segment": self._ask,
            }.items():
                act = lambda ask=ask, words=words: self._refused(ask(), words)  # noqa: E731
                self._try(f"{fault}: {what}", act, fault)
        for fault in CLOCK:
            self._try(fault, lambda: "" if self._ordinary.holds(self._app) else "wrong", fault)
        self._try("the visitor leaves in the middle", self._leave, SLOW)
        self._try("the visitor is cut off in the middle of an upload", self._cut_upload)
        self._try("the photo reader is killed while it waits", self._kill_reader)
        self._try("the photo reader is killed while it reads", self._kill_reader_that_reads)
        self._try("the photo reader hangs", self._stop_reader)
        self._try("the photo is removed before the question", lambda: self._spoil(os.remove))
        self._try(
            "the photo becomes a text before the question",
            lambda: self._spoil(lambda path: Path(path).write_text("no photo")),
        )
        self._try(
            "the upload folder is removed",
            lambda: shutil.rmtree(self._folder / "uploads") or "",
        )

    def _try(self, what: str, act: Callable[[], str], fault: str = "") -> None:
        """Bring a fault about; `act` returns what was wrong then."""
        self._switch.write_text(fault)
        try:
            wrong = act()
        except (httpx.HTTPError, AssertionError, TypeError) as error:
            wrong = repr(error)
        finally:
            self._switch.write_text("")
        try:
            after = "" if self._ordinary.holds(self._app) else "the next answer is another one"
        except (httpx.HTTPError, TypeError) as error:
            after = f"after it: {error!r}"
        found = " ".join(filter(None, (wrong, after)))
        self._figures.count(not found, f"{what}: {found}")

    def _refused(self, said: Said, words: str = "") -> str:
        if said.answered:
            return "it was answered"
        right = bool(said.sentence) and words in said.sentence
        return "" if right else f"said {said.sentence!r} ({said.status})"

    def _with_client(self, ask: Callable[[Client], Said]) -> Said:
        with Client(self._app.url) as client:
            return ask(client)

    def _path(self, client: Client) -> str:
        """Upload a new photo, whatever is wrong at the moment."""
        said, self._new = self._switch.read_text(), self._new + 1
        self._switch.write_text("")
        path = client.upload("a.jpg", photo(SEED + self._new)).data[0]
        self._switch.write_text(said)
        return path

    def _upload(self) -> Said:
        return self._with_client(lambda client: client.upload("a.jpg", photo(1)))

    def _ask(self) -> Said:
        def ask(client: Client) -> Said:
            path = self._path(client)
            return segment(self._app, client, path, f"thing {self._new}, sky")

        return self._with_client(ask)

    def _share(self) -> Said:
        number = self._app.functions["make_files"]
        return self._with_client(lambda client: client.ask(number, [None]))

    def _batch(self) -> Said:
        def ask(client: Client) -> Said:
            photos = [uploaded(self._path(client))]
            return client.ask(self._app.functions["segment_all"], ["sky, wall", *PAGE, photos])

        return self._with_client(ask)

    def _leave(self) -> str:
        with Client(self._app.url) as client:
            question = [uploaded(self._path(client)), "left, sky", 32, 3, 0]
            client.join(self._app.functions["segment"], question)
            next(client.listen())
        return ""

    def _cut_upload(self) -> str:
        host, port = self._app.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as connection:
            head = f"POST {API}/upload HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1000000\r\n"
            head += "Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
            connection.sendall(head.encode() + bytes(1000))
        return ""

    def _readers(self) -> list[int]:
        return [pid for pid in family(self._app.pid) if pid != self._app.pid]

    def _signal_readers(self, number: signal.Signals) -> None:
        for pid in self._readers():
            os.kill(pid, number)

    def _kill_reader(self) -> str:
        self._signal_readers(signal.SIGKILL)
        return ""

    def _kill_reader_that_reads(self) -> str:
        with Client(self._app.url) as client:
            path = client.upload("large.png", png(8000, 5000, 8, 6)).data[0]
            timer = threading.Timer(0.2, self._signal_readers, [signal.SIGKILL])
            timer.start()
            said = segment(self._app, client, path)
            timer.join()
        return "" if said.answered else self._refused(said)

    def _stop_reader(self) -> str:
        self._signal_readers(signal.SIGSTOP)
        began = time.monotonic()
        wrong = self._refused(self._ask())
        took = time.monotonic() - began
        return wrong or ("" if took < READER_SECONDS else f"{took:.0f} s")

    def _spoil(self, spoil: Callable[[str], object]) -> str:
        with Client(self._app.url) as client:
            path = self._path(client)
            spoil(path)
            return self._refused(segment(self._app, client, path))
