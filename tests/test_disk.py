"""A disk that takes nothing: who needs it gets a sentence, everybody else an answer."""

import asyncio
import errno
import io
import json
import os
import socket
import threading
import urllib.error
import urllib.request
from pathlib import Path

import gradio as gr
import httpx
import pytest
import uvicorn
from PIL import Image

from errseg.demo.backend.listeners import Listeners
from errseg.demo.backend.models import Models
from errseg.demo.backend.refusals import DISK_FULL, DISK_SHUT, UNEXPECTED, sentence_for
from errseg.demo.page.events import drawn, served
from errseg.demo.page.layout import create_demo
from errseg.demo.serve.gate import Gate
from errseg.demo.serve.server import serve_demo

WRITING = set("wax+")  # modes of `open`


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where uploads and answers lie."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    (tmp_path / "uploads").mkdir()
    return tmp_path / "uploads"


@pytest.fixture
def demo(folder, lite_weights):
    return create_demo(Models(lite_weights, "cpu", "float32"))


@pytest.fixture
def shut(folder, monkeypatch):
    """Call it, and nothing can be written into the folder any more: chmod stops nobody's root."""
    before, before_os = io.open, os.open

    def check(file, writes):
        if writes and not isinstance(file, int) and Path(file).is_relative_to(folder):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(file))

    def open_file(file, mode="r", *arguments, **named):
        check(file, WRITING & {*mode})
        return before(file, mode, *arguments, **named)

    def open_descriptor(path, flags, *arguments, **named):
        check(path, flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        return before_os(path, flags, *arguments, **named)

    def shut():
        monkeypatch.setattr(io, "open", open_file)
        monkeypatch.setattr("builtins.open", open_file)
        monkeypatch.setattr(os, "open", open_descriptor)

    return shut


def test_endpoints_that_write_pictures_have_a_sentence(demo, photo_file, shut):
    ask = {function.api_name: function.fn for function in demo.page.fns.values()}
    photo = {"path": served(photo_file)}
    shut()
    for name, values in (
        ("segment", ("cat, dog", 2, 3, 0.1, "auto", "")),
        ("sweep", ("cat, dog", "P", "1, 2", 2, 3, 0.1, "auto", "")),
    ):
        with pytest.raises(gr.Error) as refused:
            ask[name](photo, *values)
        assert refused.value.message == DISK_SHUT
    assert ask["attention"](photo, "cat, dog", 3, 3, 2, 3, False, "auto", "")["kept"] == [0, 1]


def test_an_upload_to_a_real_server_has_a_sentence(demo, folder, photo_file, shut, capfd):
    url = serve_demo(demo, block=False)
    try:
        assert upload(url, photo_file)[0] == 200
        shut()
        status, said = upload(url, photo_file)
    finally:
        demo.page.close()
    assert status == 500
    assert said == {"detail": DISK_SHUT, "error": DISK_SHUT}
    assert "Traceback" not in capfd.readouterr().err


def upload(url, file):
    head = '--edge\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
    body = head.encode() + file.read_bytes() + b"\r\n--edge--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=edge"}
    request = urllib.request.Request(f"{url}gradio_api/upload", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


@pytest.mark.parametrize("begun", [False, True])
def test_what_nobody_foresaw_has_a_sentence_unless_the_answer_has_begun(begun, caplog):
    async def broken(scope, receive, send):
        if begun:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        raise KeyError("the name of a visitor's file")

    sent = []

    async def ask():
        async def send(message):
            sent.append(message)

        scope = {"type": "http", "method": "GET", "path": "/", "query_string": b""}
        await Gate(broken, None, Listeners())(scope, None, send)

    asyncio.run(ask())
    if begun:
        assert [message["type"] for message in sent] == ["http.response.start"]
    else:
        assert sent[0]["status"] == 500
        assert json.loads(sent[1]["body"])["detail"] == UNEXPECTED
    assert "KeyError at test_disk.py" in caplog.text
    assert "visitor" not in caplog.text


@pytest.mark.parametrize("length", [2, 4])
def test_a_file_that_changes_while_it_goes_out_leaves_nobody_waiting(length, caplog):
    async def changed(scope, receive, send):
        headers = [(b"content-length", b"%d" % length)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"abc"})

    with socket.create_server(("127.0.0.1", 0)) as door:
        config = uvicorn.Config(Gate(changed, None, Listeners()), lifespan="off", log_config=None)
        server = uvicorn.Server(config)
        serving = threading.Thread(target=server.run, kwargs={"sockets": [door]})
        serving.start()
        try:
            with pytest.raises(httpx.RemoteProtocolError):
                httpx.get("http://{}:{}/".format(*door.getsockname()), timeout=20)
        finally:
            server.should_exit = True
            serving.join()
    assert UNEXPECTED in caplog.text


def test_a_picture_that_is_drawn_again_is_not_written_again(folder, tmp_path):
    picture = Image.new("RGB", (3, 2), "red")
    path = Path(drawn(picture))
    (being_read := tmp_path / "read").hardlink_to(path)
    being_read.write_bytes(b"as somebody reads it")
    assert drawn(picture) == str(path)
    assert being_read.read_bytes() == b"as somebody reads it"


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.ENOSPC, DISK_FULL),
        (errno.EROFS, DISK_SHUT),
        (errno.EACCES, DISK_SHUT),
        (errno.ENOENT, UNEXPECTED),
    ],
)
def test_what_is_wrong_with_the_disk_is_said(number, sentence):
    assert sentence_for(OSError(number, "x", "/a/name")) == sentence
