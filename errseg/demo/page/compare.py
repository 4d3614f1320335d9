"""Two settings on one photo, parted by a curtain."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import gradio as gr
import numpy as np

from errseg.demo.backend import view
from errseg.demo.backend.answers import Answer
from errseg.demo.backend.cheaper import said_of
from errseg.demo.backend.request import Request, check_options
from errseg.demo.backend.service import Service
from errseg.demo.backend.side_by_side import comparison_view
from errseg.demo.page import html
from errseg.demo.page.controls import slider
from errseg.demo.page.events import AT_ONCE, COMPUTES, answered
from errseg.demo.page.panels import panel
from errseg.demo.page.question import Question
from errseg.errors import InputError
from errseg.pictures.overlay import resize_labels
from errseg.words.vocabulary import MAX_CLASSES, parse_classes

FINAL, RAW = "masks", "raw cost maps"
AS_ABOVE = ""  # A side's model that is the question's
SIDES = ("A", "B")
FEW_VOTES, MORE_VOTES = 1, 3  # K of the preset: the first vote alone, and the paper's (Table VII)
CRM, COST, VOTES = "CRM on and off", "Masks and raw cost maps", "K = 1 and K = 3"
PRESETS = (CRM, COST, VOTES)
"""What two sides are compared in, everything else being as the question has it."""


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

    def settings(self, request: Request, changes: dict) -> dict:
        """Fill the side in: values of `inputs` that ask a question with some changes.

        Args:
            request: the question.
            changes: options of it, and ``show`` where that is not the masks.
        """
        options = {name: value for name, value in changes.items() if name != "show"}
        asked = request.changed(**options).options
        kept = min(asked.kept_classes, len(request.vocabulary))
        numbers = {**vars(asked), "kept_classes": kept}
        return {
            self.classes: "",
            self.show: changes.get("show", FINAL),
            self.model: AS_ABOVE,
            **{knob: numbers[name] for name, knob in self.knobs.items()},
        }

    def bounds(self, values: dict) -> dict:
        """Let P's slider reach its value of some."""
        kept = self.knobs["kept_classes"]
        return {kept: gr.update(value=values[kept], maximum=max(kept.maximum, values[kept]))}


def build_compare_tab(question: Question, service: Service) -> None:
    """Lay out the tab and its events."""
    with gr.Row(elem_id="errseg-compare-presets"):
        presets = [gr.Button(name, size="sm", min_width=150) for name in PRESETS]
    with gr.Row():
        sides = [_build_side(service, *of) for of in zip(SIDES, (FINAL, RAW), strict=True)]
    run = gr.Button("Compare", variant="primary", elem_id="errseg-compare-run")
    message = gr.HTML()
    pictures = panel("compare")
    outcome = gr.HTML(elem_id="errseg-compare-outcome")
    of_sides = [component for side in sides for component in side.inputs]
    inputs = {*question.inputs, *of_sides}
    outputs = [pictures, outcome, message]
    computes = {**COMPUTES, "show_progress_on": pictures}

    def answer_both(values: dict) -> dict:
        request = question.request(values)
        advised = service.models.threshold(request.model)
        asked = [side.request(request, values, advised) for side in sides]
        shown = [check_kind(values[side.show]) for side in sides]
        asked = service.settle_all(asked, same_photo=True, what="side")
        answers = [service.answer(one) for one in asked]
        labels = [labels_of(answer, kind) for answer, kind in zip(answers, shown, strict=True)]
        changed = changed_part(answers[0], labels[0], answers[1], labels[1])
        told = dict.fromkeys(sentence for one in asked for sentence in said_of(one))
        said = " ".join([f"{changed:.1%} of the pixels have another class in A and B.", *told])
        return {
            pictures: view.as_html(comparison_view(answers, labels, titles_of(answers, shown))),
            outcome: html.line("sentence", said),
            message: "",
        }

    @answered(message)
    def compare(values):
        return answer_both(values)

    def preset(name: str) -> Callable:
        @answered(message)
        def compare_preset(values):
            request = question.request(values)
            changes = preset_changes(name, request)
            filled, bounds = {}, {}
            for side, own in zip(sides, changes, strict=True):
                filled |= side.settings(request, own)
                bounds |= side.bounds(filled)
            yield {**filled, **bounds}
            yield answer_both({**values, **filled})

        return compare_preset

    def follow_models():
        choices = gr.update(choices=model_choices(service))
        return choices, choices

    question.found.then(follow_models, None, [side.model for side in sides], **AT_ONCE)
    run.click(compare, inputs, outputs, **computes)
    for name, button in zip(PRESETS, presets, strict=True):
        button.click(preset(name), inputs, [*of_sides, *outputs], **computes)


def preset_changes(name: str, request: Request) -> tuple[dict, dict]:
    """Say what a preset changes in a question for either side: options, and what is shown.

    Raises:
        InputError: both sides would be the same.
    """
    size = len(request.vocabulary)
    if name == CRM:
        if request.options.kept_classes >= size:
            raise InputError(
                f"CRM keeps all {size:,} classes of this question, so on and off are the same: "
                "lower P, or ask for more words."
            )
        return {}, {"kept_classes": size}
    if name == COST:
        return {}, {"show": RAW}
    return {"votes_per_pixel": FEW_VOTES}, {"votes_per_pixel": MORE_VOTES}


def check_kind(kind: object) -> str:
    """Return what a side is to show.

    Raises:
        InputError: it is none of the two.
    """
    if kind not in (FINAL, RAW):
        raise InputError(f"A side shows {FINAL} or {RAW}; choose one of them.")
    return kind


def titles_of(answers: Sequence[Answer], kinds: Sequence[str]) -> list[str]:
    """Name what is shown of answers; the model only where they have different ones."""
    results = [answer.result for answer in answers]
    several = len({result.settings.model for result in results}) > 1
    titles = []
    for result, kind in zip(results, kinds, strict=True):
        parts = [kind]
        if kind != RAW:  # of which neither P nor K is a part
            parts.append(f"P = {len(result.kept)} of {len(result.classes):,}")
            parts.append(f"K = {result.settings.votes_per_pixel}")
        titles.append(", ".join([*parts, result.settings.model] if several else parts))
    return titles


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
