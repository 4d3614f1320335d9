"""The addresses that the page and its programs need; everything else of Gradio's stays shut.

Gradio serves far more than a page uses: a dashboard of who asked what, links that write a visitor's
words to disk, reloading and recording. A version that adds a door finds it shut here, and
``tests/test_doors.py`` tells of it.
"""

import re

API = "/gradio_api"
MCP = f"{API}/mcp"  # the Model Context Protocol, where it is asked for
LOGIN, LOGOUT = "/login", "/logout"  # where visitors need a name and a password
READ = (
    r"/",
    r"/(config|info)/?",
    r"/(static|assets|svelte)/.+",
    r"/(favicon\.ico|theme\.css|robots\.txt|manifest\.json)",
    r"/pwa_icon(/[^/]+)?",
    rf"{API}/(info|openapi\.json|app_id|user|login_check|startup-events|theme\.css)/?",
    rf"{API}/heartbeat/[^/]+",
    rf"{API}/(queue/data|upload_progress)",
    rf"{API}/file[=/].+",
    rf"{API}/call/(v2/)?[^/]+/[^/]+",
)
"""Patterns of what may be read (GET, HEAD)."""
SENT = (
    rf"{API}/queue/join",
    rf"{API}/(run|api)/[^/]+/?",
    rf"{API}/call/(v2/)?[^/]+/?",
    rf"{API}/(cancel|reset|upload)/?",
)
"""Patterns of what may be sent to (POST)."""
_READ, _SENT = re.compile("|".join(READ)), re.compile("|".join(SENT))
_LISTENED = re.compile(rf"{API}/call/(?:v2/)?[^/]+/([^/]+)")


def is_open(method: str, path: str, mcp: bool = False, login: bool = False) -> bool:
    """Tell whether there is a door at an address, the path without what a proxy put before it.

    Args:
        method: of the request, such as "GET".
        path: of the request.
        mcp: whether the Model Context Protocol is served.
        login: whether visitors log in.
    """
    if login and ((method == "POST" and path.rstrip("/") == LOGIN) or path == LOGOUT):
        return True
    if mcp and (path == MCP or path.startswith(f"{MCP}/")):
        return True
    if method in ("GET", "HEAD"):
        return _READ.fullmatch(path) is not None
    if method == "OPTIONS":  # a browser asks whether it may send
        return _SENT.fullmatch(path) is not None
    return method == "POST" and _SENT.fullmatch(path) is not None


def listener(path: str, query: dict[str, list[str]]) -> str | None:
    """Name who listens for an answer over a connection to this address, if anybody does."""
    if path == f"{API}/queue/data":
        return query.get("session_hash", [None])[0]
    named = _LISTENED.fullmatch(path)
    return named and named[1]
