"""Where the page is served and who may open it: one sentence for what can't be."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from errseg.demo.serve.address import asked_port, check_address, check_root, read_login
from errseg.errors import InputError

APP = Path(__file__).resolve().parent.parent / "app.py"


@pytest.mark.parametrize("text", ["abc", "0", "-1", "65536", "1 2", "7860.0", "\u0665"])
def test_a_wrong_port_in_the_environment_gets_a_sentence(monkeypatch, text):
    monkeypatch.setenv("GRADIO_SERVER_PORT", text)
    for given in (None, 7860):
        with pytest.raises(InputError, match="GRADIO_SERVER_PORT has to be a port from 1 to 65535"):
            asked_port(given)


@pytest.mark.parametrize(
    ("text", "given", "port"),
    [("7861", None, 7861), (" 7861 ", 80, 80), ("", None, None), ("", 80, 80), (None, 80, 80)],
)
def test_what_was_given_counts_more_than_the_environment(monkeypatch, text, given, port):
    monkeypatch.delenv("GRADIO_SERVER_PORT", raising=False)
    if text is not None:
        monkeypatch.setenv("GRADIO_SERVER_PORT", text)
    assert asked_port(given) == port


def test_the_app_says_in_one_line_that_its_port_is_taken(monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=rf"can't be served at 127\.0\.0\.1:{port} \("):
            check_address(None, port)
    monkeypatch.setenv("GRADIO_SERVER_PORT", "many")
    done = subprocess.run(
        [sys.executable, APP], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 2
    assert done.stderr == "GRADIO_SERVER_PORT has to be a port from 1 to 65535, not 'many'.\n"


def test_a_login_is_a_name_and_a_password():
    assert read_login(None) is None
    assert read_login("me:a:b") == ("me", "a:b")
    for text in ("", "me", "me:", ":secret"):
        with pytest.raises(InputError, match="A login is USER:PASSWORD"):
            read_login(text)


def test_a_root_path_begins_with_a_slash_or_is_an_address():
    for path, root in (
        *((None, None), ("/", None), ("/demo", "/demo"), ("/demo/", "/demo"), ("/a/b", "/a/b")),
        ("https://example.com/demo", "https://example.com/demo"),
    ):
        assert check_root(path) == root
    for path in ("", "demo", "ftp://x/demo", "/a b", "/a?b", "https://"):
        with pytest.raises(InputError, match="A root path begins with a slash"):
            check_root(path)


def test_a_host_that_can_t_be_gets_a_sentence():
    for host in ("256.1.1.1", "x" * 300, "a..b", "\u2603\ud800"):
        with pytest.raises(InputError, match="can't be served at"):
            check_address(host, None)
