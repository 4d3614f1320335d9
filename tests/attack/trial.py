"""One app to which faults are done; an ordinary question follows each of them."""

from collections.abc import Callable
from pathlib import Path

import httpx

from attack.app import App, Client, Said
from attack.figures import Figures
from attack.photos import Ordinary, photo, segment

SEED = 9000


class Trial:
    """Does faults to a running app and counts what is survived.

    Args:
        app: which runs `faulty_app.py`.
        switch: the file that tells it what is wrong.
        folder: where the app's uploads are.
        figures: in which is counted.
    """

    def __init__(self, app: App, switch: Path, folder: Path, figures: Figures):
        self.app, self.folder = app, folder
        self._switch, self._figures = switch, figures
        self._ordinary = Ordinary(app)
        self._new = 0

    def of(self, what: str, act: Callable[[], str], fault: str = "") -> None:
        """Do one: `act` returns what was wrong while it lasted, in words."""
        self._switch.write_text(fault)
        try:
            wrong = act()
        except (httpx.HTTPError, AssertionError, TypeError) as error:
            wrong = repr(error)
        finally:
            self._switch.write_text("")
        found = " ".join(filter(None, (wrong, self.ordinary())))
        self._figures.count(not found, f"{what}: {found}")

    def ordinary(self) -> str:
        """Ask an ordinary question; what was wrong with the answer, in words."""
        try:
            return "" if self._ordinary.holds(self.app) else "the ordinary answer is another one"
        except (httpx.HTTPError, TypeError) as error:
            return f"an ordinary question: {error!r}"

    def upload(self, client: Client) -> str:
        """Upload a new photo as if nothing were wrong, and return its path."""
        fault, self._new = self._switch.read_text(), self._new + 1
        self._switch.write_text("")
        path = client.upload("a.jpg", photo(SEED + self._new)).data[0]
        self._switch.write_text(fault)
        return path

    def ask(self) -> Said:
        """Ask what nobody has asked yet."""
        with Client(self.app.url) as client:
            path = self.upload(client)
            return segment(self.app, client, path, f"thing {self._new}, sky")


def refused(said: Said, words: str = "") -> str:
    """Say what is wrong unless there is a sentence, with some words in it."""
    if said.answered:
        return "it was answered"
    right = bool(said.sentence) and words in said.sentence
    return "" if right else f"said {said.sentence!r} ({said.status})"
