"""A closer look at the place of the cross: what a click on its button asks."""

from collections.abc import Collection

import gradio as gr
from gradio.components import Component

from errseg.demo.page.events import AT_ONCE, answered, sent
from errseg.demo.page.new_photo import Ask
from errseg.demo.page.question import Question
from errseg.demo.page.stop import Stoppable
from errseg.device import AUTOMATIC
from errseg.options import as_text, check_place, check_tiles


def add_closer_events(
    masks: gr.HTML,
    question: Question,
    chosen: gr.State,
    ask: Ask,
    stop: Stoppable,
    inputs: Collection[Component],
    outputs: Collection[Component],
    runs: dict,
) -> None:
    """Connect the buttons below the picture, and the boxes that say how closely it is looked at.

    Args:
        masks: the panel of the buttons.
        question: whose boxes they are.
        chosen: P as the visitor set it, or None.
        ask: answers a question.
        stop: ends it.
        inputs: of `ask`.
        outputs: of an answer.
        runs: how Gradio is to run it.
    """
    place, tiles = question.knobs["closer_at"], question.knobs["tiles"]

    @answered(question.message)
    @stop
    def look_closer(is_last, values, event: gr.EventData):
        """Ask what stands in the boxes with a closer look at a place, or with none."""
        at = check_place(sent(event, "at", str))
        filled = {place: as_text(at)}
        if at and check_tiles(values[tiles]) not in (AUTOMATIC, 1):
            filled[tiles] = AUTOMATIC
        yield filled
        yield from ask({**values, **filled}, values[chosen], is_last)

    masks.closer(look_closer, inputs, outputs, **runs)
    # Who chooses tiles means the whole photo.
    tiles.input(lambda: "", None, place, **AT_ONCE, api_name="look_everywhere")
