"""Two settings on one photo, under a slider."""

from __future__ import annotations

import dataclasses

import gradio as gr
import numpy as np
from PIL import Image

from errseg.config import KEPT_CLASSES, VOTES_PER_PIXEL
from errseg.demo import html
from errseg.demo.events import COMPUTES, answered, checked
from errseg.demo.question import MOST_KEPT, Question, slider
from errseg.demo.request import MOST_VOTES, Request, check_request
from errseg.demo.service import Answer, Service
from errseg.visualize import labelled_overlay, resize_labels, summarize

FINAL, RAW = "masks", "raw cost maps"


def build_compare_tab(question: Question, service: Service) -> None:
    """Lay out the tab and its event."""
    with gr.Row():
        left = _side("A", KEPT_CLASSES, FINAL)
        right = _side("B", KEPT_CLASSES, RAW)
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
    def compare(*values):
        asked, sides = values[: len(question.inputs)], values[len(question.inputs) :]
        request = checked(*asked)
        half = len(sides) // 2
        first = service.answer(_side_request(request, *sides[: half - 1]))
        second = service.answer(_side_request(request, *sides[half:-1]))
        a, b = labels_of(first, sides[half - 1]), labels_of(second, sides[-1])
        share = changed_share(first, a, second, b)
        return {
            pictures: (_drawn(first, a), _drawn(second, b)),
            outcome: html.sentence(f"{share:.1%} of the pixels have another class in A and B."),
            message: "",
        }

    run.click(
        compare,
        [*question.inputs, *left, *right],
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


def _side(name: str, kept: int, kind: str) -> list:
    with gr.Column(min_width=280), gr.Group():
        return [
            gr.Textbox(
                label=f"{name}: classes",
                placeholder="as above",
                lines=1,
                elem_id=f"errseg-compare-classes-{name.lower()}",
            ),
            slider(1, MOST_KEPT, kept, 1, f"{name}: P", "classes kept"),
            slider(1, MOST_VOTES, VOTES_PER_PIXEL, 1, f"{name}: K", "votes per pixel"),
            gr.Radio([FINAL, RAW], value=kind, label=f"{name}: show"),
        ]


def _side_request(request: Request, classes: str, kept: object, votes: object) -> Request:
    """The question with one side's settings."""
    words = classes if (classes or "").strip() else request.vocabulary
    side = check_request(request.photo, words, kept, votes, request.threshold, request.beta)
    return dataclasses.replace(side, input_size=request.input_size, model=request.model)


def _drawn(answer: Answer, labels: np.ndarray) -> Image.Image:
    colors, scores = answer.colors, answer.result.scores
    entries = summarize(labels, scores, answer.result.classes, colors)
    return labelled_overlay(answer.photo, labels, entries, legend_below=False)
