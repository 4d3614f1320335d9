"""The strip of stages below the picture, for who opens it."""

from dataclasses import dataclass

import gradio as gr

from errseg.demo.backend import view
from errseg.demo.backend.pipeline import masks_stage, pipeline
from errseg.demo.backend.service import Service
from errseg.demo.page.events import COMPUTES, answered, sent
from errseg.demo.page.panels import panel
from errseg.demo.page.shown import SegmentTab


@dataclass(frozen=True)
class Pipeline:
    """The strip's components."""

    strip: gr.HTML
    message: gr.HTML


def build_pipeline() -> Pipeline:
    """Lay out the strip, still without stages."""
    strip = panel("pipeline", view.as_html({"stages": [], "masks": None}))
    return Pipeline(strip, gr.HTML(elem_id="errseg-pipeline-message"))


def add_pipeline_events(pipe: Pipeline, tab: SegmentTab, service: Service) -> None:
    """Connect the strip with the server."""
    strip, message = pipe.strip, pipe.message

    @answered(message)
    def show_pipeline(shown, event: gr.EventData):
        answer = service.answer(shown.asked)
        if sent(event, "of", str) == answer.key:  # another threshold's: there all but its masks is
            data = view.pipeline_changes(answer, masks_stage(answer))
        else:
            data = view.pipeline(*pipeline(service, shown.asked))
        turn = {"turn": sent(event, "turn", int)}  # so that no two answers are the same
        return {strip: view.as_html({**data, **turn}), message: ""}

    events = {**COMPUTES, "trigger_mode": "always_last", "show_progress": "minimal"}
    strip.select(show_pipeline, tab.shown, [strip, message], **events)
