"""Apps that are killed and started again, and folders and files that they can't use."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx

from attack.app import ROOT, App, Client, running_app, uploaded
from attack.figures import Figures, is_sentence
from attack.photos import Ordinary, photo, segment
from errseg.config import EMBEDDED

HEAVY = ", ".join(f"heavy {i}" for i in range(300))  # words that take some seconds
NOWHERE = "/proc/nowhere"  # a folder that nobody can make, root neither
CACHE_FILE = "text.sqlite"
SECONDS_TO_REFUSE = 60


def bring_about(figures: Figures, folder: Path, quick: bool = False) -> None:
    """Kill apps and start them again with the same folders, whatever lies there."""
    place = folder / "again"
    with running_app(place) as app:
        ordinary = Ordinary(app)
        _end_in_the_middle(app, signal.SIGKILL)
    _expect(figures, "killed in the middle", ordinary, place, end=signal.SIGTERM)
    if quick:
        return
    _expect(figures, "terminated in the middle", ordinary, place)
    cache = place / "cache" / CACHE_FILE
    figures.count(cache.is_file(), f"there is no {cache.name} to break")
    cache.write_bytes(cache.read_bytes()[:5000] + bytes(range(256)) * 200)
    _expect(figures, "a broken cache of text embeddings", ordinary, place)
    cache.unlink(missing_ok=True)
    cache.mkdir()
    _expect(figures, "a folder in place of the cache's file", ordinary, place)
    shutil.rmtree(place / "cache")
    file = folder / "a file"
    file.write_text("no folder")
    _expect(figures, "a file in place of the cache", ordinary, place, ERRSEG_CACHE=str(file))
    _expect(figures, "no place for a cache", ordinary, place, ERRSEG_CACHE=NOWHERE)
    _expect(figures, "no folder for temporary files", ordinary, place, TMPDIR=NOWHERE)
    with running_app(place) as first, running_app(place) as second:
        _ask_both(figures, ordinary, first, second)
    _refuses(figures, "no folder for uploads", GRADIO_TEMP_DIR=NOWHERE)
    _models(figures, folder, ordinary)


def _expect(
    figures: Figures,
    what: str,
    ordinary: Ordinary,
    place: Path,
    end: signal.Signals | None = None,
    **environment: str,
) -> None:
    """Start an app: is its answer right, and its log quiet?"""
    with _started(figures, what, place, **environment) as app:
        if app:
            right = ordinary.holds(app) and ordinary.holds(app)
            quiet = "Traceback" not in app.log()
            figures.count(right and quiet, f"{what}: right {right}, log {app.log()[-500:]}")
            if end:
                _end_in_the_middle(app, end)


@contextlib.contextmanager
def _started(figures: Figures, what: str, place: Path, **environment: str) -> Iterator[App | None]:
    with contextlib.ExitStack() as stack:
        try:
            app = stack.enter_context(running_app(place, **environment))
        except AssertionError as error:
            figures.count(False, f"{what}: {str(error)[-500:]}")
            app = None
        yield app


def _end_in_the_middle(app: App, number: signal.Signals) -> None:
    """End an app that computes."""
    with Client(app.url) as client:
        path = client.upload("a.jpg", photo(number)).data[0]
        client.join(app.functions["segment"], [uploaded(path), HEAVY, 100, 3, 0])
        with contextlib.suppress(httpx.HTTPError):
            for message in client.listen():
                if message["msg"] == "process_starts":
                    app.kill(number)


def _ask_both(figures: Figures, ordinary: Ordinary, first: App, second: App) -> None:
    """Ask two apps that share their folders for the same new words at once."""
    found = {}

    def ask(app: App) -> None:
        with Client(app.url) as client:
            path = client.upload("a.jpg", photo(3)).data[0]
            said = segment(app, client, path, f"shared, {HEAVY[:2000]}")
            found[app.url] = said.answered and ordinary.holds(app)

    threads = [threading.Thread(target=ask, args=(app,)) for app in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    figures.count([*found.values()] == [True, True], f"two apps with the same folders: {found}")


def _models(figures: Figures, folder: Path, ordinary: Ordinary) -> None:
    """Start with weights that are cut, removed later, or were never there."""
    (weights,) = EMBEDDED.values()
    cut, whole = folder / "cut.safetensors", folder / "whole.safetensors"
    data = weights.read_bytes()
    cut.write_bytes(data[: len(data) // 2])
    whole.write_bytes(data)
    with running_app(folder / "cut", "--model", str(cut)) as app, Client(app.url) as client:
        path = client.upload("a.jpg", photo(1)).data[0]
        said = [segment(app, client, path).sentence for _ in range(2)]
        figures.count(all(map(is_sentence, said)), f"a cut weights file: {said}")
    with running_app(folder / "whole", "--model", str(whole)) as app:
        before = ordinary.holds(app)
        whole.unlink()
        figures.count(before and ordinary.holds(app), "the weights file was removed")
    _refuses(figures, "no weights file", "--model", str(whole))


def _refuses(figures: Figures, what: str, *options: str, **environment: str) -> None:
    """Start an app that can't be: it has to end with one sentence."""
    try:
        done = subprocess.run(
            [sys.executable, str(ROOT / "app.py"), *options],
            env={**os.environ, "HF_HUB_OFFLINE": "1", **environment},
            capture_output=True,
            text=True,
            timeout=SECONDS_TO_REFUSE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        figures.count(False, f"{what}: it runs all the same")
        return
    said = done.stderr.strip()
    figures.count(is_sentence(said), f"{what}: {said[-500:]} ({done.returncode})")
