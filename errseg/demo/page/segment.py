"""The main view: the picture with its masks, and a look inside: CRM and attention."""

import dataclasses
import time
from collections.abc import Callable, Iterator

import gradio as gr

from errseg.demo.backend import view
from errseg.demo.backend.answers import Answer, AttentionAnswer, legend_classes
from errseg.demo.backend.examples import Example
from errseg.demo.backend.links import read_link
from errseg.demo.backend.places import GoneError
from errseg.demo.backend.request import Request, check_options, check_request
from errseg.demo.backend.service import SECONDS_TO_KEEP, Service
from errseg.demo.backend.word_help import kept_for
from errseg.demo.page import html
from errseg.demo.page.address import page_links
from errseg.demo.page.closer import add_closer_events
from errseg.demo.page.controls import kept_slider
from errseg.demo.page.events import (
    AS_MADE,
    AT_ONCE,
    COMPUTES,
    SHOWS_NO_PROGRESS,
    answered,
    beside,
    current_visitor,
    sent,
    served,
    uploaded,
)
from errseg.demo.page.figure2 import add_figure2_events, offered
from errseg.demo.page.hints import as_shown
from errseg.demo.page.look_inside import add_look_inside_events
from errseg.demo.page.new_photo import NewPhotos
from errseg.demo.page.opening import Opening
from errseg.demo.page.picture import Picture
from errseg.demo.page.question import PHOTO_LATER, Question
from errseg.demo.page.shown import SegmentTab, Shown, first_pixel
from errseg.demo.page.stop import Stoppable
from errseg.errors import InputError
from errseg.options import as_text
from errseg.options import knobs as option_knobs
from errseg.words.vocabulary import suggested_kept_classes

SEGMENT = "segment"  # the main tab's id
PHOTO_MISSING = "These words were asked of a photo that isn't in the link; drop yours."


def add_segment_events(
    page: gr.Blocks,
    tabs: gr.Tabs,
    tab: SegmentTab,
    picture: Picture,
    question: Question,
    examples: tuple[Example, ...],
    service: Service,
    stored: Opening | None,
) -> None:
    """Connect the main view with the question and with the server."""
    message, knobs = question.message, question.knobs
    kept, threshold, place = knobs["kept_classes"], knobs["threshold"], knobs["closer_at"]
    run = question.run
    boxes = [kept, threshold, knobs["tiles"], place]
    outputs = [*vars(tab).values(), question.hints, *boxes, tabs, message, run]
    inputs = {*question.inputs, tab.shown, tab.chosen}
    runs = {**COMPUTES, **AS_MADE, **SHOWS_NO_PROGRESS, "trigger_mode": "multiple"}
    stop, link_to = Stoppable(run, message, service.places), page_links(examples, service)

    def question_of(shown: Shown, answer: Answer) -> dict:
        return {**shown.question, "link": link_to(shown.request, answer.result.settings.threshold)}

    def panels(shown: Shown, answer: Answer) -> dict:
        return {
            tab.masks: view.as_html({**view.masks(answer), "question": question_of(shown, answer)}),
            tab.ranking: view.as_html(view.ranking(answer)),
        }

    def changed_panels(shown: Shown, answer: Answer, only_threshold: bool = False) -> dict:
        """What other settings change in them."""
        masks = view.masks_changes(answer, only_threshold)
        masks["changes"]["question"] = question_of(shown, answer)
        ranking = view.ranking_changes(answer) if only_threshold else view.ranking(answer)
        return {tab.masks: view.as_html(masks), tab.ranking: view.as_html(ranking)}

    def threshold_panels(shown: Shown, answer: Answer) -> dict:
        """What another threshold changes; Fig. 2 asks the pixels of the masks."""
        return {**changed_panels(shown, answer, True), tab.figure2: offered(shown.request)}

    def updates(shown: Shown, answer: Answer, draw: Callable = panels) -> dict:
        started, request = time.perf_counter(), shown.request
        drawn = {tab.shown: shown, **draw(shown, answer)}
        drawing = time.perf_counter() - started
        return {
            **drawn,
            tab.notes: html.notes(answer, service.device, drawing),
            question.hints: as_shown(answer.result.hints),
            kept: kept_slider(request.options.kept_classes, len(request.vocabulary)),
            threshold: answer.result.settings.threshold,
            place: as_text(answer.request.options.closer_at),
            message: "",
        }

    def attended_updates(shown: Shown, answer: AttentionAnswer) -> Iterator[dict]:
        attended = view.as_html({**view.attention(answer), "question": shown.question})
        yield {tab.attention: attended, tab.attention_message: "", tab.queries: ""}
        for part in view.queries(answer):
            yield {tab.queries: view.as_html(part)}

    def show(
        request: Request, words: str, before: Shown, is_last: Callable[[], bool]
    ) -> Iterator[dict]:
        """Answer a question in two steps: masks and CRM, then attention; its stages in between.

        Nothing comes of it once the same visitor has asked another one, or stopped it.
        """
        answer = yield from stop.wait_for(lambda: service.answer(request), is_last)
        pixel = first_pixel(answer, request, before)
        emptied = {tab.cost: "", tab.cost_message: "", tab.figure2: offered(request)}
        shown = Shown(answer.request, words, pixel)
        draw = changed_panels if before.is_of_same(request) else panels
        step = {**emptied, **updates(shown, answer, draw)}
        if not is_last():
            return
        yield {**step, **stop.idle}
        emptied = {tab.attention: "", tab.queries: ""}  # those of the question before
        first = legend_classes(answer)
        try:
            attended = yield from stop.wait_for(
                lambda: service.attention(shown.request, pixel, everywhere=first), is_last, True
            )
        except InputError as error:  # too many classes for it
            refused = {tab.attention_message: html.message(str(error))}
            yield {**emptied, **refused, message: ""}
            return
        except GoneError:
            if stop.was_stopped():  # else a later question brings its own, or has already
                yield emptied
            raise
        if not is_last() and stop.was_stopped():
            yield emptied
        for step in beside({message: ""}, attended_updates(shown, attended)):
            if is_last():
                yield step

    def ask(values: dict, chosen: int | None, is_last: Callable[[], bool]) -> Iterator[dict]:
        """Ask what stands in the boxes; P is what was chosen, or the paper's for these words."""
        request, shown = question.request(values), values[tab.shown]
        words = values[question.classes]
        request = request.changed(kept_classes=kept_for(chosen, len(request.vocabulary)))
        # Another threshold: cost maps and attention stay.
        if (again := request.same_but_threshold(shown.request)) is not None:
            answer = yield from stop.wait_for(lambda: service.answer(again), is_last)
            shown = dataclasses.replace(shown, request=answer.request, words=words)
            step = updates(shown, answer, threshold_panels)
            if is_last():
                yield {**step, **stop.idle}
        else:
            yield from show(request, words, shown, is_last)

    @answered(message)
    @stop
    def segment_page(is_last, values):
        to_front = {tabs: gr.update(selected=SEGMENT)}
        yield from beside(to_front, ask(values, values[tab.chosen], is_last))

    @answered(message)
    @stop
    def turn_knob(is_last, values):
        yield from ask(values, values[tab.chosen], is_last)

    @answered(message)
    @stop
    def choose_kept(is_last, values):
        chosen = check_options({"kept_classes": values[kept]})["kept_classes"]
        # With the first step, so that the question doesn't wait for a step of its own.
        yield from beside({tab.chosen: chosen}, ask(values, chosen, is_last))

    def look_up(model: str) -> str:
        service.places.teller()("ask")
        return service.models.look_up(model)

    @answered(message)
    def send_whole(shown):
        """Send the answer that is shown to a browser that was sent changes of it and lacks it."""
        is_last = stop.latest.current(current_visitor())
        with service.places.wanted(is_last):
            drawn = panels(shown, service.answer(shown.asked))
        return drawn if is_last() else {message: gr.skip()}

    def follow_link(request: gr.Request):
        """Fill in what the page's address says; without a link the opening is shown."""
        return {tab.shown: dataclasses.replace(tab.shown.value, opened=True), **followed(request)}

    @answered(message)
    def followed(request):
        link = read_link(dict(request.query_params), examples)
        if link is None:
            return {linked: None}
        example = link.example or examples[0]
        words = example.classes if link.classes is None else link.classes
        photo = None if link.lacks_photo else served(example.path)
        asked = check_request(photo or PHOTO_LATER, words, link.model)
        size = len(asked.vocabulary)
        asked = asked.changed(**{"kept_classes": suggested_kept_classes(size), **link.options})
        filled = {knob: getattr(asked.options, name) for name, knob in told.items()}
        filled |= {place: as_text(asked.options.closer_at)}
        filled[kept] = kept_slider(asked.options.kept_classes, size)
        if asked.options.threshold is None:
            filled[threshold] = gr.skip()
        if service.models.knows(asked.model):  # else the Hub has to be asked, which takes a while
            filled |= picked(asked.model)
        filled |= {tab.chosen: link.options.get("kept_classes")}
        return {
            linked: (asked, words),
            question.photo: photo,
            question.classes: words,
            **filled,
        }

    def picked(name: str) -> dict:
        """Fill in a model that there is."""
        name = name or service.models.first
        model = gr.update(value=name, choices=service.models.names)
        return {question.model: model, question.picked: name}

    @answered(message)
    @stop
    def open_page(is_last, asked, shown):
        if asked is not None and not service.models.knows(asked[0].model):
            try:
                name = yield from stop.wait_for(lambda: look_up(asked[0].model), is_last)
                yield {**picked(name), message: ""}
            except InputError as error:
                yield {message: html.message(str(error))}
                asked = None
        if asked is not None and asked[0].photo == PHOTO_LATER:
            panels = tab.masks, tab.ranking, tab.cost, tab.attention, tab.figure2, tab.notes
            yield {
                **dict.fromkeys(panels, ""),
                tab.shown: Shown(*asked),
                message: html.message(PHOTO_MISSING),
            }
        elif asked is not None:
            yield from show(*asked, shown, is_last)
        elif stored is None:
            answer, attention = service.opening()
            shown = dataclasses.replace(shown, pixel=attention.pixel)
            step = updates(shown, answer)
            del step[message]  # it may say why a link could not be followed
            yield step
            yield from attended_updates(shown, attention)
        else:  # behind the page itself, which paints sooner without them
            yield {tab.queries: view.as_html(stored.queries)}

    # Filling in is an event of its own: to Gradio's browser side a photo that a later step of the
    # same event leaves alone is no photo any more.
    @answered(message)
    def fill_in_example(event: gr.EventData):
        index = sent(event, "index", int)
        if index is None or not 0 <= index < len(examples):
            raise InputError("There is no such example.")
        photo, words = served(examples[index].path), examples[index].classes
        fill = {question.photo: photo, question.classes: words, tab.chosen: None, place: ""}
        return {**fill, tabs: gr.update(selected=SEGMENT), message: ""}

    @answered(message)
    def take_photo(event: gr.EventData):
        photo = uploaded(sent(event, "path", str))
        return {question.photo: photo, place: "", tabs: gr.update(selected=SEGMENT), message: ""}

    @answered(message)
    @stop
    def ask_about_photo(is_last, values):
        """A visitor's photo was uploaded: ask about it."""
        yield from new_photos.ask(values, is_last)

    new_photos = NewPhotos(question, tab.chosen, examples, service, ask)
    gr.on([question.run.click, question.classes.submit], segment_page, inputs, outputs, **runs)
    for knob in knobs.values():
        if isinstance(knob, gr.Slider):
            knob.release(choose_kept if knob is kept else turn_knob, inputs, outputs, **runs)
    tab.masks.whole(send_whole, tab.shown, [tab.masks, tab.ranking, message], **COMPUTES)
    linked = gr.State(None, time_to_live=SECONDS_TO_KEEP)
    told = {name: knobs[name] for name, knob in option_knobs().items() if knob.link}
    filled = [linked, question.photo, question.classes, question.model, question.picked, message]
    page.load(follow_link, None, [*filled, tab.shown, tab.chosen, *told.values()], **AT_ONCE).then(
        open_page, [linked, tab.shown], [*outputs, question.model, question.picked], **runs
    )
    filled_in = [question.photo, question.classes, tab.chosen, place, tabs, message]
    question.strip.click(fill_in_example, None, filled_in, **AT_ONCE).then(
        segment_page, inputs, outputs, **runs
    )
    taken = [question.photo, place, tabs, message]
    picture.place.upload(take_photo, None, taken, **AT_ONCE).then(
        ask_about_photo,
        inputs | new_photos.inputs,
        [*new_photos.outputs, *outputs],
        **runs,
    )
    add_closer_events(tab.masks, question, tab.chosen, ask, stop, inputs, outputs, runs)
    add_look_inside_events(tab, service)
    add_figure2_events(tab.figure2, message, tab.shown, service, stop.latest)
