"""The real app in a process of its own, started once for all tests that use it."""

import atexit
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


@functools.cache
def start_app() -> str:
    """Start `app.py` as the README says, from another folder, and return the page's address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tempfile.TemporaryDirectory()
    log = Path(folder.name) / "log"
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, ROOT / "app.py", "--host", "127.0.0.1", "--port", str(port)],
            cwd=folder.name,
            env={**os.environ, "HF_HUB_OFFLINE": "1", "GRADIO_TEMP_DIR": f"{folder.name}/cache"},
            stdout=file,
            stderr=subprocess.STDOUT,
        )

    def stop():
        process.terminate()
        process.wait(20)
        folder.cleanup()

    atexit.register(stop)
    url = f"http://127.0.0.1:{port}/"
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except (urllib.error.URLError, TimeoutError):
            time.sleep(0.2)
        else:
            start_app.log = log
            return url
    raise AssertionError(f"the app did not start: {log.read_text()}")
