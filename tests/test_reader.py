"""Photos are read in processes of their own: the same pixels, the same sentences, and an end."""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import hostile_photos as hostile
import numpy as np
import pytest
from PIL import Image

from errseg.demo.backend import reader as reader_module
from errseg.demo.backend.reader import (
    NO_READER,
    PROCESSES,
    TOO_LONG,
    TOO_MUCH,
    UNREADABLE,
    PhotoReader,
)
from errseg.errors import InputError
from errseg.inference.photo_files import read_photo

needs_proc = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")


@pytest.fixture
def reader():
    made = PhotoReader(seconds=30)  # a busy machine must not fail what isn't about time
    yield made
    made.close()


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo \u00e9\u732b\n.png"
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (80, 120, 3), dtype=np.uint8)).save(path)
    return path


def processes(reader) -> list[subprocess.Popen]:
    return [place._worker._process for place in reader._places if place._worker]


def any_ready(reader) -> bool:
    return any(place._worker and place._worker._is_ready for place in reader._places)


def acting(monkeypatch, body: str) -> None:
    """Put another program in the place of the one that reads; it may use `_send` and the rest."""
    script = "import errseg.demo.backend.reader as reader, json, os, sys, time\n" + body
    popen = subprocess.Popen

    def start(command, **settings):
        return popen([command[0], "-c", script, *command[3:]], **settings)

    monkeypatch.setattr(reader_module.subprocess, "Popen", start)


def test_it_reads_what_is_read_here(reader, photo):
    for longest in (2048, 40):
        pixels, size, notices = reader.read(photo, longest)
        expected, expected_size, expected_notices = read_photo(photo, longest)
        assert np.array_equal(pixels, expected)
        assert size == expected_size == (120, 80)
        assert notices == expected_notices
    assert len(processes(reader)) == 1


def test_nothing_starts_before_it_must(monkeypatch):
    def start(*arguments, **settings):
        raise AssertionError("a process was started")

    monkeypatch.setattr(reader_module.subprocess, "Popen", start)
    PhotoReader().close()


def test_sentences_are_the_same(reader, tmp_path):
    (tmp_path / "notes.jpg").write_text("milk, bread")
    (tmp_path / "scans.jpg").write_bytes(hostile.scans(2000, 300))
    (tmp_path / "half.png").write_bytes(hostile.png(99, 99, 8, 2)[:-30])
    for name in ("notes.jpg", "scans.jpg", "half.png", "gone.jpg", "\udcff\0.jpg", ""):
        with pytest.raises(InputError) as here:
            read_photo(tmp_path / name, 2048)
        with pytest.raises(InputError) as there:
            reader.read(tmp_path / name, 2048)
        assert str(there.value) == str(here.value)
    assert len(processes(reader)) == 1  # none of them cost a process


def test_the_process_is_small(photo):
    """It imports neither torch nor Gradio, which take seconds and hundreds of MB."""
    code = (
        "import sys, errseg.demo.backend.reader;"
        "print(*{'torch', 'gradio', 'matplotlib', 'cachetools'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_a_photo_that_takes_too_long_is_ended(monkeypatch, photo):
    acting(
        monkeypatch,
        "def slow(path, longest):\n"
        "    if longest == 999: time.sleep(60)\n"
        "    return read_photo(path, longest)\n"
        "read_photo, reader.read_photo = reader.read_photo, slow\n"
        "reader._serve(int(sys.argv[1]))",
    )
    reader = PhotoReader(seconds=1.0)
    reader.read(photo, 2048)
    (first,) = processes(reader)
    begin = time.monotonic()
    with pytest.raises(InputError) as refused:
        reader.read(photo, 999)
    assert time.monotonic() - begin < 5
    assert str(refused.value) == TOO_LONG
    assert first.returncode == -9  # it is gone, and was waited for
    assert np.array_equal(reader.read(photo, 2048)[0], read_photo(photo, 2048)[0])
    assert processes(reader) != [first]
    reader.close()


@pytest.mark.parametrize(
    "body",
    [
        "sys.exit(1)",
        "os._exit(1)",
        "os.kill(os.getpid(), 11)",
        "out.write(b'hello, this is no message at all'); out.flush(); time.sleep(60)",
        "out.write(b'\\xff' * 100); out.flush(); time.sleep(60)",
        "reader._send(out, {}); time.sleep(60)",
        "reader._send(out, {'shape': [10**6, 10**6], 'size': [1, 1]}); time.sleep(60)",
        "reader._send(out, {'shape': [80, 120], 'size': [1]}); time.sleep(60)",
        "reader._send(out, {'shape': 'ab', 'size': [120, 80]}); time.sleep(60)",
        "reader._send(out, {'shape': [80, 120], 'size': [120, 80]}); out.write(b'x'); sys.exit()",
    ],
)
def test_a_process_gone_wrong_is_a_sentence(monkeypatch, photo, body):
    acting(
        monkeypatch,
        "out = sys.stdout.buffer\nreader._send(out, {})\nreader._received(sys.stdin.buffer)\n"
        + body,
    )
    reader = PhotoReader(seconds=20)
    begin = time.monotonic()
    with pytest.raises(InputError) as refused:
        reader.read(photo, 2048)
    assert str(refused.value) == UNREADABLE
    assert time.monotonic() - begin < 10
    assert processes(reader) == []
    monkeypatch.undo()
    assert reader.read(photo, 2048)[1] == (120, 80)
    reader.close()


def test_a_process_that_is_killed_is_replaced(reader, photo):
    reader.read(photo, 2048)
    (first,) = processes(reader)
    first.kill()
    first.wait()
    assert reader.read(photo, 2048)[1] == (120, 80)
    assert processes(reader) != [first]


def test_a_process_that_the_system_is_still_ending_is_not_asked(reader, photo):
    """The time may be up just when a photo is there."""
    reader.read(photo, 2048)
    (first,) = processes(reader)
    place = next(place for place in reader._places if place._worker)
    place._worker._killed.set()
    assert reader.read(photo, 2048)[1] == (120, 80)
    assert processes(reader) != [first]


@needs_proc
def test_a_photo_killed_in_the_middle_is_a_sentence(monkeypatch, photo):
    acting(
        monkeypatch,
        "reader.read_photo = lambda *asked: time.sleep(60)\nreader._serve(int(sys.argv[1]))",
    )
    reader, said = PhotoReader(seconds=30), []

    def ask():
        with pytest.raises(InputError) as refused:
            reader.read(photo, 2048)
        said.append(str(refused.value))

    asking = threading.Thread(target=ask)
    asking.start()
    deadline = time.monotonic() + 20
    while not any_ready(reader) and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.3)
    (process,) = processes(reader)
    process.kill()
    asking.join(20)
    assert said == [UNREADABLE]
    assert process.returncode == -9


def test_a_process_that_can_t_start_is_a_sentence(monkeypatch, photo):
    acting(monkeypatch, "sys.exit(1)")
    reader = PhotoReader()
    with pytest.raises(InputError) as refused:
        reader.read(photo, 2048)
    assert str(refused.value) == NO_READER

    def fail(*arguments, **settings):
        raise OSError("no more processes")

    monkeypatch.setattr(reader_module.subprocess, "Popen", fail)
    with pytest.raises(InputError) as refused:
        reader.read(photo, 2048)
    assert str(refused.value) == NO_READER
    reader.start()  # says nothing; who reads is told


@needs_proc
def test_memory_has_a_limit_and_the_process_survives_it(tmp_path, photo):
    large = tmp_path / "large.png"
    large.write_bytes(hostile.png(5000, 4000, 8, 6))  # 80 MB
    reader = PhotoReader(seconds=30, memory=60 * 10**6)
    with pytest.raises(InputError) as refused:
        reader.read(large, 2048)
    assert str(refused.value) == TOO_MUCH
    (process,) = processes(reader)
    assert reader.read(photo, 2048)[1] == (120, 80)
    assert processes(reader) == [process]
    reader.close()
    roomy = PhotoReader(seconds=30)
    assert roomy.read(large, 2048)[1] == (5000, 4000)
    roomy.close()


def test_what_is_printed_is_no_reply(monkeypatch, photo, capfd):
    acting(
        monkeypatch,
        "def loud(path, longest):\n"
        "    print('hello', flush=True)\n"
        "    os.write(1, b'more')\n"
        "    os.write(2, b'a warning')\n"
        "    return read_photo(path, longest)\n"
        "read_photo, reader.read_photo = reader.read_photo, loud\n"
        "reader._serve(int(sys.argv[1]))",
    )
    reader = PhotoReader(seconds=30)
    assert np.array_equal(reader.read(photo, 2048)[0], read_photo(photo, 2048)[0])
    reader.close()
    assert capfd.readouterr() == ("", "")


def test_threads_get_their_own_photos_from_two_processes(reader, tmp_path):
    paths = []
    for number in range(24):
        paths.append(tmp_path / f"{number}.png")
        Image.new("RGB", (300 + number, 200), (number, 0, 0)).save(paths[-1])
    found, errors = {}, []

    def ask(numbers):
        for number in numbers:
            try:
                found[number] = reader.read(paths[number], 2048)
            except Exception as error:
                errors.append(error)

    asking = [threading.Thread(target=ask, args=(range(n, 24, 6),)) for n in range(6)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join(60)
    assert errors == []
    for number, (pixels, size, _) in found.items():
        assert size == (300 + number, 200)
        assert (pixels == (number, 0, 0)).all()
    assert len(found) == 24
    assert 1 <= len(processes(reader)) <= PROCESSES


def test_an_interrupted_reader_gives_nobody_another_s_photo(monkeypatch, reader, photo, tmp_path):
    other = tmp_path / "other.png"
    Image.new("RGB", (64, 64), "red").save(other)
    receive = reader_module._received
    reader.read(photo, 2048)

    def interrupt(stream):
        raise KeyboardInterrupt

    monkeypatch.setattr(reader_module, "_received", interrupt)
    with pytest.raises(KeyboardInterrupt):
        reader.read(photo, 2048)
    monkeypatch.setattr(reader_module, "_received", receive)
    assert (reader.read(other, 2048)[0] == (255, 0, 0)).all()


@needs_proc
def test_processes_end_with_the_app_and_with_the_reader(photo):
    def gone(number):
        deadline = time.monotonic() + 20
        while Path(f"/proc/{number}").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        return not Path(f"/proc/{number}").exists()

    reader = PhotoReader(seconds=30)
    reader.read(photo, 2048)
    (process,) = processes(reader)
    del reader
    assert gone(process.pid)  # not even as a zombie
    code = (
        "import os, sys; from errseg.demo.backend.reader import PhotoReader\n"
        "reader = PhotoReader(); reader.read(sys.argv[1], 2048)\n"
        "print(*(place._worker._process.pid for place in reader._places if place._worker))\n"
        "sys.stdout.flush(); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", code, photo], capture_output=True, text=True)
    assert done.returncode == -9
    state = Path(f"/proc/{int(done.stdout)}/stat")
    deadline = time.monotonic() + 20
    while state.exists() and time.monotonic() < deadline:
        if state.read_text().rpartition(")")[2].split()[0] == "Z":
            break  # nobody is left who would wait for it
        time.sleep(0.02)
    else:
        assert not state.exists()


def test_a_closed_reader_leaves_no_process_and_can_read_again(reader, photo):
    reader.read(photo, 2048)
    (process,) = processes(reader)
    reader.close()
    assert process.returncode is not None
    assert processes(reader) == []
    assert reader.read(photo, 2048)[1] == (120, 80)


def test_messages_are_bounded():
    """A length that is garbage must not make the app wait for gigabytes."""
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb") as stream, os.fdopen(write_end, "wb") as other:
        other.write(b"\xff\xff\xff\xff" + json.dumps({}).encode())
        other.flush()
        with pytest.raises(ValueError, match="too long"):
            reader_module._received(stream)
