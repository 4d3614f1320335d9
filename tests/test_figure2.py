"""Fig. 2 over all pixels on the page: what can't be asked, what is measured, what is sent."""

import json
import re
from pathlib import Path

import gradio as gr
import pytest

from errseg.demo.backend import figure2 as questions
from errseg.demo.backend.attended import MOST_WITHOUT_CRM
from errseg.demo.backend.budget import Budget
from errseg.demo.backend.latest import Latest
from errseg.demo.backend.models import Models
from errseg.demo.backend.request import check_request
from errseg.demo.backend.service import Service
from errseg.demo.page.figure2 import add_figure2_events
from errseg.demo.page.shown import Shown
from errseg.errors import InputError
from errseg.inference.attended import figure2
from errseg.inference.photo import load_image

WORDS = "cat, dog, sky, grass"


@pytest.fixture
def request_of(photo_file):
    def ask(words=WORDS, kept_classes=2):
        return check_request(photo_file, words, kept_classes=kept_classes, input_size=128)

    return ask


@pytest.fixture
def service(lite_weights):
    return Service(Models(lite_weights, "cpu", "float32"))


def test_what_has_no_two_sides_is_told_why(request_of, service):
    many = ", ".join(f"thing {number}" for number in range(MOST_WITHOUT_CRM + 1))
    for request, sentence in (
        (request_of(kept_classes=4), "CRM keeps all 4 classes here"),
        (request_of("cat", 9), "CRM keeps the only class here"),
        (request_of(many), "all 172 classes would go through ESCF; that is done for up to 171"),
    ):
        assert sentence in questions.offer(request)["obstacle"]
        with pytest.raises(InputError, match=sentence):
            questions.ask_figure2(service, request)
    assert questions.offer(request_of())["obstacle"] is None


def test_the_page_is_sent_what_is_measured(request_of, service):
    request = request_of()
    found = questions.ask_figure2(service, request)
    predictor = service.models.predictor
    photo = load_image(request.photo)
    asked = photo, request.vocabulary, request.options
    labels = predictor(*asked).labels
    assert found == figure2(predictor, *asked, labels)
    # Of the classes in the legend, whatever wins below the threshold.
    one = request.changed(threshold=float(predictor(*asked).scores.max()))
    assert len(questions.ask_figure2(service, one).present) == 1
    data = json.loads(json.dumps(questions.as_view(request, "tiny", found)))
    assert data["measured"] == ""  # nobody has measured this model
    assert [side["classes"] for side in data["sides"]] == [2, 4]
    for side, own in zip(data["sides"], (found.with_crm, found.without_crm), strict=True):
        for sent, look in zip(side["sfm"], own.sfm, strict=True):
            assert sent == pytest.approx(vars(look), abs=1e-4)
        assert side["onPresent"] == pytest.approx(own.on_present, abs=1e-4)
    assert data["evenly"] == pytest.approx(vars(found.evenly), abs=1e-4)


def test_what_was_measured_is_said_of_the_weights_that_it_was_measured_with(request_of, service):
    found = questions.ask_figure2(service, request_of())
    said = questions.as_view(request_of(), "errseg-lite", found)["measured"]
    assert said.startswith("Measured with the weights d5d5ab410787, on 19 photos of coco_stuff")
    readme = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    figures = re.findall(r"\d+\.\d(?= %)", said)
    assert len(figures) == 4
    [told] = [part for part in readme.split("\n- ") if "(Fig. 2, over all pixels)" in part]
    assert [figure for figure in figures if figure not in told] == []


def test_both_passes_have_their_price(request_of, lite_weights):
    service = Service(Models(lite_weights, "cpu", "float32"), budget=Budget())
    request, prices = request_of(), service.models.loaded_for(request_of()).prices
    masks = prices.answer(request, (64, 96))
    service.budget = Budget(masks.seconds, masks.bytes * 10)
    with pytest.raises(InputError, match="seconds here"):
        questions.ask_figure2(service, request)
    service.budget.check(masks)  # the masks alone would be answered


@pytest.fixture
def button(service):
    """The panel's button: handler, panel, and the visitors' latest questions."""
    latest = Latest()
    with gr.Blocks() as page:
        place, message, shown = gr.HTML(), gr.HTML(), gr.State()
        add_figure2_events(place, message, shown, service, latest)
    (event,) = page.fns.values()
    return event.fn, place, latest


def sent(step, place):
    from html import unescape

    return json.loads(unescape(step[place].split('"')[1]))


def test_the_button_measures_and_a_refusal_stands_in_the_panel(button, request_of):
    press, place, _ = button
    assert sent(press(Shown(request_of(), WORDS)), place)["cells"] > 0
    refused = sent(press(Shown(request_of(kept_classes=4), WORDS)), place)
    assert refused["said"] == refused["obstacle"]
    assert "sides" not in refused


@pytest.mark.parametrize("early", [True, False])
def test_figures_of_a_question_that_was_overtaken_are_not_shown(
    button, request_of, monkeypatch, early
):
    press, place, latest = button
    monkeypatch.setattr("errseg.demo.page.figure2.current_visitor", lambda: "visitor")
    ask = questions.ask_figure2

    def overtaken(*asked):
        if early:  # it is not even computed
            latest.begin("visitor")
            return ask(*asked)
        found = ask(*asked)
        latest.begin("visitor")
        return found

    latest.begin("visitor")
    assert "data-view" in press(Shown(request_of(), WORDS))[place]
    monkeypatch.setattr(questions, "ask_figure2", overtaken)
    step = press(Shown(request_of(), WORDS))
    assert "data-view" not in str(step.get(place, ""))
