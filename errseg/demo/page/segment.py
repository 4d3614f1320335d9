"""The main view: masks, CRM and attention side by side."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Iterator
from dataclasses import dataclass

import gradio as gr

from errseg.demo.backend import links as share
from errseg.demo.backend import view
from errseg.demo.backend.examples import Example
from errseg.demo.backend.request import Request, check_request, check_settings
from errseg.demo.backend.service import Answer, Service, query_pixel
from errseg.demo.backend.word_help import follow_vocabulary
from errseg.demo.page import html
from errseg.demo.page.controls import kept_slider
from errseg.demo.page.events import AT_ONCE, COMPUTES, answered, sent_flag, sent_number, served
from errseg.demo.page.opening import Opening
from errseg.demo.page.panels import panel
from errseg.demo.page.question import SECONDS_TO_REMEMBER, Question, example_at
from errseg.errors import InputError
from errseg.words.vocabulary import MAX_CLASSES, parse_classes, suggested_kept_classes

SEGMENT = "segment"
"""The main tab's id."""


@dataclass(frozen=True)
class Shown:
    """What one visitor sees: clicks and knobs refer to it, not to what was typed since."""

    request: Request
    pixel: tuple[int, int] | None = None  # the query, (x, y)
    without_crm: bool = False


@dataclass(frozen=True)
class SegmentTab:
    """The main view's components."""

    shown: gr.State
    masks: gr.HTML
    ranking: gr.HTML
    cost: gr.HTML
    attention: gr.HTML
    notes: gr.HTML


def build_segment_tab(opening: Request, stored: Opening | None) -> SegmentTab:
    """Lay out the main view, with the stored opening if there is one."""
    shown_at_first = ("", "", "", html.waiting())
    if stored:
        panels = (stored.masks, stored.ranking, stored.attention)
        shown_at_first = (*map(view.as_html, panels), html.stored_notes(stored.timing))
    shown = gr.State(Shown(opening), time_to_live=SECONDS_TO_REMEMBER)
    with gr.Row(elem_id="errseg-answer"):
        with gr.Column(scale=5, min_width=300):
            masks = panel("masks", shown_at_first[0])
        with gr.Column(scale=3, min_width=280):
            ranking = panel("ranking", shown_at_first[1])
            cost = panel("cost")
        with gr.Column(scale=4, min_width=300):
            attention = panel("attention", shown_at_first[2])
    notes = gr.HTML(shown_at_first[3], elem_id="errseg-notes")
    return SegmentTab(shown, masks, ranking, cost, attention, notes)


def add_segment_events(
    demo: gr.Blocks,
    tabs: gr.Tabs,
    tab: SegmentTab,
    question: Question,
    examples: tuple[Example, ...],
    service: Service,
    stored: Opening | None,
) -> None:
    """Connect the main view with the question and with the server."""
    message = question.message
    outputs = [
        tab.shown,
        tab.masks,
        tab.ranking,
        tab.cost,
        tab.attention,
        tab.notes,
        question.kept,
        question.threshold,
        tabs,
        message,
    ]
    show = functools.partial(_show, service, tab, question)

    @answered(message)
    def segment_page(values):
        request, shown = question.request(values), values[tab.shown]
        before, now = len(shown.request.vocabulary), len(request.vocabulary)
        if before != now:
            kept = follow_vocabulary(request.kept_classes, before, now)
            request = dataclasses.replace(request, kept_classes=kept)
        for place, updates in enumerate(show(request, shown)):
            yield updates if place else {tabs: gr.update(selected=SEGMENT), **updates}

    @answered(message)
    def turn_knob(kept, votes, threshold, beta, shown):
        """Only the decoder runs again: the photo's and the words' embeddings are remembered."""
        settings = check_settings(kept, votes, threshold, beta)
        yield from show(dataclasses.replace(shown.request, **settings), shown)

    @answered(message)
    def follow_link(request: gr.Request):
        """Fill in what the page's address says; without a link the opening is shown."""
        link = share.read_link(dict(request.query_params), examples)
        if link is None:
            return {linked: None}
        example = link.example or examples[0]
        words = example.classes if link.classes is None else link.classes
        settings = {"kept_classes": _advice(words), **link.settings}
        asked = dataclasses.replace(check_request(served(example.path), words), **settings)
        named = service.models.look_up(service.models.named(asked).model)
        knobs = {
            question.kept: kept_slider(asked.kept_classes, len(asked.vocabulary)),
            question.votes: asked.votes_per_pixel,
            question.threshold: gr.skip() if asked.threshold is None else asked.threshold,
            question.picked: named,
            question.beta: asked.beta,
            question.model: gr.update(value=named, choices=service.models.names),
            question.expand: asked.expand,
        }
        return {linked: asked, question.photo: asked.photo, question.classes: words, **knobs}

    @answered(message)
    def open_page(asked, shown):
        if asked is not None:
            yield from show(asked, shown)
        elif stored is None:
            answer, attention = service.opening()
            updates = _answer_updates(service, tab, question, shown.request, answer)
            del updates[message]  # it may say why a link could not be followed
            yield updates
            yield {tab.attention: view.as_html(view.attention(attention))}
        else:
            yield {tab.cost: gr.skip()}

    @answered(message)
    def ask_attention(shown, event: gr.EventData):
        pixel = (sent_number(event, "x"), sent_number(event, "y"))
        if None in pixel:
            raise InputError("Give the query pixel as two whole numbers, x and y.")
        without = sent_flag(event, "without", shown.without_crm)
        answer = service.attention(shown.request, pixel, without)
        return {
            tab.attention: view.as_html(view.attention(answer)),
            tab.shown: Shown(shown.request, pixel, without),
            message: "",
        }

    @answered(message)
    def ask_cost(shown, event: gr.EventData):
        index = sent_number(event, "index")
        maps = service.cost_view(shown.request, -1 if index is None else index)
        name = shown.request.vocabulary.names[index]
        return {tab.cost: view.as_html(view.cost(name, maps)), message: ""}

    def pick_example(event: gr.EventData):
        example = example_at(examples, event)
        return served(example.path), example.classes

    inputs = {*question.inputs, tab.shown}
    runs = {**COMPUTES, "show_progress_on": tab.masks}
    gr.on([question.run.click, question.classes.submit], segment_page, inputs, outputs, **runs)
    knobs = [question.kept, question.votes, question.threshold, question.beta]
    for knob in knobs:
        knob.release(turn_knob, [*knobs, tab.shown], outputs, trigger_mode="always_last", **runs)
    linked = gr.State(None, time_to_live=SECONDS_TO_REMEMBER)
    filled = [linked, question.photo, question.classes, *knobs, message]
    filled += [question.model, question.picked, question.expand]
    demo.load(follow_link, None, filled, **AT_ONCE).then(
        open_page, [linked, tab.shown], outputs, **runs
    )
    question.strip.click(
        pick_example,
        None,
        [question.photo, question.classes],
        queue=False,
        api_visibility="private",
    ).success(segment_page, inputs, outputs, **runs)
    clicks = {**COMPUTES, "trigger_mode": "always_last", "show_progress": "minimal"}
    for source in (tab.masks, tab.attention):
        source.select(ask_attention, tab.shown, [tab.attention, tab.shown, message], **clicks)
    tab.ranking.select(ask_cost, tab.shown, [tab.cost, message], **clicks)


def _show(
    service: Service, tab: SegmentTab, question: Question, request: Request, before: Shown
) -> Iterator[dict]:
    """Answer a question in two steps: masks and CRM, then attention."""
    answer = service.answer(request)
    pixel = before.pixel if request.photo == before.request.photo else None
    height, width = answer.result.labels.shape
    if pixel is None or not (pixel[0] < width and pixel[1] < height):
        pixel = query_pixel(answer)
    yield {
        tab.shown: Shown(request, pixel),
        **_answer_updates(service, tab, question, request, answer),
    }
    attention = service.attention(request, pixel)
    yield {tab.attention: view.as_html(view.attention(attention))}


def _answer_updates(
    service: Service, tab: SegmentTab, question: Question, request: Request, answer: Answer
) -> dict:
    started = time.perf_counter()
    updates = {
        tab.masks: view.as_html(view.masks(answer)),
        tab.ranking: view.as_html(view.ranking(answer)),
        tab.cost: "",
        question.kept: kept_slider(request.kept_classes, len(request.vocabulary)),
        question.threshold: answer.result.settings.threshold,
        question.message: "",
    }
    drawing = time.perf_counter() - started
    return {**updates, tab.notes: html.notes(answer, service.device, drawing)}


def _advice(words: str) -> int:
    return suggested_kept_classes(len(parse_classes(words, limit=MAX_CLASSES)))
