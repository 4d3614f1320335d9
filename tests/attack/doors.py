"""Addresses that nobody needs, and photos that are no uploads: nothing answers, nothing is read."""

from collections.abc import Iterator
from pathlib import Path

import httpx
from quiet_servers import serve

from attack.app import API, MARK, ROOT, App, Client
from attack.figures import Figures, is_sentence

SHUT = (
    *(
        "/monitoring",
        "/monitoring/summary",
        "/docs",
        "/redoc",
        "/openapi.json",
        "/login",
        "/logout",
    ),
    *(f"{API}/deep_link?session_hash=x", f"{API}/dev/reload", f"{API}/process_recording"),
    *(f"{API}/component_server", f"{API}/queue/status", f"{API}/runs", f"{API}/token"),
    *(
        f"{API}/run-history/records",
        f"{API}/vibe-edit",
        f"{API}/stream/x/close",
        f"{API}/proxy=http:",
    ),
    *(f"{API}/custom_component/x/y/z/w.js", "/queue/join", "/upload", "/file=/etc/passwd"),
)
METHODS = ("GET", "POST", "PUT", "DELETE")
SECONDS = 10.0  # to wait for an answer
ANSWERS = (404, 405, 400)  # no door, or none of this kind
TRAVERSALS = (
    *("/file=/etc/passwd", "/file=../../../../etc/passwd", "/file/%2e%2e/%2e%2e/etc/passwd"),
    *("/file=/proc/self/environ", "/file=file:///etc/passwd", "/file=%00", "/file=~/.bashrc"),
    f"/file={ROOT / 'app.py'}",
)
STATIC = ("static", "assets", "svelte", "theme", "pwa_icon")
PATHS = (
    *("/etc/passwd", "../../../../etc/passwd", "/proc/self/environ", "/dev/zero", "/", ".", "~/x"),
    *("file:///etc/passwd", "a\0b", str(ROOT / "examples" / "cat.jpg"), "data:image/png;base64,AA"),
)
HOSTS = (
    *("http://127.0.0.1:{}/x.jpg", "http://localhost:{}/x.jpg", "http://0x7f000001:{}/x.jpg"),
    *("http://2130706433:{}/x.jpg", "http://[::ffff:127.0.0.1]:{}/x.jpg", "//127.0.0.1:{}/x.jpg"),
    *("http://0.0.0.0:{}/x.jpg", "http://127.1:{}/x.jpg", "ftp://127.0.0.1:{}/x.jpg"),
    "gopher://127.0.0.1:{}/x",
)
SECRETS = ("root:", "PATH=", "def main")  # what these files hold


def attack(app: App, quick: bool = False) -> Figures:
    """Try all of them."""
    figures = Figures("doors, files and addresses", "no door, no file, no address")
    with figures.timed(), Client(app.url) as client, serve("closes") as (port, visitors):
        for place in SHUT:
            for method in METHODS:
                status = _status(client, method, app.url + place)
                figures.count(status in ANSWERS, f"{method} {place}: {status}")
        for place in (
            *(f"{API}{tail}" for tail in TRAVERSALS),
            *(f"/{folder}/%2e%2e/%2e%2e/%2e%2e/etc/passwd" for folder in STATIC),
        ):
            reply = client.http.get(app.url + place)
            is_secret = any(secret in reply.text for secret in SECRETS)
            shut = httpx.codes.is_client_error(reply.status_code) and not is_secret
            figures.count(shut, f"{place}: {reply.status_code} {reply.text[:80]!r}")
        addresses = [host.format(port) for host in HOSTS]
        for path in (*PATHS, *addresses):
            for photo in _messages(path):
                said = client.ask(app.functions["segment"], [photo, "sky", 3, 3, 0])
                refused = is_sentence(said.sentence) and not visitors
                figures.count(refused, f"{photo!r:.120}: {said}, {len(visitors)} at the trap")
                visitors.clear()
    figures.measured = "nothing was read, nobody was called"
    if not figures.holds:
        figures.measured = f"{figures.tried - figures.held} did something else"
    return figures


def _status(client: Client, method: str, address: str) -> int | str:
    """Ask for an address; an answer without an end, as some doors give it, is one too."""
    try:
        with client.http.stream(method, address, timeout=SECONDS) as reply:
            return reply.status_code
    except httpx.HTTPError as error:
        return repr(error)


def _messages(path: str) -> Iterator[object]:
    """Ways to name a file in a question."""
    yield path
    yield {"path": path}
    yield {"path": path, "meta": MARK}
    yield {"path": path, "url": path, "orig_name": Path(path).name, "meta": MARK}
    yield {"url": path, "meta": MARK}
    yield [{"path": path, "meta": MARK}]
