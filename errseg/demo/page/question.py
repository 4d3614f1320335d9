"""The question: photo, words and knobs, shared by all tabs."""

from collections.abc import Callable
from dataclasses import dataclass

import gradio as gr
from gradio.components import Component

from errseg.demo.backend import word_help
from errseg.demo.backend.cheaper import LOOKS
from errseg.demo.backend.examples import Example
from errseg.demo.backend.request import Request, check_options, check_request
from errseg.demo.backend.service import SECONDS_TO_KEEP, Service
from errseg.demo.page import html
from errseg.demo.page.controls import SLIDERS, first_kept_slider, kept_bound, slider
from errseg.demo.page.events import AT_ONCE, LOOKS_UP, answered, uploaded
from errseg.demo.page.hints import as_shown, build_hints
from errseg.demo.page.picture import Picture
from errseg.demo.page.suggest import Suggestions, add_find_event, build_ask, build_chips
from errseg.device import AUTOMATIC, FLOAT32
from errseg.errors import InputError
from errseg.words.vocabulary import (
    MAX_CLASSES,
    load_vocabulary,
    named_vocabularies,
    parse_classes,
)

PHOTO_LATER = "later"  # photo of a question that is asked of many


@dataclass(frozen=True)
class Question:
    """The components that a visitor fills in."""

    photo: gr.Image
    strip: gr.HTML
    classes: gr.Textbox
    knobs: dict[str, Component]  # by the fields of `Options`
    model: gr.Dropdown
    picked: gr.State  # the model that the threshold's slider was last set for
    run: gr.Button
    message: gr.HTML
    hints: gr.HTML
    suggestions: Suggestions
    found: gr.events.Dependency  # the Hub was asked for models: what lists them follows

    @property
    def inputs(self) -> list[Component]:
        """The components whose values make a question."""
        return [self.photo, self.classes, self.model, *self.knobs.values()]

    def request(self, values: dict) -> Request:
        """Check what a visitor filled in: values of `inputs`, as Gradio gives them for a set.

        Without the photo the request's photo comes later.

        Raises:
            InputError: something can't be used.
        """
        photo = uploaded(values[self.photo]) if self.photo in values else PHOTO_LATER
        options = {name: values[knob] for name, knob in self.knobs.items()}
        return check_request(photo, values[self.classes], values[self.model], **options)


def build_question(
    page: gr.Blocks,
    picture: Picture,
    notes: gr.HTML,
    examples: tuple[Example, ...],
    service: Service,
) -> Question:
    """Lay out the question beside its picture, filled in with the first example, and its events.

    The notes about the answer stand below.
    """
    first, message = examples[0], gr.HTML(elem_id="errseg-message", render=False)
    with gr.Column(scale=5, min_width=320, elem_id="errseg-question"):
        classes, lint = _build_words(first.classes)
        hints = build_hints()
        chips = build_chips()
        with gr.Row(elem_id="errseg-buttons"):
            run = gr.Button("Segment", variant="primary", scale=3, elem_id="errseg-run")
            suggestions = Suggestions(build_ask(), chips)
        knobs = _build_knobs(len(parse_classes(first.classes)), service)
        message.render()  # it comes and goes, and moves nothing that is being turned
        gr.HTML(elem_id="errseg-legend")  # the masks' script puts the legend here
        with gr.Accordion("More", open=False, elem_id="errseg-advanced"):
            _build_ready_made(classes, message)
            model, found = _build_advanced(knobs, message, service)
        _build_offer(page, model, service)
        notes.render()
    picked = gr.State(service.models.first, time_to_live=SECONDS_TO_KEEP)
    question = Question(
        picture.photo,
        picture.strip,
        classes,
        knobs,
        model,
        picked,
        run,
        message,
        hints,
        suggestions,
        found,
    )
    add_find_event(suggestions, question.photo, model, message, service)
    _look_at_words(question, lint, service)
    _follow_model(question, service)
    return question


def _build_words(words: str) -> tuple[gr.Textbox, gr.HTML]:
    """Lay out the words, and what to know about them."""
    classes = gr.Textbox(
        words,
        label="Words",
        info="Commas part classes; sofa | couch are two words for one.",
        placeholder="dog, grass, sky",
        lines=1,  # with more, Gradio's Enter breaks the line
        max_lines=6,
        elem_id="errseg-classes",
    )
    lint = gr.HTML(html.line("lint", " ".join(word_help.lint(words))), elem_id="errseg-lint")
    return classes, lint


def _build_ready_made(classes: gr.Textbox, message: gr.HTML) -> None:
    """Lay out what fills words in."""
    with gr.Row(elem_id="errseg-vocabulary"):
        named = gr.Dropdown(
            [(text.split(":")[0], name) for name, text in named_vocabularies().items()],
            value="voc20",
            show_label=False,
            container=False,
            label="Ready-made words",
            min_width=160,
            scale=3,
        )

        def add_button(label: str, width: int, write: Callable[[str, str], str]) -> None:
            @answered(message)
            def write_words(text, name):
                return {classes: write(text, name), message: ""}

            button = gr.Button(label, size="sm", min_width=width)
            private = {**AT_ONCE, "api_name": write.__name__}
            button.click(write_words, [classes, named], [classes, message], **private)

        def load_words(text: str, name: str) -> str:
            return load_vocabulary(name).text

        def append_words(text: str, name: str) -> str:
            return word_help.append(text, load_vocabulary(name))

        def append_background(text: str, name: str) -> str:
            return word_help.append_background(text)

        add_button("Replace words", 100, load_words)
        add_button("Add", 50, append_words)
        add_button("Add surroundings", 120, append_background)


def _build_knobs(size: int, service: Service) -> dict[str, Component]:
    """Lay out the knobs that are turned most, for a vocabulary of some size."""
    with gr.Row(elem_id="errseg-knobs"):
        return {
            "kept_classes": first_kept_slider(size),
            "votes_per_pixel": slider("votes_per_pixel"),
            "threshold": slider("threshold", value=service.models.threshold()),
        }


def _build_advanced(
    knobs: dict[str, Component], message: gr.HTML, service: Service
) -> tuple[gr.Dropdown, gr.events.Dependency]:
    """Lay out the other knobs and the model; return the model, and its list's news."""
    models = service.models
    with gr.Row():
        knobs |= {name: slider(name) for name in SLIDERS if name not in knobs}
        knobs["input_size"] = gr.Number(
            None,
            label="Input size",
            info="pixels, 128 to 1024; 0: the model's own",
            precision=0,
            min_width=150,
            elem_id="errseg-input-size",
        )
        knobs["tiles"] = gr.Radio(
            [(LOOKS[tiles], tiles) for tiles in (AUTOMATIC, 1, 2, 3)],
            value=AUTOMATIC,
            label="Look closer",
            info="at large photos, in tiles; 3 x 3 takes ten times as long",
            min_width=240,
            elem_id="errseg-tiles",
        )
        knobs["closer_at"] = gr.Textbox(
            "",
            label="Closer at one place",
            info="x,y, as the button below the picture fills in",
            placeholder="0.5,0.25",
            max_lines=1,
            min_width=150,
            elem_id="errseg-closer-at",
        )
    with gr.Row():
        model = gr.Dropdown(
            models.names,
            value=models.first,
            label="Model",
            info="released ones have to be looked for",
            min_width=150,
            elem_id="errseg-model",
        )
        knobs["precision"] = gr.Dropdown(
            list(dict.fromkeys((AUTOMATIC, FLOAT32, models.precision))),
            value=models.precision,
            label="Precision",
            info="auto is the fastest here",
            min_width=150,
            elem_id="errseg-precision",
        )
    knobs["expand"] = gr.Checkbox(
        True,
        label="Look up rare words",
        info="capybara is read as capybara, rodent, animal",
        elem_id="errseg-expand",
    )
    find = gr.Button("Look for released models", size="sm", elem_id="errseg-find")

    @answered(message)
    def find_models():
        return {model: gr.update(choices=models.find_released()), message: ""}

    return model, find.click(find_models, None, [model, message], **LOOKS_UP)


def _build_offer(page: gr.Blocks, model: gr.Dropdown, service: Service) -> None:
    """Offer the large model where there is a GPU and the Hub answers."""
    large = gr.Button(size="sm", visible=False, elem_id="errseg-large")
    offered = gr.State(None, time_to_live=SECONDS_TO_KEEP)

    def offer():
        name = service.models.large()
        if name is None:
            return gr.skip(), gr.skip(), gr.skip()
        text = f"There is a GPU here: use the published model {name}"
        return gr.update(value=text, visible=True), gr.update(choices=service.models.names), name

    page.load(offer, None, [large, model, offered], **LOOKS_UP)
    large.click(lambda name: (name, gr.update(visible=False)), offered, [model, large], **AT_ONCE)


def _look_at_words(question: Question, lint: gr.HTML, service: Service) -> None:
    """Say what there is to know about the words while they are typed."""
    kept = question.knobs["kept_classes"]

    @answered(question.message)
    def look_at_words(text, kept_classes):
        try:
            words = parse_classes(text, limit=MAX_CLASSES)  # once for all that look at them
        except InputError as error:  # half typed
            return {lint: html.line("lint", str(error)), question.hints: as_shown(())}
        said = word_help.lint(words, word_help.too_long(service.models, words))
        found = html.line("lint", " ".join(said))
        try:
            kept_now = check_options({"kept_classes": kept_classes})["kept_classes"]
            bound = kept_bound(kept_now, words)
        except InputError:
            bound = gr.skip()
        return {lint: found, kept: bound, question.hints: as_shown(service.hints(words))}

    outputs = [lint, question.hints, kept, question.message]
    question.classes.change(
        look_at_words, [question.classes, kept], outputs, trigger_mode="always_last", **AT_ONCE
    )


def _follow_model(question: Question, service: Service) -> None:
    """Let the threshold follow the model, unless the visitor has chosen another one."""
    threshold = question.knobs["threshold"]

    def follow_model(model, before, chosen):
        own = service.models.threshold(model if isinstance(model, str) else "")
        left_alone = chosen == service.models.threshold(before)
        return (own if left_alone and own is not None else gr.skip()), model

    inputs, outputs = [question.model, question.picked, threshold], [threshold, question.picked]
    question.model.change(follow_model, inputs, outputs, **AT_ONCE)
