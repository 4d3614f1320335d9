"""Looking for released models ends soon, whatever the Hub does, and is done once for all."""

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from quiet_servers import serve

from errseg.demo.backend.look_up import LookUp

MANY = 20
# Asks for a model that isn't here, as a link does, from many threads; prints what came of it.
ASK = f"""
import time
from concurrent.futures import ThreadPoolExecutor
from errseg.demo.backend.models import Models
from errseg.errors import InputError

def ask(number):
    start = time.perf_counter()
    try:
        models.look_up("x.pth")
        said = "found"
    except InputError as error:
        said = str(error)
    return time.perf_counter() - start, said

models = Models("errseg-lite")
with ThreadPoolExecutor({MANY}) as pool:
    answers = list(pool.map(ask, range({MANY})))
print(max(seconds for seconds, _ in answers))
print(*{{said for _, said in answers}}, sep="\\n")
print(ask(0)[0])
"""


@pytest.mark.parametrize("manner", ["silent", "slow", "rubbish", "closed"])
def test_a_hub_that_does_not_answer_costs_a_few_seconds(manner, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    with serve(manner) as (port, visits):
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{port}")
        done = subprocess.run(
            [sys.executable, "-c", ASK], capture_output=True, text=True, timeout=60, check=True
        )
        asked = len(visits)
    longest, *said, once_more = done.stdout.splitlines()
    assert float(longest) < 6.5  # five, and what a busy machine adds
    (sentence,) = said
    assert sentence.startswith("The Hub can't be asked for released models (")
    assert sentence.endswith("those that are here go on.")
    assert float(once_more) < 0.5  # remembered, or no longer waited for
    if manner in ("silent", "slow"):
        assert "no answer in 4 seconds" in sentence
        assert asked < MANY / 4  # one question for all; the client may try again by itself


@pytest.fixture
def question():
    """A question that waits until it may answer; counts how often it was asked."""

    class Question:
        def __init__(self):
            self.asked, self.may_answer, self.answer = 0, threading.Event(), "yes"

        def __call__(self):
            self.asked += 1
            self.may_answer.wait(10)
            if isinstance(self.answer, Exception):
                raise self.answer
            return self.answer

    return Question()


def test_all_who_wait_share_one_question(question):
    look_up = LookUp(question, patience=10)
    with ThreadPoolExecutor(MANY) as pool:
        waiting = [pool.submit(look_up.result) for _ in range(MANY)]
        question.may_answer.set()
        assert {one.result() for one in waiting} == {"yes"}
    assert question.asked == 1


def test_nobody_waits_longer_than_agreed_and_a_late_answer_is_used(question):
    look_up = LookUp(question, patience=0.1)
    for _ in range(3):
        with pytest.raises(TimeoutError):
            look_up.result()
    assert question.asked == 1  # the first one still goes on
    question.may_answer.set()
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            assert look_up.result() == "yes"
            break
        except TimeoutError:
            time.sleep(0.01)
    else:
        pytest.fail("the late answer never came")
    assert question.asked == 1


def test_a_failure_is_remembered_for_a_while(question):
    question.may_answer.set()
    question.answer = ConnectionError("no")
    look_up = LookUp(question, remembered=0.2)
    for _ in range(3):
        with pytest.raises(ConnectionError):
            look_up.result()
    assert question.asked == 1
    question.answer = "yes"
    time.sleep(0.25)
    assert look_up.result() == "yes"
    assert question.asked == 2


def test_what_is_never_answered_is_given_up_and_asked_anew(question):
    look_up = LookUp(question, patience=0.05, given_up=0.2)
    with pytest.raises(TimeoutError):
        look_up.result()
    time.sleep(0.25)
    with pytest.raises(TimeoutError):
        look_up.result()
    assert question.asked == 2
    question.may_answer.set()
