"""Visits that break off, photos that vanish, and photo readers that are killed or hang."""

import os
import shutil
import signal
import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from hostile_photos import png

from attack.app import API, Client, family, uploaded
from attack.faulty_app import SLOW
from attack.photos import segment
from attack.trial import Trial, refused

READER_SECONDS = 8.0  # in which a photo that can't be read is refused: 4 in the app, and some
KILLED_AFTER = 0.2  # seconds: the photo that is read then takes a second or more
LARGE = (8000, 5000, 8, 6)  # a PNG's size, bits and colour type


def try_all(trial: Trial) -> None:
    """Do all of them."""
    trial.of("the visitor leaves in the middle", partial(_leave, trial), SLOW)
    trial.of("the visitor is cut off in the middle of an upload", partial(_cut_upload, trial))
    trial.of("the photo reader is killed while it waits", partial(_signal, trial, signal.SIGKILL))
    trial.of("the photo reader is killed while it reads", partial(_kill_a_reading_one, trial))
    trial.of("the photo reader hangs", partial(_stop_reader, trial))
    trial.of("the photo is removed before the question", partial(_spoil, trial, os.remove))
    trial.of("the photo becomes a text", partial(_spoil, trial, _write_text))
    trial.of("the upload folder is removed", partial(_remove_uploads, trial))


def _leave(trial: Trial) -> str:
    with Client(trial.app.url) as client:
        question = [uploaded(trial.upload(client)), "left, sky", 32, 3, 0]
        client.join(trial.app.functions["segment"], question)
        next(client.listen())
    return ""


def _cut_upload(trial: Trial) -> str:
    host, port = trial.app.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        head = f"POST {API}/upload HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1000000\r\n"
        head += "Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
        connection.sendall(head.encode() + bytes(1000))
    return ""


def _signal(trial: Trial, number: signal.Signals) -> str:
    readers = [pid for pid in family(trial.app.pid) if pid != trial.app.pid]
    for pid in readers:
        os.kill(pid, number)
    return "" if readers else "there was no reader"


def _kill_a_reading_one(trial: Trial) -> str:
    with Client(trial.app.url) as client:
        path = client.upload("large.png", png(*LARGE)).data[0]
        timer = threading.Timer(KILLED_AFTER, _signal, [trial, signal.SIGKILL])
        timer.start()
        said = segment(trial.app, client, path)
        timer.join()
    return refused(said)


def _stop_reader(trial: Trial) -> str:
    wrong = _signal(trial, signal.SIGSTOP)
    began = time.monotonic()
    wrong = wrong or refused(trial.ask())
    took = time.monotonic() - began
    return wrong or ("" if took < READER_SECONDS else f"refused after {took:.0f} s")


def _spoil(trial: Trial, spoil: Callable[[str], object]) -> str:
    with Client(trial.app.url) as client:
        path = trial.upload(client)
        spoil(path)
        return refused(segment(trial.app, client, path))


def _write_text(path: str) -> None:
    Path(path).write_text("no photo")


def _remove_uploads(trial: Trial) -> str:
    shutil.rmtree(trial.folder / "uploads")
    return ""
