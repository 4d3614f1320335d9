"""The app in a process of its own, spoken to over plain HTTP; its memory and its log."""

import contextlib
import html
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parents[2]
FAULTY = Path(__file__).with_name("faulty_app.py")
SECONDS_TO_START = 120
SECONDS_TO_ANSWER = 120.0  # after which an answer counts as lost
API = "/gradio_api"
MARK = {"_type": "gradio.FileData"}  # how Gradio marks files in messages
ENDS = ("process_completed", "close_stream", "unexpected_error")
ALERT = re.compile(r'role="alert">([^<]*)<')


@dataclass(frozen=True)
class Said:
    """What came back: an answer's values, or a sentence."""

    data: list | None = None
    sentence: str | None = None
    status: int = 200

    @property
    def answered(self) -> bool:
        return self.data is not None


class Client:
    """One visitor of a running app.

    Args:
        url: where the app is.
        session: the visitor's name; made up if empty.
    """

    def __init__(self, url: str, session: str = ""):
        self.url = url.rstrip("/")
        self.session = session or uuid.uuid4().hex
        # Apps here speak plain HTTP; to read the certificates that it needs none of takes 45 ms.
        self.http = httpx.Client(timeout=SECONDS_TO_ANSWER, verify=False)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_) -> None:
        self.http.close()

    def config(self) -> dict:
        return self.http.get(f"{self.url}/config").json()

    def upload(self, name: str, data: bytes) -> Said:
        """Send a photo's file; the answer's only value is its path."""
        files = {"files": (name, data, "application/octet-stream")}
        return said_by(self.send("/upload", files=files))

    def send(self, place: str, **request) -> httpx.Response:
        """POST; a connection that the server had closed is opened anew once."""
        try:
            return self.http.post(f"{self.url}{API}{place}", **request)
        except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError):
            return self.http.post(f"{self.url}{API}{place}", **request)

    def join(self, function: int, data: object, **more) -> httpx.Response:
        """Stand in line, without listening for the answer."""
        message = {"fn_index": function, "data": data, "session_hash": self.session, **more}
        headers = {"content-type": "application/json"}
        return self.send("/queue/join", content=json.dumps(message), headers=headers)

    def listen(self) -> Iterator[dict]:
        """Give the messages of the session's stream until the answer is there."""
        address, params = f"{self.url}{API}/queue/data", {"session_hash": self.session}
        with self.http.stream("GET", address, params=params) as stream:
            for line in stream.iter_lines():
                if line.startswith("data:"):
                    message = json.loads(line.removeprefix("data:"))
                    yield message
                    if message["msg"] in ENDS:
                        return

    def ask(self, function: int, data: object, **more) -> Said:
        """Stand in line and wait for the answer."""
        reply = self.join(function, data, **more)
        if reply.status_code != httpx.codes.OK:
            return said_by(reply)
        last = next((m for m in self.listen() if m["msg"] in ENDS), {})
        output = last.get("output") or {}
        if not last.get("success"):
            return Said(sentence=output.get("error"))
        return _shown(output)

    def ask_at_once(self, function: int, data: object, **more) -> Said:
        """Send a question to an event that has no line."""
        message = {"fn_index": function, "data": data, "session_hash": self.session, **more}
        headers = {"content-type": "application/json"}
        reply = self.send("/run/predict", content=json.dumps(message), headers=headers)
        ok = reply.status_code == httpx.codes.OK
        return _shown(reply.json()) if ok else said_by(reply)

    def fetch(self, file: dict) -> bytes:
        """Download one of an answer's files."""
        return self.http.get(f"{self.url}{API}/file={file['path']}").content


def _shown(output: dict) -> Said:
    """Read an event's output: values, unless the page shows a sentence."""
    told = ALERT.search(json.dumps(output, ensure_ascii=False).replace('\\"', '"'))
    return Said(sentence=html.unescape(told[1])) if told else Said(data=output.get("data"))


def said_by(reply: httpx.Response) -> Said:
    """Read a plain answer: its values, or its sentence."""
    try:
        value = reply.json()
    except ValueError:
        return Said(sentence=None, status=reply.status_code)
    if reply.status_code == httpx.codes.OK:
        return Said(data=value if isinstance(value, list) else [value])
    sentence = (value.get("detail") or value.get("error")) if isinstance(value, dict) else None
    return Said(sentence=sentence, status=reply.status_code)


def uploaded(path: str) -> dict:
    """Write the message that stands for an uploaded file."""
    return {"path": path, "meta": MARK}


class App:
    """A running app: its address, its process and its log, as far as they are known here."""

    def __init__(self, url: str, process: subprocess.Popen | None, log: Path | None):
        self.url = url.rstrip("/")
        self.process = process
        self.pid = process.pid if process else listening_process(int(self.url.rsplit(":", 1)[1]))
        self._log = log
        with Client(self.url) as client:
            self.config = client.config()
        self.functions = {d["api_name"]: d["id"] for d in self.config["dependencies"]}
        """Number of each event, by its name."""

    def log(self) -> str:
        return self._log.read_text(errors="replace") if self._log else ""

    def memory(self) -> float:
        """Megabytes of the process and of all its children."""
        return sum(map(resident, family(self.pid))) if self.pid else 0.0

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        self.process.send_signal(number)
        self.process.wait(30)


@contextlib.contextmanager
def running_app(folder: Path, *options: str, switch: Path | None = None, **environment: str):
    """Start `app.py`, or with a switch `faulty_app.py`; yields an `App`.

    Args:
        folder: holds its uploads, its cache, its temporary files and its log, and may be used anew.
        options: of the command line.
        switch: the file that names the fault.
        environment: further variables; an empty one is left out.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for name in ("uploads", "cache", "tmp"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    variables = {
        **os.environ,
        "GRADIO_TEMP_DIR": str(folder / "uploads"),
        "ERRSEG_CACHE": str(folder / "cache"),
        "TMPDIR": str(folder / "tmp"),
        "HF_HUB_OFFLINE": "1",
        **environment,
    }
    script = [str(FAULTY), str(switch)] if switch else [str(ROOT / "app.py")]
    command = [sys.executable, *script, "--precision", "float32", *options]
    log = folder / f"log {port}"
    with log.open("w") as file:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            cwd=folder,
            env={name: value for name, value in variables.items() if value},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_for(url, process, log)
        yield App(url, process, log)
    finally:
        process.kill()
        process.wait(30)


def _wait_for(url: str, process: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            httpx.get(url, timeout=5).raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"the app did not start: {log.read_text()}")


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """Give a folder that is removed in the end, whatever an app leaves in it."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def family(pid: int) -> list[int]:
    """Number a process and all that come from it."""
    found = [pid]
    for one in found:
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{one}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
    return found


def resident(pid: int) -> float:
    """Megabytes of memory that a process holds; none if it is gone."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1000
    return 0.0


def listening_process(port: int) -> int | None:
    """Find the process that listens on a port of this machine."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    rows = [line.split() for line in lines]
    places = {row[9] for row in rows if row[3] == "0A" and int(row[1].split(":")[1], 16) == port}
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            kind, _, number = os.readlink(descriptor).partition(":")
            if kind == "socket" and number.strip("[]") in places:
                return int(descriptor.parts[2])
    return None


class Peak:
    """The most memory that an app holds while a block runs, and the seconds that it takes."""

    SECONDS_BETWEEN_LOOKS = 0.02

    def __init__(self, app: App):
        self._app = app
        self._over = threading.Event()
        self.idle = self.most = self.seconds = 0.0

    def __enter__(self) -> "Peak":
        self.idle = self.most = self._app.memory()
        self._looking = threading.Thread(target=self._look, daemon=True)
        self._began = time.perf_counter()
        self._looking.start()
        return self

    def __exit__(self, *_) -> None:
        self.seconds = time.perf_counter() - self._began
        self._over.set()
        self._looking.join()

    def _look(self) -> None:
        while not self._over.wait(self.SECONDS_BETWEEN_LOOKS):
            self.most = max(self.most, self._app.memory())

    @property
    def above_idle(self) -> float:
        return self.most - self.idle
