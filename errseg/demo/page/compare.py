"""Two settings on one photo, under a slider."""

from dataclasses import dataclass

import gradio as gr
import numpy as np
from PIL import Image

from errseg.demo.backend.answers import Answer
from errseg.demo.backend.request import Request, check_options
from errseg.demo.backend.service import Service
from errseg.demo.backend.side_by_side import colored_alike
from errseg.demo.page import html
from errseg.demo.page.controls import slider
from errseg.demo.page.events import AT_ONCE, COMPUTES, answered
from errseg.demo.page.question import Question
from errseg.pictures.captions import labelled_overlay
from errseg.pictures.overlay import resize_labels, summarize
from errseg.words.vocabulary import MAX_CLASSES, parse_classes

FINAL, RAW = "masks", "raw cost maps"
AS_ABOVE = ""  # A side's model that is the question's


@dataclass(frozen=True)
class Side:
    """One side's components; what they leave open is as the question has it."""

    classes: gr.Textbox
    knobs: dict[str, gr.Slider]  # by the fields of `Options`
    show: gr.Radio
    model: gr.Dropdown

    @property
    def inputs(self) -> list:
        """All of them."""
        return [self.classes, *self.knobs.values(), self.show, self.model]

    def request(self, request: Request, values: dict, advised: float | None) -> Request:
        """Ask the question with this side's settings, the values of `inputs`.

        Where the threshold was left as the question's model advises, another model has its own.

        Raises:
            InputError: one of them can't be used.
        """
        words, model = values[self.classes], str(values[self.model] or request.model)
        changes = check_options({name: values[knob] for name, knob in self.knobs.items()})
        if values[self.model] and request.options.threshold == advised:
            changes["threshold"] = None
        vocabulary = request.vocabulary
        if not isinstance(words, str | None) or (words or "").strip():
            vocabulary = parse_classes(words, limit=MAX_CLASSES)
        return Request(request.photo, vocabulary, request.options.changed(**changes), model)


def build_compare_tab(question: Question, service: Service) -> None:
    """Lay out the tab and its events."""
    with gr.Row():
        left, right = (_build_side(service, *side) for side in (("A", FINAL), ("B", RAW)))
    run = gr.Button("Compare", variant="primary", elem_id="errseg-compare-run")
    message = gr.HTML()
    pictures = gr.ImageSlider(
        label="A | B",
        show_label=False,
        format="png",
        interactive=False,
        max_height=640,
        elem_id="errseg-compare",
    )
    outcome = gr.HTML(elem_id="errseg-compare-outcome")

    @answered(message)
    def compare(values):
        request = question.request(values)
        advised = service.models.threshold(request.model)
        asked = [side.request(request, values, advised) for side in (left, right)]
        service.check_all(asked, same_photo=True, what="side")
        answers = [service.answer(one) for one in asked]
        shown = (values[left.show], values[right.show])
        labels = [labels_of(answer, kind) for answer, kind in zip(answers, shown, strict=True)]
        changed = changed_part(answers[0], labels[0], answers[1], labels[1])
        said = f"{changed:.1%} of the pixels have another class in A and B."
        return {
            pictures: drawn_alike(answers, labels),
            outcome: html.line("sentence", said),
            message: "",
        }

    def follow_models():
        choices = gr.update(choices=model_choices(service))
        return choices, choices

    question.found.then(follow_models, None, [left.model, right.model], **AT_ONCE)
    run.click(
        compare,
        {*question.inputs, *left.inputs, *right.inputs},
        [pictures, outcome, message],
        **COMPUTES,
        show_progress_on=pictures,
    )


def labels_of(answer: Answer, kind: str) -> np.ndarray:
    """Labels (H, W): the network's, or the best class of the stride-16 cost maps alone.

    The threshold holds for both: a cost map has no score of its own, so "none of these" is where
    the network says so, and two sides differ in what they see only.
    """
    labels = answer.result.labels
    if kind != RAW:
        return labels
    raw = resize_labels(answer.result.ranking[0], labels.shape[::-1]).astype(np.int64)
    return np.where(labels < 0, labels, raw)


def changed_part(first: Answer, a: np.ndarray, second: Answer, b: np.ndarray) -> float:
    """Tell which part of the pixels has a class of another name, 0 to 1."""
    names = {name: place for place, name in enumerate(first.result.classes)}
    table = [names.get(name, len(names) + k) for k, name in enumerate(second.result.classes)]
    return float((np.append(table, -1)[b] != a).mean())  # index -1: no class


def drawn_alike(answers: list[Answer], labels: list[np.ndarray]) -> tuple[Image.Image, ...]:
    """Draw label maps over the answers' photos; a name has the same colour in all of them."""
    pictures = []
    for answer, shown in zip(colored_alike(answers, labels), labels, strict=True):
        result = answer.result
        entries = summarize(shown, result.scores, result.classes, answer.colors)
        pictures.append(labelled_overlay(answer.photo, shown, entries, legend_below=False))
    return tuple(pictures)


def model_choices(service: Service) -> list[tuple[str, str]]:
    """The models that a side can have: what it is called, and its name."""
    return [("as above", AS_ABOVE), *((name, name) for name in service.models.names)]


def _build_side(service: Service, name: str, kind: str) -> Side:
    place = f"errseg-compare-{name.lower()}"
    with gr.Column(min_width=280), gr.Group():
        return Side(
            classes=gr.Textbox(
                label=f"{name}: classes",
                placeholder="as above",
                lines=1,
                elem_id=f"{place}-classes",
            ),
            knobs={knob: slider(knob, name) for knob in ("kept_classes", "votes_per_pixel")},
            show=gr.Radio([FINAL, RAW], value=kind, label=f"{name}: show"),
            model=gr.Dropdown(
                model_choices(service),
                value=AS_ABOVE,
                label=f"{name}: model",
                elem_id=f"{place}-model",
            ),
        )
