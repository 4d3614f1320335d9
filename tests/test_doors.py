"""Which of Gradio's addresses are open, and what a message has to look like."""

import asyncio
import json
import re
import urllib.error
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import pytest
from app_server import start_app
from gradio.routes import App

from errseg.config import EXAMPLES
from errseg.demo.backend.listeners import Listeners
from errseg.demo.backend.models import Models
from errseg.demo.page.layout import create_demo
from errseg.demo.serve import gate
from errseg.demo.serve.doors import is_open

CAT = EXAMPLES.with_name("cat.jpg")
OPEN = {
    "/",
    "/assets/{path:path}",
    "/config",
    "/config/",
    "/favicon.ico",
    "/gradio_api/api/{api_name}",
    "/gradio_api/api/{api_name}/",
    "/gradio_api/app_id",
    "/gradio_api/app_id/",
    "/gradio_api/call/v2/{api_name}",
    "/gradio_api/call/v2/{api_name}/",
    "/gradio_api/call/v2/{api_name}/{event_id}",
    "/gradio_api/call/{api_name}",
    "/gradio_api/call/{api_name}/",
    "/gradio_api/call/{api_name}/{event_id}",
    "/gradio_api/cancel",
    "/gradio_api/file/{path:path}",
    "/gradio_api/file={path_or_url:path}",
    "/gradio_api/heartbeat/{session_hash}",
    "/gradio_api/info",
    "/gradio_api/info/",
    "/gradio_api/login_check",
    "/gradio_api/login_check/",
    "/gradio_api/openapi.json",
    "/gradio_api/queue/data",
    "/gradio_api/queue/join",
    "/gradio_api/reset",
    "/gradio_api/reset/",
    "/gradio_api/run/{api_name}",
    "/gradio_api/run/{api_name}/",
    "/gradio_api/startup-events",
    "/gradio_api/theme.css",
    "/gradio_api/upload",
    "/gradio_api/upload_progress",
    "/gradio_api/user",
    "/gradio_api/user/",
    "/manifest.json",
    "/pwa_icon",
    "/pwa_icon/{size}",
    "/robots.txt",
    "/static/{path:path}",
    "/svelte/{path:path}",
    "/theme.css",
}
"""Gradio's routes that the page and its programs use."""
SHUT = {
    "/docs",
    "/docs/oauth2-redirect",
    "/gradio_api/component_server",
    "/gradio_api/component_server/",
    "/gradio_api/custom_component/{id}/{environment}/{type}/{file_name}",
    "/gradio_api/deep_link",
    "/gradio_api/dev/reload",
    "/gradio_api/process_recording",
    "/gradio_api/proxy={url_path:path}",
    "/gradio_api/queue/status",
    "/gradio_api/run-history/buckets",
    "/gradio_api/run-history/connect",
    "/gradio_api/run-history/records",
    "/gradio_api/run-history/records/{endpoint}/{record_id}/assets/{asset_id}",
    "/gradio_api/runs",
    "/gradio_api/runs/",
    "/gradio_api/stream/{event_id}",
    "/gradio_api/stream/{event_id}/close",
    "/gradio_api/stream/{session_hash}/{run}/{component_id}/playlist-file",
    "/gradio_api/stream/{session_hash}/{run}/{component_id}/playlist.m3u8",
    "/gradio_api/stream/{session_hash}/{run}/{component_id}/{segment_id}.{ext}",
    "/gradio_api/token",
    "/gradio_api/token/",
    "/gradio_api/undo-vibe-edit",
    "/gradio_api/undo-vibe-edit/",
    "/gradio_api/vibe-code",
    "/gradio_api/vibe-code/",
    "/gradio_api/vibe-edit",
    "/gradio_api/vibe-edit/",
    "/gradio_api/vibe-starter-queries",
    "/gradio_api/vibe-starter-queries/",
    "/login",
    "/login/",
    "/logout",
    "/monitoring",
    "/monitoring/summary",
    "/monitoring/{key}",
    "/openapi.json",
    "/redoc",
}
"""Those that nobody needs here."""


def test_every_route_of_this_gradio_is_known_and_open_or_shut_as_it_should_be():
    """A version that adds one makes this fail: decide on which list it belongs."""
    app = App.create_app(create_demo(Models("errseg-lite", "cpu")).page)
    routes = {}
    for route in every_route(app):
        routes.setdefault(route.path, set()).update(getattr(route, "methods", None) or {"GET"})
    assert set(routes) - OPEN - SHUT == set()
    for path, methods in routes.items():
        asked = re.sub(r"\{[^}]*\}", "x", path)
        assert any(is_open(method, asked) for method in methods) == (path in OPEN), path


def every_route(router):
    """The routes of an application and of the routers in it, which newer FastAPI keeps apart."""
    for route in router.routes:
        inner = getattr(route, "original_router", None)
        yield from every_route(inner) if inner else [route]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/gradio_api/queue/join"),
        ("DELETE", "/config"),
        ("PUT", "/gradio_api/upload"),
        ("POST", "/"),
        ("GET", "/gradio_api/mcp/"),
        ("GET", "/gradio_api/mcpx"),
        ("GET", "/gradio_api/../monitoring"),
        ("GET", "/config/x"),
        ("GET", "//monitoring"),
    ],
)
def test_other_ways_in_are_shut(method, path):
    assert not is_open(method, path)


def test_mcp_is_open_where_it_is_asked_for():
    assert is_open("POST", "/gradio_api/mcp/", mcp=True)
    assert is_open("GET", "/gradio_api/mcp/sse", mcp=True)
    assert not is_open("GET", "/gradio_api/mcpx", mcp=True)


def ask(path, body=None, method=None):
    """What the real server says: its status and its JSON, or None."""
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(start_app() + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read() or b"null")


@pytest.mark.parametrize(
    "path",
    [
        "monitoring",
        "monitoring/summary",
        "gradio_api/deep_link?session_hash=x",
        "gradio_api/dev/reload",
        "docs",
    ],
)
def test_the_server_keeps_its_doors_shut(path):
    assert ask(path)[0] == 404


def test_the_server_records_and_proxies_nothing():
    assert ask("gradio_api/process_recording", b"x")[0] == 404
    assert ask("gradio_api/proxy=http://127.0.0.1:1/")[0] == 404


@pytest.mark.parametrize(
    ("path", "message", "sentence"),
    [
        ("queue/join", b"no JSON", "JSON object"),
        ("queue/join", b"[" * 100_000, "JSON object"),
        ("queue/join", [1], "JSON object"),
        ("queue/join", {"fn_index": 0, "data": []}, "session_hash"),
        ("queue/join", {"fn_index": 0, "data": [], "session_hash": 5}, "session_hash"),
        ("queue/join", {"fn_index": 0, "data": [], "session_hash": "x" * 1000}, "1 to 64"),
        ("queue/join", {"fn_index": "0", "data": [], "session_hash": "x"}, "a number"),
        ("queue/join", {"fn_index": 9999, "data": [], "session_hash": "x"}, "number 9999"),
        ("queue/join", {"data": [], "session_hash": "x"}, "no such endpoint"),
        ("queue/join", {"data": [[[]] * 40_000], "session_hash": "x"}, "of at most 60,000"),
        ("call/segment", {"data": ["x"]}, "needs 7 values"),
        ("call/segment", {"data": "x"}, "needs 7 values"),
        ("call/segment", {}, "image, classes, kept_classes"),
        *(("call/segment", {"data": [1], "fn_index": n}, "needs 7 values") for n in (21, 25, 29)),
        ("call/nothing", {"data": []}, "there are /segment, /attention, /sweep, /suggest, /files"),
        ("run/segment_page", {"data": []}, "no such endpoint"),
        ("run/segment", {"data": ["x"]}, "POST this to /gradio_api/call/segment, and read"),
        ("api/segment", {}, "POST this to /gradio_api/call/segment, and read"),
        ("call/v2/segment", {}, "/segment lacks image, classes: it needs image, classes; it may"),
        ("call/v2/segment", {"image": None}, "/segment lacks classes: it needs image, classes"),
        ("call/v2/segment", {"photo": "x", "classes": "sky"}, "/segment takes no 'photo'"),
        ("call/v2/segment", {"data": ["x", "sky"]}, "/segment takes no 'data'"),
        ("call/v2/attention", {"image": "x"}, "/attention lacks classes, x, y: it needs"),
    ],
)
def test_a_message_that_is_no_question_gets_one_sentence(path, message, sentence):
    status, said = ask(f"gradio_api/{path}", message)
    assert status == 400
    assert sentence in said["detail"]
    assert said["detail"].count("\n") == 0


def test_a_message_that_is_too_long_is_not_read_to_its_end():
    status, said = ask("gradio_api/queue/join", b'"' + b"x" * (3 * 2**20) + b'"')
    assert status == 413
    assert "at most 2 MB" in said["detail"]


@pytest.mark.parametrize(
    "photo",
    [
        *("x", 5, True, [], [1], {"path": 5}, {"path": "a\0b"}, {"path": "http://127.0.0.1:1/x"}),
        *(None, {}, "http://127.0.0.1:1/x.jpg", "data:image/png;base64,AAAA"),
        {"url": "http://127.0.0.1:1/x.jpg"},
        {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}},
        {"path": "x" * 5000, "meta": {"_type": "gradio.FileData"}},
        [{"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}],
    ],
)
def test_what_is_no_upload_says_how_to_send_one(photo):
    status, answer = ask("gradio_api/call/segment", {"data": [photo, "sky", 3, 3, 0]})
    event = json.loads(answer)["event_id"]
    assert status == 200
    _, said = ask(f"gradio_api/call/segment/{event}")
    assert said.startswith(b"event: error")
    assert b"POST it to /gradio_api/upload" in said


def test_an_upload_s_path_may_come_bare():
    photo = upload(CAT)["path"]
    message = {"data": [photo, "cat, wall", 2, 3, 0]}
    _, answer = ask("gradio_api/call/segment", message)
    _, said = ask(f"gradio_api/call/segment/{json.loads(answer)['event_id']}")
    assert b"event: complete" in said


def test_a_photo_that_is_gone_is_said_to_be():
    photo = upload(CAT)
    Path(photo["path"]).unlink()
    _, answer = ask("gradio_api/call/segment", {"data": [photo, "cat", 2, 3, 0]})
    _, said = ask(f"gradio_api/call/segment/{json.loads(answer)['event_id']}")
    assert b"The photo is gone" in said


def test_who_logs_in_finds_the_doors_for_that():
    assert is_open("POST", "/login", login=True)
    assert is_open("GET", "/logout", login=True)
    assert not is_open("POST", "/login")
    assert not is_open("GET", "/login", login=True)


class Nothing:
    """An application behind the gate that must not be reached."""

    async def __call__(self, scope, receive, send):
        raise AssertionError("the gate let it through")


def test_who_names_a_session_in_a_call_is_answered_too():
    photo = upload(CAT)
    message = {"data": [photo, "cat, wall", 2, 3, 0], "session_hash": "mine"}
    status, answer = ask("gradio_api/call/segment", message)
    assert status == 200
    _, said = ask(f"gradio_api/call/segment/{json.loads(answer)['event_id']}")
    assert b"event: complete" in said


def upload(file):
    """Upload a file as a browser does; returns what stands for it in a message."""
    edge = "edge"
    head = f'--{edge}\r\nContent-Disposition: form-data; name="files"; filename="cat.jpg"\r\n\r\n'
    body = head.encode() + file.read_bytes() + f"\r\n--{edge}--\r\n".encode()
    headers = {"Content-Type": f"multipart/form-data; boundary={edge}"}
    request = urllib.request.Request(f"{start_app()}gradio_api/upload", body, headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        (path,) = json.loads(answer.read())
    return {"path": path, "meta": {"_type": "gradio.FileData"}}


@pytest.mark.parametrize("path", ["upload", "queue/join", "call/segment"])
def test_a_full_disk_is_said_before_anything_is_written(path, monkeypatch):
    monkeypatch.setattr(gate.shutil, "disk_usage", lambda folder: SimpleNamespace(free=10**6))
    sent = []

    async def ask():
        async def send(message):
            sent.append(message)

        scope = {"type": "http", "method": "POST", "path": f"/gradio_api/{path}"}
        scope |= {"query_string": b"", "headers": []}
        await gate.Gate(Nothing(), None, Listeners())(scope, None, send)

    asyncio.run(ask())
    assert sent[0]["status"] == 507
    assert "disk is full" in json.loads(sent[1]["body"])["detail"]


def test_a_proxy_s_prefix_changes_no_door():
    scope = {"path": "/demo/monitoring", "root_path": "/demo"}
    assert gate._own_path(scope) == "/monitoring"
    assert gate._own_path({"path": "/demonstration", "root_path": "/demo"}) == "/demonstration"
