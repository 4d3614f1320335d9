"""Segment becomes Stop: who presses it sees that, and what the network has not begun is dropped."""

import threading

import pytest

from errseg.demo.backend.models import Models
from errseg.demo.backend.places import GoneError
from errseg.demo.page import stop as stop_module
from errseg.demo.page.events import served
from errseg.demo.page.layout import create_demo

WORDS = "cat, dog, sky"


@pytest.fixture
def demo(lite_weights, monkeypatch):
    monkeypatch.setattr(stop_module, "current_visitor", lambda: "somebody")
    return create_demo(Models(lite_weights, "cpu", "float32"))


@pytest.fixture
def segment(demo, photo_file):
    """The steps of a press on Segment, as {element's id: value}."""
    function = next(f for f in demo.page.fns.values() if f.name == "segment_page")
    given = {component: component.value for component in function.inputs}
    for component in given:
        if component.elem_id == "errseg-photo":
            given[component] = {"path": served(photo_file)}
        elif component.elem_id == "errseg-classes":
            given[component] = WORDS
        elif component.elem_id == "errseg-input-size":
            given[component] = 128

    def steps():
        for step in function.fn(given):
            yield {component.elem_id: value for component, value in step.items()}

    return steps


@pytest.fixture
def press_stop(demo):
    """The event of the hidden button that belongs to Segment."""
    stops = [f for f in demo.page.fns.values() if f.name == "_stop"]
    [own] = [f for f in stops if f.outputs[0].elem_id == "errseg-run"]
    assert own.queue is False  # it must not wait behind what it stops
    return lambda: {component.elem_id: value for component, value in own.fn().items()}


def slow(answer, begun, goes_on):
    """Wait within the network until it goes on; the places look then who still wants it."""

    def slowly(*asked):
        begun.set()
        goes_on.wait(10)
        return answer(*asked)

    return slowly


def test_the_button_says_stop_and_the_message_the_stage(demo, segment, monkeypatch):
    begun, goes_on = threading.Event(), threading.Event()
    turns = demo.service._turns
    monkeypatch.setattr(turns, "_compute", slow(turns._compute, begun, goes_on))
    steps = segment()
    first = next(steps)
    assert first["errseg-run"]["value"] == "Stop"
    assert "Reading the photo" in first["errseg-message"]
    goes_on.set()
    rest = [*steps]
    assert rest[-1]["errseg-run"]["value"] == "Segment"
    assert any("errseg-masks" in step for step in rest)
    [message] = [step["errseg-message"] for step in rest if "errseg-message" in step][-1:]
    assert message == ""


def test_stop_drops_the_question_and_leaves_what_was_there(demo, segment, press_stop, monkeypatch):
    begun, goes_on = threading.Event(), threading.Event()
    turns = demo.service._turns
    monkeypatch.setattr(turns, "_compute", slow(turns._compute, begun, goes_on))
    model = demo.service.models.predictor.model
    decoded = []
    monkeypatch.setattr(model, "decode", lambda *a, **k: decoded.append(None))
    steps = segment()
    next(steps)
    assert begun.wait(10)
    said = press_stop()
    assert said["errseg-run"]["value"] == "Segment"
    assert "Stopped." in said["errseg-message"]
    said["errseg-run"].clear()  # as Gradio does with what it has sent
    assert press_stop()["errseg-run"]["value"] == "Segment"
    goes_on.set()
    rest = [*steps]
    assert not any(step.keys() - {"errseg-message", "errseg-run"} for step in rest)
    assert not any(step.get("errseg-run", {}).get("value") == "Stop" for step in rest)
    assert decoded == []


def test_stop_before_the_attention_takes_the_old_one_away(demo, segment, press_stop, monkeypatch):
    def stopped(*asked, **more):
        press_stop()
        raise GoneError

    monkeypatch.setattr(demo.service, "attention", stopped)
    steps = [*segment()]
    assert any("errseg-masks" in step for step in steps)
    assert "" in [step.get("errseg-attention") for step in steps]
    buttons = [step["errseg-run"] for step in steps if "errseg-run" in step]
    assert buttons[-1]["value"] == "Segment"


def test_a_refusal_gives_the_button_back(demo, segment, monkeypatch):
    monkeypatch.setattr(demo.service, "answer", lambda request: 1 / 0)
    steps = [*segment()]
    assert steps[-2]["errseg-run"]["value"] == "Segment"
    assert "Something went wrong" in steps[-1]["errseg-message"]


@pytest.mark.parametrize("name", ["sweep", "batch"])
def test_sweep_and_batch_have_it_too(demo, name):
    stops = [f for f in demo.page.fns.values() if f.name == "_stop"]
    assert f"errseg-{name}-run" in [f.outputs[0].elem_id for f in stops]
