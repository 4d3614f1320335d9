"""The page's handlers without a browser: what a turn of a knob runs, and what the page is sent."""

import html
import json
import re

import gradio as gr
import pytest

from errseg.demo.backend.models import Models
from errseg.demo.backend.static_files import STATIC
from errseg.demo.page import stop as stop_module
from errseg.demo.page.events import served
from errseg.demo.page.layout import create_demo
from errseg.demo.page.shown import Shown
from errseg.inference.predictor import Predictor

IDS = {
    "photo": "errseg-photo",
    "classes": "errseg-classes",
    "model": "errseg-model",
    "kept_classes": "errseg-kept",
    "votes_per_pixel": "errseg-votes",
    "threshold": "errseg-threshold",
    "beta": "errseg-beta",
    "input_size": "errseg-input-size",
    "precision": "errseg-precision",
    "expand": "errseg-expand",
    "tiles": "errseg-tiles",
    "closer_at": "errseg-closer-at",
}
"""What a question is made of -> the elements' ids."""


class Visitor:
    """A visitor of the page; what a browser would keep is kept here."""

    def __init__(self, page, **values):
        self.events = {f.name: f for f in page.fns.values()}
        inputs = self.events["segment_page"].inputs
        by_id = {component.elem_id: component for component in inputs}
        self.boxes = {name: by_id[elem_id] for name, elem_id in IDS.items()}
        states = [component for component in inputs if isinstance(component, gr.State)]
        self.boxes["shown"] = next(s for s in states if isinstance(s.value, Shown))
        self.boxes["chosen"] = next(s for s in states if s.value is None)
        self.given = {box: box.value for box in self.boxes.values()}
        outputs = self.events["segment_page"].outputs
        self.boxes["masks"] = next(c for c in outputs if c.elem_id == "errseg-masks")
        self.fill(**values)

    def fill(self, **values):
        self.given |= {self.boxes[name]: value for name, value in values.items()}

    @property
    def shown(self):
        return self.given[self.boxes["shown"]]

    def press(self, event="segment_page"):
        """Let an event answer; return its steps as {element's id: value}."""
        steps = list(self.events[event].fn(dict(self.given)))
        for step in steps:
            for component, value in step.items():
                if component in self.given:
                    updated = isinstance(value, dict) and "__type__" in value
                    self.given[component] = value["value"] if updated else value
        named = [{c.elem_id: value for c, value in step.items() if c.elem_id} for step in steps]
        # Steps that say how far it is, and the button's, are `test_stop.py`'s matter.
        return [step for step in named if step.keys() - {"errseg-run", "errseg-message"}]

    def turn(self, **knobs):
        """Turn a knob and return the steps of the answer."""
        self.fill(**knobs)
        return self.press("choose_kept" if "kept_classes" in knobs else "turn_knob")


def data_of(value):
    """What a panel's script reads from an element's value."""
    return json.loads(html.unescape(re.search(r'data-view="([^"]*)"', value)[1]))


@pytest.fixture
def demo(lite_weights):
    return create_demo(Models(lite_weights, "cpu", "float32"))


@pytest.fixture
def visitor(demo, photo_file):
    visitor = Visitor(
        demo.page,
        photo={"path": served(photo_file)},
        classes="cat, dog, sky, grass",
        threshold=0.1,
        input_size=128,
        precision="auto",
    )
    visitor.turn(kept_classes=3)  # so that there is an answer
    return visitor


@pytest.fixture
def runs(demo, visitor, monkeypatch):
    """Names of what runs: the network's parts by their hooks, and attention."""
    names, model = [], demo.service.models.predictor.model
    attend = Predictor.attention
    monkeypatch.setattr(
        Predictor, "attention", lambda *a, **k: names.append("attention") or attend(*a, **k)
    )
    for part, module in (("ESCF", model.escf), ("GUD", model.decoder)):
        module.register_forward_hook(lambda *_, part=part: names.append(part))
    for name in ("decode", "cost_maps", "encode_image", "encode_text"):
        run = getattr(model, name)
        monkeypatch.setattr(
            model, name, lambda *a, name=name, run=run, **k: names.append(name) or run(*a, **k)
        )
    return names


@pytest.mark.parametrize("knob", ["kept_classes", "votes_per_pixel", "beta"])
def test_a_new_knob_makes_masks_once_and_attends_to_the_classes_they_kept(visitor, runs, knob):
    masks, attention, *queries = visitor.turn(**{knob: 1})
    assert "errseg-masks" in masks
    assert "errseg-attention" in attention
    assert "errseg-masks" not in attention
    assert masks["errseg-run"]["value"] == "Segment"  # nobody waits any more
    # Photo and names are there already; a browser without them asks for the whole.
    whole = data_of(visitor.events["send_whole"].fn(visitor.shown)[visitor.boxes["masks"]])
    sent = data_of(masks["errseg-masks"])
    assert sent["needs"] == {"subject": whole["subject"]}
    assert whole.keys() - sent["changes"].keys() == {"subject", "size", "photo", "names"}
    assert sent["changes"].items() <= whole.items()
    assert queries
    assert all(step.keys() == {"errseg-queries"} for step in queries)
    assert runs.count("decode") == runs.count("GUD") == 1
    assert runs.index("GUD") < runs.index("attention")  # the masks don't wait for it
    assert runs.count("attention") == runs.count("cost_maps") == 1
    assert not {"encode_image", "encode_text"} & {*runs}


def test_p_as_it_was_chosen_stays_though_its_question_is_refused(visitor):
    box = visitor.boxes["chosen"]
    visitor.turn(kept_classes=2, classes="")
    assert visitor.given[box] == 2
    masks, *_ = visitor.turn(kept_classes=1, classes="cat, dog, sky")
    assert visitor.given[box] == visitor.shown.request.options.kept_classes == 1
    assert data_of(masks["errseg-masks"])["names"] == [
        "cat",
        "dog",
        "sky",
    ]  # other words: all of it


def test_a_new_threshold_runs_nothing_of_the_network(visitor, runs):
    before = visitor.shown
    (step,) = visitor.turn(threshold=0.9)
    assert runs == []
    assert step["errseg-threshold"] == 0.9
    assert {"errseg-masks", "errseg-ranking", "errseg-notes"} <= step.keys()
    # The panels that don't depend on it stay, and so does what they refer to.
    assert not {"errseg-attention", "errseg-cost"} & step.keys()
    assert visitor.shown.pixel == before.pixel
    # What they draw from is sent in parts; a browser without the rest asks for all of it.
    whole = visitor.events["send_whole"].fn(visitor.shown)
    for panel, value in whole.items():
        changed, complete = data_of(step[panel.elem_id]), data_of(value)
        assert changed["needs"] == {"of": complete["of"]}
        assert changed["changes"].items() <= complete.items()
    assert runs == []
    # Of the strip of stages, once it is there, only the masks are sent.
    strip = visitor.events["show_pipeline"].fn
    data = {"turn": 1, "of": data_of(step["errseg-masks"])["needs"]["of"]}
    shown, _ = strip(visitor.shown, gr.EventData(None, data)).values()
    assert data_of(shown)["changes"].keys() == {"colors", "masks"}
    assert runs == []
    shown, _ = strip(visitor.shown, gr.EventData(None, {"turn": 2, "of": ""})).values()
    assert len(data_of(shown)["stages"]) == 3
    assert runs == ["cost_maps"]
    runs.clear()
    assert visitor.shown.request.options.threshold == 0.9
    visitor.turn(votes_per_pixel=1)
    assert "attention" in runs


def test_a_knob_asks_what_stands_in_the_boxes(visitor):
    """P for words that were not asked yet: it is theirs, and no answer for others comes."""
    visitor.fill(classes=", ".join(f"thing {number}" for number in range(40)))
    visitor.turn(kept_classes=17)
    assert len(visitor.shown.request.vocabulary) == 40
    assert visitor.shown.request.options.kept_classes == 17
    assert visitor.given[visitor.boxes["kept_classes"]] == 17


def test_p_that_was_chosen_stays_and_else_is_the_paper_s(demo, visitor):
    many = ", ".join(f"thing {number}" for number in range(150))
    visitor.fill(classes=many)
    visitor.press()
    assert visitor.shown.request.options.kept_classes == 3  # as it was set
    fresh = Visitor(demo.page, photo=visitor.given[visitor.boxes["photo"]], input_size=128)
    for words, advice in ((many, 32), ("cat, dog", 2), (many, 32)):
        fresh.fill(classes=words)
        fresh.press()
        assert fresh.shown.request.options.kept_classes == advice


def test_the_last_question_wins(demo, visitor, monkeypatch):
    """Another one of the same visitor comes while the first is computed: nothing comes of it."""
    monkeypatch.setattr(stop_module, "current_visitor", lambda: "somebody")
    answer, second = demo.service.answer, []

    def while_it_is_computed(request):
        if not second:
            second.append(None)
            visitor.fill(classes="cat, sofa")
            second[0] = visitor.press()
            visitor.fill(classes="sky")
        return answer(request)

    monkeypatch.setattr(demo.service, "answer", while_it_is_computed)
    visitor.fill(classes="dog, sky")
    first = visitor.press()
    assert not any("errseg-masks" in step for step in first)
    assert "errseg-masks" in second[0][0]
    assert visitor.shown.request.vocabulary.names == ("cat", "sofa")


def test_others_questions_overtake_nobody_s(demo, visitor, monkeypatch):
    names = iter("abc")
    monkeypatch.setattr(stop_module, "current_visitor", lambda: next(names))
    for words in ("dog", "sky"):
        visitor.fill(classes=words)
        assert any("errseg-masks" in step for step in visitor.press())


def test_no_element_is_told_of_progress_that_nobody_sees(demo):
    """Gradio's page would copy all that lies in it, whenever an event begins or goes on."""
    events = demo.page.config["dependencies"]
    hidden = [event for event in events if event["show_progress"] == "hidden"]
    assert len(hidden) > len(events) / 2
    assert all(event["show_progress_on"] == [] for event in hidden)


def test_what_all_panels_use_is_sent_once(demo):
    scripts = [
        block.js_on_load or ""
        for block in demo.page.blocks.values()
        if hasattr(block, "js_on_load")
    ]
    panels = [script for script in scripts if "errsegHelpers" in script]
    assert len(panels) >= 4
    shared = (STATIC / "shared.js").read_text()
    assert "function scaleBar" in shared
    assert not any("function scaleBar" in script for script in scripts)
