"""A photo that arrives, without a browser: which words it is asked with, and what is suggested."""

import html
import json
import re
from types import SimpleNamespace

import pytest

from errseg.demo.backend.models import Models
from errseg.demo.backend.suggest import suggest
from errseg.demo.page import new_photo as module
from errseg.demo.page.events import served
from errseg.demo.page.layout import create_demo


class Box:
    """The page's boxes as one visitor's browser keeps them."""

    def __init__(self, demo):
        self.events = {function.name: function for function in demo.page.fns.values()}
        self.given = {c: c.value for c in self.events["ask_about_photo"].inputs}
        self._by_id = {c.elem_id: c for c in self.given if c.elem_id}

    def __getitem__(self, name):
        return self.given[self._by_id[f"errseg-{name}"]]

    def __setitem__(self, name, value):
        self.given[self._by_id[f"errseg-{name}"]] = value

    def upload(self, path):
        """Upload a photo; return the steps of the answer as {element's id: value}."""
        event = SimpleNamespace(_data={"path": served(path)})
        arrived = self.events["take_photo"].fn(event)
        (photo,) = (c for c in arrived if c.elem_id == "errseg-photo")
        self.given[photo] = {"path": arrived[photo]}
        steps = list(self.events["ask_about_photo"].fn(dict(self.given)))
        for step in steps:
            for component, value in step.items():
                if component in self.given:
                    updated = isinstance(value, dict) and "__type__" in value
                    self.given[component] = value["value"] if updated else value
            self._fill_in(step)
        return [{c.elem_id or type(c).__name__: v for c, v in step.items()} for step in steps]

    def _fill_in(self, step):
        """Do what the chips' script does."""
        sent = [v for c, v in step.items() if c.elem_id == "errseg-suggest" and v]
        before, words = (sent and data(sent[0])["fill"]) or (None, None)
        if before is not None and before == (self["classes"] or ""):
            self["classes"] = words


@pytest.fixture
def demo(lite_weights):
    return create_demo(Models(lite_weights, "cpu", "float32"))


@pytest.fixture
def box(demo):
    box = Box(demo)
    box["input-size"], box["precision"] = 128, "auto"
    return box


def chips(steps):
    """The words that the last step with chips shows, and at which step it came."""
    sent = [(n, step["errseg-suggest"]) for n, step in enumerate(steps) if "errseg-suggest" in step]
    place, value = sent[-1]
    return place, [words[0] for words in data(value)["words"]]


def data(value):
    return json.loads(html.unescape(re.search(r'data-view="([^"]*)"', value)[1]))


def masks(steps):
    return next(n for n, step in enumerate(steps) if "errseg-masks" in step)


def test_an_example_s_words_give_way_to_those_found(box, demo, photo_file):
    steps = box.upload(photo_file)
    found = [s.name for s in suggest(demo.service, photo_file, 48)]
    place, shown = chips(steps)
    assert shown == found
    assert place < masks(steps)
    words = box["classes"].split(", ")
    assert words == found[: len(words)]
    assert 1 <= len(words) <= 12
    assert data(steps[masks(steps)]["errseg-masks"])["question"]["words"] == box["classes"]


@pytest.mark.parametrize("words", ["dog, sky", " my cat "])
def test_a_visitor_s_own_words_are_asked_and_stay(box, photo_file, words):
    box["classes"] = words
    steps = box.upload(photo_file)
    assert box["classes"] == words
    place, _ = chips(steps)
    assert place > masks(steps)  # the answer doesn't wait for the chips


@pytest.mark.parametrize("words", ["", "  ", None])
def test_where_there_are_no_words_those_found_are_asked(box, photo_file, words):
    box["classes"] = words
    box.upload(photo_file)
    assert box["classes"].strip()


def test_words_found_in_the_photo_before_give_way_until_they_are_changed(box, photo_file, tmp_path):
    box.upload(photo_file)
    before = box["classes"]
    box["classes"] = f"{before}, dog house"
    box.upload(photo_file)
    assert box["classes"] == f"{before}, dog house"
    box["classes"] = before
    (filled,) = (s["errseg-suggest"] for s in box.upload(photo_file) if "errseg-suggest" in s)
    assert data(filled)["fill"][0] == before


def test_where_no_words_can_be_found_those_in_the_box_are_asked(box, demo, photo_file, monkeypatch):
    def refuse(*given):
        raise module.InputError("It takes too long.")

    monkeypatch.setattr(module, "find_words", refuse)
    for typed in (box["classes"], "dog, sky"):
        box["classes"] = typed
        steps = box.upload(photo_file)
        assert box["classes"] == typed
        assert masks(steps) < len(steps)
        assert not any("too long" in step.get("errseg-message", "") for step in steps)


def test_a_photo_that_can_t_be_read_is_told_of(box, tmp_path):
    path = tmp_path / "no photo.png"
    path.write_text("words")
    steps = box.upload(path)
    assert "is not a photo" in steps[-1]["errseg-message"]
    assert not any("errseg-masks" in step for step in steps)
