"""Who computes when: one at a time, in a fair order, and nothing that nobody waits for."""

import threading
import time
from types import SimpleNamespace

import pytest
from gradio.context import LocalContext

from errseg.demo.backend import places as places_module
from errseg.demo.backend.listeners import Listeners
from errseg.demo.backend.places import GoneError, Places
from errseg.demo.page.events import Asked
from errseg.errors import InputError

ORDINARY, BUDGET = 1.0, 20.0


class Crowd:
    """Visitors in threads of their own; `said` is what was computed, in its order."""

    def __init__(self):
        self.gone, self.said, self.failed = set(), [], {}
        self._name = threading.local()
        self.asked = {}  # by visitor, where it was longer ago than its thread began
        self.places = Places(self.visitor, self.listens, lambda: self.asked.get(self.visitor()))
        self.threads = []

    def visitor(self):
        return getattr(self._name, "visitor", None)

    def listens(self, visitor):
        return visitor not in self.gone

    def ask(self, visitor, label, seconds=ORDINARY, parts=1, part=0.0, released=None):
        """Ask a question that computes in parts; returns once it stands in line or computes."""
        before = len(self.places._open)

        def run():
            self._name.visitor = visitor
            try:
                with self.places.turn(seconds, ORDINARY, BUDGET) as pause:
                    for number in range(parts):
                        pause()
                        self.said.append(label if parts == 1 else f"{label}{number}")
                        time.sleep(part)
                    if released:
                        released.wait(10)
            except (GoneError, InputError) as error:
                self.failed[label] = error

        thread = threading.Thread(target=run)
        thread.start()
        self.threads.append(thread)
        until(lambda: len(self.places._open) > before or not thread.is_alive())
        return thread

    def join(self):
        for thread in self.threads:
            thread.join(20)
            assert not thread.is_alive()


def until(condition):
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


@pytest.fixture
def crowd(monkeypatch):
    monkeypatch.setattr(places_module, "SECONDS_BETWEEN_LOOKS", 0.02)
    return Crowd()


@pytest.fixture
def held(crowd):
    """A question that computes until it is released, so that others have to wait."""
    released = threading.Event()
    crowd.ask("holder", "held", released=released)
    until(lambda: crowd.said == ["held"])
    yield released
    released.set()
    crowd.join()


def test_one_at_a_time_in_the_order_of_asking(crowd, held):
    for visitor in "abcde":
        crowd.ask(visitor, visitor)
    time.sleep(0.05)
    assert crowd.said == ["held"]
    held.set()
    crowd.join()
    assert crowd.said == ["held", *"abcde"]


def test_who_asked_first_goes_first_though_its_thread_begins_last(crowd, held):
    asked = time.monotonic()
    for visitor in "abc":
        crowd.ask(visitor, visitor)
    crowd.asked = {"d": asked}
    crowd.ask("d", "d")
    held.set()
    crowd.join()
    assert crowd.said == ["held", *"dabc"]


def test_gradio_s_events_tell_once_when_they_were_asked():
    class Event:
        enqueue_time = 3.0

    page = SimpleNamespace(_queue=SimpleNamespace(event_ids_to_events={"one": Event()}))
    asked = Asked(page)
    assert asked() is None  # no event runs here
    reset = LocalContext.event_id.set("one")
    try:
        assert [asked(), asked()] == [3.0, None]
    finally:
        LocalContext.event_id.reset(reset)


def test_who_sends_ten_does_not_delay_who_sends_one(crowd, held):
    for number in range(10):
        crowd.ask("many", f"many {number}")
    crowd.ask("one", "one")
    crowd.ask("two", "two")
    held.set()
    crowd.join()
    assert crowd.said[1:4] == ["many 0", "one", "two"]
    assert crowd.said[4:] == [f"many {number}" for number in range(1, 10)]


def test_a_dear_question_makes_way_between_two_parts(crowd):
    crowd.ask("greedy", "dear", seconds=15, parts=40, part=0.02)
    until(lambda: len(crowd.said) >= 2)
    crowd.ask("kind", "ordinary")
    crowd.join()
    place = crowd.said.index("ordinary")
    assert 2 <= place <= 6  # at the next part, not after the forty
    assert [said for said in crowd.said if said != "ordinary"] == [f"dear{i}" for i in range(40)]


def test_an_ordinary_question_runs_to_its_end(crowd):
    crowd.ask("kind", "ordinary", parts=10, part=0.01)
    until(lambda: len(crowd.said) >= 2)
    crowd.ask("other", "other")
    crowd.join()
    assert crowd.said[-1] == "other"


def test_a_dear_question_is_not_kept_waiting_for_ever(crowd, held):
    crowd.ask("greedy", "dear", seconds=15)
    for number in range(12):
        crowd.ask(f"kind {number}", f"ordinary {number}")
    held.set()
    crowd.join()
    assert 4 <= crowd.said.index("dear") <= 6


def test_what_nobody_listens_to_is_never_computed(crowd, held, monkeypatch):
    monkeypatch.setattr(places_module, "SECONDS_UNHEARD", 0.1)
    crowd.gone |= {f"silent {i}" for i in range(20)}
    for number in range(20):
        crowd.ask(f"silent {number}", f"silent {number}")
    crowd.ask("kind", "kind")
    held.set()
    until(lambda: "kind" in crowd.said)
    crowd.join()
    assert crowd.said == ["held", "kind"]
    assert len(crowd.failed) == 20
    assert all(isinstance(error, GoneError) for error in crowd.failed.values())


def test_a_running_question_ends_when_its_visitor_leaves(crowd, monkeypatch):
    monkeypatch.setattr(places_module, "SECONDS_LOST", 0.05)
    crowd.ask("leaver", "left", parts=200, part=0.01)
    until(lambda: len(crowd.said) >= 2)
    crowd.gone.add("leaver")
    crowd.join()
    assert len(crowd.said) < 60
    assert isinstance(crowd.failed["left"], GoneError)
    crowd.ask("next", "next")
    crowd.join()
    assert crowd.said[-1] == "next"


def test_a_connection_that_comes_back_in_time_loses_nothing(crowd, held, monkeypatch):
    monkeypatch.setattr(places_module, "SECONDS_UNHEARD", 5.0)
    crowd.gone.add("slow")
    crowd.ask("slow", "slow")
    crowd.ask("quick", "quick")
    held.set()
    until(lambda: "quick" in crowd.said)  # who listens goes first
    crowd.gone.clear()
    crowd.join()
    assert crowd.said == ["held", "quick", "slow"]


def test_a_question_begins_as_soon_as_its_visitor_listens(crowd, monkeypatch):
    monkeypatch.setattr(places_module, "SECONDS_BETWEEN_LOOKS", 60.0)
    listeners = Listeners()
    listeners.tell(crowd.places.heard)
    crowd.places._listening = listeners.__contains__
    crowd.ask("early", "early")
    time.sleep(0.05)
    assert crowd.said == []
    with listeners.connected("early"):
        crowd.join()
    assert crowd.said == ["early"]


def test_a_full_line_says_how_long_it_is(crowd, held, monkeypatch):
    monkeypatch.setattr(places_module, "LONGEST_LINE", 3)
    for visitor in "abc":
        crowd.ask(visitor, visitor, seconds=4)
    crowd.ask("late", "late")
    until(lambda: "late" in crowd.failed)
    assert str(crowd.failed["late"]).startswith("3 questions wait already, some 13 seconds of work")


def test_one_visitor_cannot_fill_the_line(crowd, held, monkeypatch):
    monkeypatch.setattr(places_module, "MOST_OF_ONE_VISITOR", 2)
    for number in range(3):
        crowd.ask("many", f"many {number}")
    until(lambda: "many 2" in crowd.failed)
    assert "2 questions of yours" in str(crowd.failed["many 2"])
    crowd.ask("other", "other")
    held.set()
    crowd.join()
    assert "other" in crowd.said


def test_a_question_that_takes_far_longer_than_its_price_ends(crowd, monkeypatch):
    monkeypatch.setattr(places_module, "OVERRUN", 0.01)
    crowd.ask("slow", "slow", parts=100, part=0.02)
    crowd.join()
    assert 2 < len(crowd.said) < 30
    assert "far longer" in str(crowd.failed["slow"])


def test_few_dear_questions_hold_their_memory_at_a_time(crowd, held, monkeypatch):
    monkeypatch.setattr(places_module, "SLICE", 0.0)
    for number in range(4):
        crowd.ask(f"greedy {number}", f"d{number}-", seconds=15, parts=5, part=0.01)
    held.set()
    crowd.join()
    first = crowd.said.index
    assert first("d2-0") > min(first("d0-4"), first("d1-4"))
    assert len(crowd.said) == 21


def test_listeners_are_counted_by_connection():
    listeners = Listeners()
    with listeners.connected("a"):
        with listeners.connected("a"):
            assert "a" in listeners
        assert "a" in listeners
        assert "b" not in listeners
    assert "a" not in listeners
