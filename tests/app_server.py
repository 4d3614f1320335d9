"""The real app in a process of its own."""

import atexit
import contextlib
import functools
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SECONDS_TO_START = 120


def start_app() -> str:
    """Start the app for all tests that use it, and return the page's address."""
    return _started_app()[1]


@functools.cache
def _started_app() -> tuple[contextlib.ExitStack, str]:
    kept = contextlib.ExitStack()
    atexit.register(kept.close)
    url, _ = kept.enter_context(launch_app())
    # From Python 3.13 on a forked process forgets what was registered: if nobody else held it, that
    # would take the app's folder away.
    return kept, url


@contextlib.contextmanager
def launch_app(*options: str, root: Path = ROOT, script: str = "app.py", **variables: str):
    """Start `app.py` as the README says, from another folder; yields its address and the time.

    The time, in seconds, is from the command to the first page that was served. Options and
    variables of the environment may be added, or the app of another folder or another script that
    takes the same options started.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        started = time.monotonic()
        with log.open("w") as file:
            process = subprocess.Popen(
                [
                    sys.executable,
                    root / script,
                    "--host",
                    "127.0.0.1",
                    f"--port={port}",
                    *options,
                ],
                cwd=folder,
                env={
                    **os.environ,
                    "HF_HUB_OFFLINE": "1",
                    "GRADIO_TEMP_DIR": f"{folder}/cache",
                    **variables,
                },
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        try:
            url = f"http://127.0.0.1:{port}/"
            _wait_for(url, process, log)
            yield url, time.monotonic() - started
        finally:
            process.terminate()
            process.wait(20)


def _wait_for(url: str, process: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except (urllib.error.URLError, TimeoutError):
            time.sleep(0.2)
        else:
            return
    raise AssertionError(f"the app did not start: {log.read_text()}")
