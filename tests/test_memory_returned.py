"""Memory that is handed back to the system."""

import gc
import queue
import time
import weakref

from errseg.demo.backend import memory


def test_many_small_questions_hand_back_as_a_large_one_does(monkeypatch):
    trims, returns = [], memory.Returns()
    monkeypatch.setattr(memory, "_trim", lambda: trims.append)
    monkeypatch.setattr(memory, "SECONDS_IDLE", 1e6)
    for _ in range(5):
        returns.after(memory.WORTH_IT // 4 + 1)
    assert trims == [0]
    returns.after(memory.WORTH_IT)
    assert trims == [0, 0]


def test_who_is_asked_nothing_any_more_hands_back_what_is_free(monkeypatch):
    trims, returns = queue.Queue(), memory.Returns()
    monkeypatch.setattr(memory, "_trim", lambda: trims.put)
    monkeypatch.setattr(memory, "SECONDS_IDLE", 0.2)
    for _ in range(3):
        returns.after(1)
    assert trims.get(timeout=20) == 0
    time.sleep(0.4)
    assert trims.empty()  # once, after the last of them


def test_what_knows_itself_in_a_circle_goes_when_nobody_asks(monkeypatch):
    class Circle:
        def __init__(self):
            self.own = self

    kept = []
    monkeypatch.setattr(memory, "_trim", lambda: lambda keep: kept.append(circle()))
    monkeypatch.setattr(memory, "SECONDS_IDLE", 0.1)
    returns = memory.Returns()
    for count in (1, 2):  # the first time is another one: what there is then stays for good
        circle = weakref.ref(Circle())
        returns.after(1)
        end = time.monotonic() + 20
        while len(kept) < count and time.monotonic() < end:
            time.sleep(0.01)
    gc.unfreeze()  # for the tests behind this one
    assert kept == [None, None]
