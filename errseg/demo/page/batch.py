"""Several photos at once."""

import tempfile
from pathlib import Path

import gradio as gr

from errseg.demo.backend.batch import MOST_PHOTOS, run_batch
from errseg.demo.backend.service import Service
from errseg.demo.page import html
from errseg.demo.page.events import COMPUTES, answered, served, uploaded
from errseg.demo.page.question import Question


def build_batch_tab(question: Question, service: Service) -> None:
    """Lay out the tab and its event."""
    photos = gr.File(
        label=f"Photos, up to {MOST_PHOTOS}; words and settings are those above",
        file_count="multiple",
        type="filepath",
        height=180,
        elem_id="errseg-batch-photos",
    )
    run = gr.Button("Segment all", variant="primary", elem_id="errseg-batch-run")
    message = gr.HTML(elem_id="errseg-batch-message")
    packed = gr.File(label="Results", interactive=False, elem_id="errseg-batch-zip")
    outcomes = gr.HTML(elem_id="errseg-batch-outcomes")

    @answered(message)
    def segment_all(values, progress=gr.Progress()):  # noqa: B008  Gradio knows it by its default
        request = question.request(values)
        paths = [uploaded(file) for file in values[photos] or []]
        with tempfile.TemporaryDirectory() as folder:
            made, rows = run_batch(
                service,
                [path for path in paths if path],
                request,
                Path(folder),
                lambda all_photos: progress.tqdm(all_photos, desc="Photos"),
            )
            file = served(made) if made else None
        return {packed: file, outcomes: html.table(rows), message: ""}

    run.click(
        segment_all,
        {photos, *question.inputs} - {question.photo},
        [packed, outcomes, message],
        **COMPUTES,
        show_progress_on=packed,
    )
