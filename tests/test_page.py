"""The page's handlers without a browser: what a turn of a knob runs, and what the page is sent."""

import pytest

from errseg.demo.backend.models import Models
from errseg.demo.backend.request import check_request
from errseg.demo.page.layout import create_demo
from errseg.demo.page.panels import STATIC
from errseg.demo.page.segment import Shown
from errseg.inference.predictor import Predictor

KNOBS = {"P": "kept_classes", "K": "votes_per_pixel", "Threshold": "threshold", "Beta": "beta"}
"""Sliders by their labels."""


class Visitor:
    """A visitor of the page who turns knobs; what a browser would keep is kept here."""

    def __init__(self, page, shown):
        self.turn_knob = next(f for f in page.fns.values() if f.name == "turn_knob")
        self.shown, self.values = shown, {}
        for component in self.turn_knob.inputs:
            label = getattr(component, "label", None)
            name = KNOBS.get(label, "shown")
            self.values[name] = component
        self.given = {
            self.values[name]: getattr(shown.request.options, name) for name in KNOBS.values()
        }

    def turn(self, **knobs):
        """Turn knobs; return the steps of the answer as {element's id: value}."""
        for name, value in knobs.items():
            self.given[self.values[name]] = value
        steps = list(self.turn_knob.fn({**self.given, self.values["shown"]: self.shown}))
        for step in steps:
            self.shown = step.get(self.values["shown"], self.shown)
        return [{component.elem_id: value for component, value in step.items()} for step in steps]


@pytest.fixture
def demo(lite_weights):
    return create_demo(Models(lite_weights, "cpu", "float32"))


@pytest.fixture
def visitor(demo, photo_file):
    request = check_request(
        photo_file, "cat, dog, sky, grass", kept_classes=3, threshold=0.1, input_size=128
    )
    visitor = Visitor(demo.page, Shown(request))
    visitor.turn(beta=0.2)  # so that there is an answer
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
    masks, attention = visitor.turn(**{knob: 1})
    assert "errseg-masks" in masks
    assert list(attention) == ["errseg-attention"]
    assert runs.count("decode") == runs.count("GUD") == 1
    assert runs.index("GUD") < runs.index("attention")  # the masks don't wait for it
    assert runs.count("attention") == runs.count("cost_maps") == 1
    assert not {"encode_image", "encode_text"} & {*runs}


def test_a_new_threshold_runs_nothing_of_the_network(visitor, runs):
    before = visitor.shown
    (step,) = visitor.turn(threshold=0.9)
    assert runs == []
    assert step["errseg-threshold"] == 0.9
    assert {"errseg-masks", "errseg-ranking", "errseg-notes"} <= step.keys()
    # The panels that don't depend on it stay, and so does what they refer to.
    assert not {"errseg-attention", "errseg-cost"} & step.keys()
    assert visitor.shown.pixel == before.pixel
    assert visitor.shown.request.options.threshold == 0.9
    visitor.turn(votes_per_pixel=1)
    assert "attention" in runs


def test_what_all_panels_use_is_sent_once(demo):
    scripts = [
        block.js_on_load or ""
        for block in demo.page.blocks.values()
        if hasattr(block, "js_on_load")
    ]
    panels = [script for script in scripts if "errsegHelpers" in script]
    assert len(panels) == 4
    shared = (STATIC / "shared.js").read_text()
    assert "function scaleBar" in shared
    assert not any("function scaleBar" in script for script in scripts)
