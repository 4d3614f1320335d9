"""Two settings on one photo, under a slider."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import gradio as gr
import numpy as np
from PIL import Image

from errseg.config import KEPT_CLASSES, VOTES_PER_PIXEL
from errseg.demo.backend.request import MOST_VOTES, Request, check_settings
from errseg.demo.backend.service import Answer, Service
from errseg.demo.page import html
from errseg.demo.page.controls import MOST_KEPT, slider
from errseg.demo.page.events import AT_ONCE, COMPUTES, answered
from errseg.demo.page.question import Question
from errseg.pictures.captions import labelled_overlay
from errseg.pictures.overlay import resize_labels, summarize
from errseg.words.vocabulary import MAX_CLASSES, parse_classes

FINAL, RAW = "masks", "raw cost maps"
AS_ABOVE = ""
"""A side's model that is the question's."""


@dataclass(frozen=True)
class Side:
    """One side's components; what they leave open is as the question has it."""

    classes: gr.Textbox
    kept: gr.Slider
    votes: gr.Slider
    show: gr.Radio
    model: gr.Dropdown

    @property
    def inputs(self) -> list:
        """All of them."""
        return [getattr(self, field.name) for field in dataclasses.fields(self)]

    def request(self, request: Request, values: dict, advised: float | None) -> Request:
        """Ask the question with this side's settings.

        Args:
            request: the question.
            values: of `inputs`.
            advised: the threshold that the question's model advises; where it was left alone,
                another model has its own.

        Raises:
            InputError: one of them can't be used.
        """
        kept, votes, words = values[self.kept], values[self.votes], values[self.classes]
        changes = check_settings(kept, votes, request.threshold, request.beta)
        if (words or "").strip():
            changes["vocabulary"] = parse_classes(words, limit=MAX_CLASSES)
        if values[self.model]:
            changes["model"] = str(values[self.model])
            if request.threshold == advised:
                changes["threshold"] = None
        return dataclasses.replace(request, **changes)


def build_compare_tab(question: Question, service: Service) -> None:
    """Lay out the tab and its events."""
    with gr.Row():
        left = _build_side(service, "A", KEPT_CLASSES, FINAL)
        right = _build_side(service, "B", KEPT_CLASSES, RAW)
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
        answers = [service.answer(side.request(request, values, advised)) for side in (left, right)]
        labels = [
            labels_of(answer, values[side.show])
            for answer, side in zip(answers, (left, right), strict=True)
        ]
        share = changed_share(answers[0], labels[0], answers[1], labels[1])
        return {
            pictures: tuple(map(_drawn, answers, labels)),
            outcome: html.sentence(f"{share:.1%} of the pixels have another class in A and B."),
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
    """Labels (H, W): the network's, or the best class of the stride-16 cost maps alone."""
    labels = answer.result.labels
    if kind != RAW:
        return labels
    return resize_labels(answer.result.ranking[0], labels.shape[::-1]).astype(np.int64)


def changed_share(first: Answer, a: np.ndarray, second: Answer, b: np.ndarray) -> float:
    """Share of the pixels whose class has another name."""
    names = {name: place for place, name in enumerate(first.result.classes)}
    table = [names.get(name, len(names) + k) for k, name in enumerate(second.result.classes)]
    return float((np.append(table, -1)[b] != a).mean())  # index -1: no class


def model_choices(service: Service) -> list[tuple[str, str]]:
    """The models that a side can have: what it is called, and its name."""
    return [("as above", AS_ABOVE), *((name, name) for name in service.models.names)]


def _build_side(service: Service, name: str, kept: int, kind: str) -> Side:
    with gr.Column(min_width=280), gr.Group():
        return Side(
            classes=gr.Textbox(
                label=f"{name}: classes",
                placeholder="as above",
                lines=1,
                elem_id=f"errseg-compare-classes-{name.lower()}",
            ),
            kept=slider(1, MOST_KEPT, kept, 1, f"{name}: P", "classes kept"),
            votes=slider(1, MOST_VOTES, VOTES_PER_PIXEL, 1, f"{name}: K", "votes per pixel"),
            show=gr.Radio([FINAL, RAW], value=kind, label=f"{name}: show"),
            model=gr.Dropdown(
                model_choices(service),
                value=AS_ABOVE,
                label=f"{name}: model",
                elem_id=f"errseg-compare-model-{name.lower()}",
            ),
        )


def _drawn(answer: Answer, labels: np.ndarray) -> Image.Image:
    colors, scores = answer.colors, answer.result.scores
    entries = summarize(labels, scores, answer.result.classes, colors)
    return labelled_overlay(answer.photo, labels, entries, legend_below=False)
