"""The question: photo, words and knobs, shared by all tabs."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from errseg.config import BETA, VOTES_PER_PIXEL
from errseg.demo.backend import word_help as vocabulary_tools
from errseg.demo.backend.examples import Example
from errseg.demo.backend.request import MOST_VOTES, Request, check_request
from errseg.demo.backend.service import Service
from errseg.demo.page import html
from errseg.demo.page.controls import alternative, kept_bound, slider
from errseg.demo.page.events import AT_ONCE, answered, checked, sent_number, served
from errseg.device import AUTOMATIC, FLOAT32
from errseg.errors import InputError
from errseg.words.vocabulary import named_vocabularies, parse_classes, suggested_kept_classes

SECONDS_TO_REMEMBER = 3600
"""What a page remembers of its visitor is kept that long after the visitor has gone."""
PHOTO_LATER = "later"
"""Photo of a question that is asked of many."""


@dataclass(frozen=True)
class Question:
    """The components that a visitor fills in."""

    photo: gr.Image
    strip: gr.HTML
    classes: gr.Textbox
    kept: gr.Slider
    votes: gr.Slider
    threshold: gr.Slider
    beta: gr.Slider
    input_size: gr.Number
    model: gr.Dropdown
    precision: gr.Dropdown
    expand: gr.Checkbox
    picked: gr.State  # the model that the threshold's slider was last set for
    run: gr.Button
    large: gr.Button  # takes the large model, where one is offered
    message: gr.HTML
    found: gr.events.Dependency  # the Hub was asked for models: what lists them follows

    @property
    def inputs(self) -> list:
        """The values of a question, in `check_request`'s order."""
        return [
            self.photo,
            self.classes,
            self.kept,
            self.votes,
            self.threshold,
            self.beta,
            self.input_size,
            self.model,
            self.precision,
            self.expand,
        ]

    def request(self, values: dict) -> Request:
        """Check what a visitor filled in.

        Args:
            values: of `inputs`, as Gradio gives them for a set of components. Without the photo
                the request's photo comes later.

        Raises:
            InputError: something can't be used.
        """
        settings = [values[component] for component in self.inputs if component != self.photo]
        if self.photo not in values:
            return check_request(PHOTO_LATER, *settings)
        return checked(values[self.photo], *settings)


def build_question(examples: tuple[Example, ...], service: Service) -> Question:
    """Lay out the question, filled in with the first example, and its own events."""
    first = examples[0]
    size = len(parse_classes(first.classes))
    with gr.Row(elem_id="errseg-question"):
        with gr.Column(scale=4, min_width=300):
            photo = gr.Image(
                served(first.path),
                type="filepath",
                label="Photo",
                **alternative("The photo to segment"),
                height=330,
                elem_id="errseg-photo",
            )
            strip = gr.HTML(
                html.examples(examples),
                js_on_load=html.EXAMPLES_SCRIPT,
                elem_id="errseg-examples",
            )
        with gr.Column(scale=5, min_width=300):
            classes = gr.Textbox(
                first.classes,
                label="Classes",
                info="Commas part classes; sofa | couch are two words for one. Shift+Enter starts.",
                placeholder="dog, grass, sky",
                lines=2,
                max_lines=6,
                elem_id="errseg-classes",
            )
            lint = gr.HTML(html.lint(vocabulary_tools.lint(first.classes)), elem_id="errseg-lint")
            with gr.Row(elem_id="errseg-vocabulary"):
                named = gr.Dropdown(
                    [(text.split(":")[0], name) for name, text in named_vocabularies().items()],
                    value="voc20",
                    show_label=False,
                    container=False,
                    label="Ready-made classes",
                    min_width=160,
                    scale=3,
                )
                load = gr.Button("Load", size="sm", min_width=60)
                append = gr.Button("Append", size="sm", min_width=70)
                background = gr.Button("+ background", size="sm", min_width=110)
            with gr.Row():
                kept = slider(
                    1,
                    size,
                    suggested_kept_classes(size),
                    1,
                    "P",
                    "classes kept",
                    elem_id="errseg-kept",
                )
                votes = slider(
                    1,
                    MOST_VOTES,
                    VOTES_PER_PIXEL,
                    1,
                    "K",
                    "votes per pixel",
                    elem_id="errseg-votes",
                )
                threshold = slider(
                    0,
                    1,
                    service.models.threshold(),
                    0.01,
                    "Threshold",
                    "lower is none of these",
                    elem_id="errseg-threshold",
                )
            with gr.Accordion("Advanced", open=False, elem_id="errseg-advanced"):
                with gr.Row():
                    beta = slider(
                        0,
                        1,
                        BETA,
                        0.05,
                        "Beta",
                        "weight of each further vote",
                        elem_id="errseg-beta",
                    )
                    input_size = gr.Number(
                        None,
                        label="Input size",
                        info="pixels, 128 to 1024; 0: the model's own",
                        precision=0,
                        min_width=150,
                        elem_id="errseg-input-size",
                    )
                with gr.Row():
                    model = gr.Dropdown(
                        service.models.names,
                        value=service.models.first,
                        label="Model",
                        info="released ones have to be looked for",
                        min_width=150,
                        elem_id="errseg-model",
                    )
                    precision = gr.Dropdown(
                        list(dict.fromkeys((AUTOMATIC, FLOAT32, service.models.precision))),
                        value=service.models.precision,
                        label="Precision",
                        info="auto is the fastest here",
                        min_width=150,
                        elem_id="errseg-precision",
                    )
                expand = gr.Checkbox(
                    True,
                    label="Look up rare words",
                    info="capybara is read as capybara, rodent, animal",
                    elem_id="errseg-expand",
                )
                find = gr.Button("Look for released models", size="sm", elem_id="errseg-find")
            run = gr.Button("Segment", variant="primary", elem_id="errseg-run")
            large = gr.Button(size="sm", visible=False, elem_id="errseg-large")
            message = gr.HTML(elem_id="errseg-message")
    question = Question(
        photo=photo,
        strip=strip,
        classes=classes,
        kept=kept,
        votes=votes,
        threshold=threshold,
        beta=beta,
        input_size=input_size,
        model=model,
        precision=precision,
        expand=expand,
        picked=gr.State(service.models.first, time_to_live=SECONDS_TO_REMEMBER),
        run=run,
        large=large,
        message=message,
        found=_add_model_event(find, model, message, service),
    )
    _add_word_events(question, named, load, append, background, lint, service)
    _add_threshold_event(question, service)
    return question


def example_at(examples: tuple[Example, ...], event: gr.EventData) -> Example:
    """Return the example that was clicked."""
    index = sent_number(event, "index")
    if index is None or not 0 <= index < len(examples):
        raise gr.Error("There is no such example.", print_exception=False)
    return examples[index]


def _add_word_events(
    question: Question,
    named: gr.Dropdown,
    load: gr.Button,
    append: gr.Button,
    background: gr.Button,
    lint: gr.HTML,
    service: Service,
) -> None:
    classes, message = question.classes, question.message

    @answered(message)
    def load_words(name):
        return {classes: vocabulary_tools.append_named("", name), message: ""}

    @answered(message)
    def append_words(text, name):
        return {classes: vocabulary_tools.append_named(text, name), message: ""}

    @answered(message)
    def append_background(text):
        return {classes: vocabulary_tools.append_background(text), message: ""}

    @answered(message)
    def look_at_words(text, kept):
        found = html.lint(vocabulary_tools.lint(text, service.too_long(text)))
        try:
            bound = kept_bound(kept, text)
        except InputError:  # half typed; the line below the words says what is wrong
            bound = gr.skip()
        return {lint: found, question.kept: bound}

    load.click(load_words, named, [classes, message], **AT_ONCE)
    append.click(append_words, [classes, named], [classes, message], **AT_ONCE)
    background.click(append_background, classes, [classes, message], **AT_ONCE)
    classes.change(
        look_at_words,
        [classes, question.kept],
        [lint, question.kept, message],
        trigger_mode="always_last",
        **AT_ONCE,
    )


def _add_model_event(
    find: gr.Button, model: gr.Dropdown, message: gr.HTML, service: Service
) -> gr.events.Dependency:
    @answered(message)
    def find_models():
        return {model: gr.update(choices=service.models.find_released()), message: ""}

    return find.click(find_models, None, [model, message], **AT_ONCE)


def _add_threshold_event(question: Question, service: Service) -> None:
    """Let the threshold follow the model, unless the visitor has chosen another one."""

    def follow_model(model, before, threshold):
        own = service.models.threshold(model if isinstance(model, str) else "")
        left_alone = threshold == service.models.threshold(before)
        return (own if left_alone and own is not None else gr.skip()), model

    question.model.change(
        follow_model,
        [question.model, question.picked, question.threshold],
        [question.threshold, question.picked],
        **AT_ONCE,
    )


def add_offer(demo: gr.Blocks, question: Question, service: Service) -> None:
    """Offer the large model where there is a GPU and the Hub answers."""
    offered = gr.State(None, time_to_live=SECONDS_TO_REMEMBER)

    def offer():
        name = service.models.large()
        if name is None:
            return gr.skip(), gr.skip(), gr.skip()
        text = f"There is a GPU here: use the published model {name}"
        return gr.update(value=text, visible=True), gr.update(choices=service.models.names), name

    def take(name):
        return name, gr.update(visible=False)

    demo.load(offer, None, [question.large, question.model, offered], **AT_ONCE)
    question.large.click(take, offered, [question.model, question.large], **AT_ONCE)
