"""Starting the app: nothing at import, a sentence for what can't be."""

import importlib.util
import socket
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import pytest

import app
from errseg.errors import InputError
from errseg.words import wordnet

ROOT = Path(__file__).resolve().parent.parent


def run(*arguments) -> subprocess.CompletedProcess:
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )


def test_importing_the_demo_starts_nothing_and_loads_no_network():
    done = run(
        "-c",
        "import sys, threading, socket\n"
        "socket.socket.bind = socket.socket.connect = None\n"
        "import app, errseg.demo\n"
        "print(threading.active_count(), 'torch' in sys.modules)",
    )
    assert done.stdout == "1 False\n"
    assert not list((ROOT / "errseg").rglob("*.pyi"))


@pytest.mark.parametrize("module", ["request", "service", "links", "view", "models"])
def test_what_answers_the_page_needs_no_gradio(module):
    done = run("-c", f"import sys, errseg.demo.backend.{module}; print('gradio' in sys.modules)")
    assert done.stdout == "False\n"


@pytest.mark.skipif(sys.platform != "linux", reason="PyTorch brings GNU OpenMP on Linux")
@pytest.mark.parametrize(("own", "spins"), [({}, "1000"), ({"GOMP_SPINCOUNT": "77"}, "77")])
def test_the_networks_threads_give_way_on_a_server(monkeypatch, own, spins):
    monkeypatch.setenv("OMP_DISPLAY_ENV", "verbose")  # OpenMP says what it reads
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    done = run(
        "-c",
        "import os, sys, errseg.demo.backend.service, errseg.demo.serve.server as server\n"
        "class Demo:  # its page comes after all that is set for the process\n"
        "    @property\n"
        "    def page(self): raise InterruptedError\n"
        "try: server.serve_demo(Demo())\n"
        "except InterruptedError: print(sys.getswitchinterval(), 'torch' in sys.modules)\n"
        "print(os.environ['ONEDNN_PRIMITIVE_CACHE_CAPACITY'])\n"
        "import torch",
    )
    assert done.stdout == "0.0005 False\n256\n"
    assert f"GOMP_SPINCOUNT = '{spins}'" in done.stderr


def test_help_is_quick():
    code = (
        "import sys, app\n"
        "sys.argv = ['app.py', '--help']\n"
        "try: app.main()\n"
        "except SystemExit: print(sorted({'torch', 'gradio', 'numpy'} & set(sys.modules)))"
    )
    assert run("-c", code).stdout.splitlines()[-1] == "[]"


def test_the_environment_stands_for_options_and_options_come_first(monkeypatch):
    import errseg.demo.page.layout
    import errseg.demo.serve.server
    from errseg.demo.backend import models

    made = []
    monkeypatch.setattr(models, "Models", lambda *given: made.append(given))
    monkeypatch.setattr(errseg.demo.page.layout, "create_demo", lambda *given: None)
    monkeypatch.setattr(errseg.demo.serve.server, "serve_demo", lambda *given, **more: None)
    for name, value in (("MODEL", "a.pth"), ("PRECISION", "bfloat16"), ("COMPILE", "1")):
        monkeypatch.setenv(f"ERRSEG_{name}", value)
    monkeypatch.setattr(sys, "argv", ["app.py"])
    app.main()
    monkeypatch.setattr(sys, "argv", ["app.py", "--model", "b.pth", "--device", "cpu"])
    app.main()
    assert made == [("a.pth", "auto", "bfloat16", True), ("b.pth", "cpu", "bfloat16", True)]


def test_the_package_takes_little_beside_torch():
    done = run(
        "-c",
        "import sys, time, torch\n"
        "started = time.process_time()\n"
        "import errseg\n"
        "errseg.Predictor, errseg.load_model\n"
        "slow = {'timm', 'open_clip', 'gradio', 'matplotlib'} & set(sys.modules)\n"
        "print(time.process_time() - started < 0.5, slow)",
    )
    assert done.stdout == "True set()\n"


def test_a_wrong_model_ends_the_app_with_a_sentence():
    done = run(ROOT / "app.py", "--model", "errseg-huge")
    assert done.returncode == 2
    assert done.stderr == (
        "There is no model 'errseg-huge'; the models are errseg-lite, errseg-base, errseg-large.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--model", "gone.pth"], "There is no weights file gone.pth."),
        (["--precision", "double"], "There is no precision 'double'; give auto, float32, "),
        (["--port", "99999"], "A port lies between 1 and 65535, not 99999."),
        (["--host", "256.1.1.1"], "The page can't be served at 256.1.1.1 ("),
        (["--port", "many"], "invalid int value: 'many'"),
    ],
)
def test_what_cannot_be_started_gets_a_sentence(monkeypatch, capsys, arguments, sentence):
    monkeypatch.setattr(sys, "argv", ["app.py", *arguments])
    with pytest.raises(SystemExit) as ended:
        app.main()
    assert ended.value.code == 2
    assert sentence in capsys.readouterr().err


def test_a_port_that_is_taken_gets_a_sentence(monkeypatch, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setattr(sys, "argv", ["app.py", "--port", str(port)])
        with pytest.raises(SystemExit) as ended:
            app.main()
    assert ended.value.code == 2
    assert (
        f"can't be served at 127.0.0.1:{port} (Address already in use)" in capsys.readouterr().err
    )


def test_mcp_without_its_packages_gets_a_sentence(monkeypatch, capsys):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "mcp" else find(name, *a)
    )
    monkeypatch.setenv("ERRSEG_MCP", "1")
    monkeypatch.setattr(sys, "argv", ["app.py"])
    with pytest.raises(SystemExit) as ended:
        app.main()
    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        'MCP needs optional packages; install them: pip install "gradio[mcp]"\n'
    )


def test_the_page_is_there_before_the_model(monkeypatch):
    from errseg.demo.backend.models import Models
    from errseg.demo.page.layout import create_demo
    from errseg.demo.serve.server import serve_demo

    asked, may_load, read = threading.Event(), threading.Event(), []

    def load_slowly(self, model, precision):
        read.append(wordnet.nouns.cache_info().currsize)
        asked.set()
        may_load.wait(60)
        raise InputError("It was a test.")

    monkeypatch.setattr(Models, "_load", load_slowly)
    wordnet.nouns.cache_clear()
    demo = create_demo(Models("errseg-lite"))
    assert not asked.is_set()
    try:
        url = serve_demo(demo, block=False)
        with urllib.request.urlopen(url, timeout=30) as page:
            assert page.status == 200
            assert b"errseg-header" in page.read()
        assert asked.wait(30)
        assert not demo.service.models.loaded
        assert read == [1]  # what words are looked up in: nobody who types waits for it
    finally:
        may_load.set()
        demo.page.close()
