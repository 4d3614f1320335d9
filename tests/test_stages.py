"""Who waits for an answer is told what it is at, and can stop it."""

import contextlib
import gc
import threading
import time
import weakref

import pytest

from errseg.demo.backend import stages
from errseg.demo.backend.places import GoneError, Places
from errseg.demo.backend.stages import told


def run(generator):
    """All that a generator gives, and what it returns."""
    given = []
    while True:
        try:
            given.append(next(generator))
        except StopIteration as end:
            return given, end.value


def test_stages_are_told_as_they_come_and_the_answer_comes_back():
    heard = threading.Event()

    def ask(tell):
        tell("encode")
        assert heard.wait(10)
        tell("3 questions are ahead of yours.")
        time.sleep(2 * stages.SECONDS_WORTH_TELLING)
        return "an answer"

    def as_step(sentence):
        heard.set()
        return f"<{sentence}>"

    given, answer = run(told(ask, as_step))
    assert given == ["<Looking at the photo …>", "<3 questions are ahead of yours.>"]
    assert answer == "an answer"


def test_a_stage_that_is_over_at_once_is_not_told():
    def ask(tell):
        for stage in ("read", "text", "encode", "decode", "label"):
            tell(stage)
        return 5

    assert run(told(ask, str)) == ([], 5)


@pytest.mark.parametrize("error", [GoneError, SystemExit, ValueError])
def test_what_prevents_an_answer_is_raised(error):
    def ask(tell):
        raise error

    with pytest.raises(error):
        run(told(ask, str))


def test_what_a_question_had_computed_goes_with_its_error():
    class Computed:
        """Stands for tensors."""

    seen = []

    def ask(tell):
        computed = Computed()
        seen.append(weakref.ref(computed))
        raise ValueError

    gc.disable()  # Python looks for circles now and then; a busy server's memory can't wait for it
    try:
        with contextlib.suppress(ValueError):
            run(told(ask, str))
        assert seen[0]() is None
    finally:
        gc.enable()


def test_the_line_says_how_many_are_ahead_and_who_no_longer_waits_is_gone():
    name = threading.local()
    places, said, wanted = Places(lambda: name.visitor), [], threading.Event()
    failed = []

    def wait(visitor):
        name.visitor = visitor
        try:
            with (
                places.wanted(
                    lambda: not wanted.is_set(), lambda text: said.append((visitor, text))
                ),
                places.turn(1.0, 1.0, 20.0),
            ):
                pass
        except GoneError:
            failed.append(visitor)

    name.visitor = "first"
    with places.turn(1.0, 1.0, 20.0):
        waiting = []
        for count, visitor in enumerate(("second", "third"), start=1):
            waiting.append(threading.Thread(target=wait, args=(visitor,)))
            waiting[-1].start()
            end = time.monotonic() + 10
            while (visitor, stages.ahead(count)) not in said:
                assert time.monotonic() < end
                time.sleep(0.01)
        wanted.set()
        for thread in waiting:
            thread.join(10)
    assert sorted(failed) == ["second", "third"]
    assert stages.ahead(1) == "1 question is ahead of yours."
    assert stages.ahead(2) == "2 questions are ahead of yours."
