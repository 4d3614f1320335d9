"""Taking a result away: the link to it, and the fold with its files."""

import tempfile
from pathlib import Path

import gradio as gr

from errseg.demo.backend import view
from errseg.demo.backend.examples import Example, opening_request
from errseg.demo.backend.links import command as shell_command
from errseg.demo.backend.links import shell_name
from errseg.demo.backend.saved import take_away
from errseg.demo.backend.service import Service
from errseg.demo.page.address import page_links
from errseg.demo.page.controls import format_choices
from errseg.demo.page.events import COMPUTES, answered, served
from errseg.demo.page.panels import panel
from errseg.demo.page.question import Question
from errseg.demo.page.shown import SegmentTab
from errseg.pictures.files import check_formats

AT_FIRST = ("coco", "html", "figure")
"""Formats that are ticked until somebody chooses."""


def build_link(examples: tuple[Example, ...], service: Service) -> None:
    """Lay out the link to what is shown; answers tell its script a new one."""
    link = page_links(examples, service)
    opening = link(opening_request(examples[0]), service.models.threshold())
    panel("link", view.as_html(opening))


def add_sharing(tab: SegmentTab, question: Question, service: Service) -> None:
    """Lay out the fold and its event."""
    with gr.Accordion("Share this result", open=False, elem_id="errseg-share"):
        wanted = gr.CheckboxGroup(
            format_choices(),
            value=list(AT_FIRST),
            label="Beside overlay, palette mask and JSON",
            elem_id="errseg-formats",
        )
        make = gr.Button("Make files", size="sm", elem_id="errseg-make")
        files = gr.File(
            label="Files",
            file_count="multiple",
            interactive=False,
            visible=False,
            elem_id="errseg-files",
        )
        command = gr.Textbox(
            label="Command",
            interactive=False,
            buttons=["copy"],
            elem_id="errseg-command",
        )

    @answered(question.message)
    def make_files(shown, formats):
        formats = check_formats(formats or (), "The page")
        request, photo = service.models.named(shown.asked), str(shown.asked.photo)
        with tempfile.TemporaryDirectory() as folder:
            paths = take_away(service, shown.asked, formats, Path(folder), shown.pixel)
            kept = [served(path) for path in paths]
        if request.options.threshold is None:  # the stored opening's, which nobody has turned
            request = request.changed(threshold=service.models.threshold(request.model))
        return {
            files: gr.update(value=kept, visible=True),
            command: shell_command(request, shell_name(Path(photo).name)),
            question.message: "",
        }

    outputs = [files, command, question.message]
    make.click(make_files, [tab.shown, wanted], outputs, **COMPUTES)
