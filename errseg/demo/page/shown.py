"""What the main view consists of, and what each visitor sees in it."""

import dataclasses
from dataclasses import dataclass

import gradio as gr

from errseg.demo.backend import view
from errseg.demo.backend.answers import Answer, query_pixel
from errseg.demo.backend.request import Request
from errseg.demo.backend.service import SECONDS_TO_KEEP
from errseg.demo.page import html
from errseg.demo.page.events import served
from errseg.demo.page.figure2 import build_figure2
from errseg.demo.page.opening import Opening
from errseg.demo.page.panels import fold, panel
from errseg.demo.page.picture import Picture
from errseg.errors import InputError

GONE = (
    "The server has forgotten what is shown here: it was started again, or many others asked "
    "since; choose the photo again, and press Segment."
)


@dataclass(frozen=True)
class Shown:
    """What one visitor sees: clicks and knobs refer to it, not to what was typed since."""

    request: Request
    words: str  # as they were typed
    pixel: tuple[int, int] | None = None  # the query, (x, y)
    opened: bool = True  # false where this server never served the page, or forgot what it shows

    @property
    def question(self) -> dict[str, str]:
        """What tells panels that belong together from those of another question."""
        return {"words": self.words, "photo": str(self.request.photo)}

    def is_of_same(self, request: Request) -> bool:
        """Tell whether what is shown is of the same photo and words as a question."""
        own = self.request
        return (own.photo, own.vocabulary) == (request.photo, request.vocabulary)

    @property
    def asked(self) -> Request:
        """The question that clicks refer to.

        Raises:
            InputError: it isn't here: the server was started again, or it expired.
        """
        if not self.opened:
            raise InputError(GONE)
        return self.request


def first_pixel(answer: Answer, request: Request, before: Shown) -> tuple[int, int]:
    """Choose the pixel (x, y) from which an answer's attention is told first.

    Args:
        answer: what was found.
        request: what was asked: a new place to look closer at is what its visitor points at.
        before: what was shown before; its pixel stays on the same photo.
    """
    (height, width), place = answer.result.labels.shape, request.options.closer_at
    if place and place != before.request.options.closer_at:
        return min(int(place[0] * width), width - 1), min(int(place[1] * height), height - 1)
    x, y = before.pixel or (width, height)
    same = request.photo == before.request.photo
    return (x, y) if same and x < width and y < height else query_pixel(answer)


@dataclass(frozen=True)
class SegmentTab:
    """The main view's components."""

    shown: gr.State
    chosen: gr.State  # P as the visitor set it, or None while it is the paper's
    masks: gr.HTML
    ranking: gr.HTML
    cost: gr.HTML
    cost_message: gr.HTML
    attention: gr.HTML
    attention_message: gr.HTML
    figure2: gr.HTML
    queries: gr.HTML  # of classes that the attention panel can look at; shows nothing
    notes: gr.HTML


def build_notes(stored: Opening | None) -> gr.HTML:
    """Make the line about how the answer came about; where it stands is for others to say."""
    said = html.line("waiting", "The first result is on its way …")
    if stored:
        said = html.line("timing", f"Stored result, computed in {stored.timing}")
    return gr.HTML(said, elem_id="errseg-notes", render=False)


def build_segment_tab(
    opening: Request, words: str, picture: Picture, notes: gr.HTML, stored: Opening | None
) -> SegmentTab:
    """Lay out what stands below the picture, with the stored opening if there is one."""
    # As the page's own photo arrives when it is asked again.
    opening = dataclasses.replace(opening, photo=served(opening.photo))
    pixel = tuple(stored.attention["pixel"]) if stored else None
    # Who opens the page gets its own; this one is whose page another server has served.
    nothing = Shown(opening, words, pixel, opened=False)
    ranking = attention = ""
    if stored:
        ranking = view.as_html(stored.ranking)
        attention = view.as_html({**stored.attention, "question": nothing.question})
    shown = gr.State(nothing, time_to_live=SECONDS_TO_KEEP)
    chosen = gr.State(None, time_to_live=SECONDS_TO_KEEP)
    fold("CRM and attention")
    with gr.Row(elem_id="errseg-answer"):
        with gr.Column(scale=4, min_width=420):
            ranking, cost = panel("ranking", ranking), panel("cost")
            cost_message = gr.HTML(elem_id="errseg-cost-message")
        with gr.Column(scale=6, min_width=320):
            attention_message = gr.HTML(elem_id="errseg-attention-message")
            attention = panel("attention", attention)
            figure2, queries = build_figure2(opening), panel("queries")
    panels = ranking, cost, cost_message, attention, attention_message, figure2, queries, notes
    return SegmentTab(shown, chosen, picture.masks, *panels)
