"""Several photos at once."""

import tempfile
from pathlib import Path

import gradio as gr

from errseg.demo.backend import view
from errseg.demo.backend.batch import MOST_PHOTOS, Outcome, run_batch
from errseg.demo.backend.service import Service
from errseg.demo.page.controls import format_choices
from errseg.demo.page.events import COMPUTES, answered, served, uploaded
from errseg.demo.page.panels import panel
from errseg.demo.page.question import Question
from errseg.demo.page.stop import Stoppable
from errseg.pictures.files import check_formats

ALWAYS = ("coco",)  # of all photos together, without asking


def build_batch_tab(question: Question, service: Service) -> None:
    """Lay out the tab and its event."""
    photos = gr.File(
        label=f"Photos, up to {MOST_PHOTOS}; words and settings are those above",
        file_count="multiple",
        type="filepath",
        height=180,
        elem_id="errseg-batch-photos",
    )
    wanted = gr.CheckboxGroup(
        format_choices(but=ALWAYS),
        label="Of each photo, beside overlay, palette mask and JSON",
        elem_id="errseg-batch-formats",
    )
    run = gr.Button("Segment all", variant="primary", elem_id="errseg-batch-run")
    message = gr.HTML(elem_id="errseg-batch-message")
    sheet = panel("sheet")
    packed = gr.File(label="Results", interactive=False, elem_id="errseg-batch-zip")

    stop = Stoppable(run, message, service.places)

    @answered(message)
    @stop
    def segment_all(is_last, values):
        request = question.request(values)
        paths = [path for path in map(uploaded, values[photos] or []) if path]
        formats = check_formats(values[wanted] or (), "The batch")
        cards = []
        yield {packed: None, sheet: "", message: ""}
        with tempfile.TemporaryDirectory() as folder:
            batches = run_batch(service, paths, request, Path(folder), formats)
            while batch := (yield from stop.wait_for(lambda: next(batches, None), is_last)):
                cards += [_card(outcome) for outcome in batch.outcomes[len(cards) :]]
                step = {sheet: view.as_html({"cards": cards, "of": len(paths)})}
                yield {**step, packed: served(batch.packed)} if batch.packed else step

    run.click(
        segment_all,
        {photos, wanted, *question.inputs} - {question.photo},
        [packed, sheet, message, run],
        **COMPUTES,
        show_progress_on=packed,
    )


def _card(outcome: Outcome) -> dict:
    """Describe a photo's card on the contact sheet; its pictures lie where Gradio serves files."""
    small, large = (path and served(path) for path in (outcome.thumbnail, outcome.picture))
    return {
        "name": outcome.name,
        "sentence": outcome.sentence,
        "words": [[e.name, list(e.color), round(e.area, 4)] for e in outcome.legend],
        "thumbnail": small,
        "picture": large,
    }
