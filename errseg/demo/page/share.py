"""The fold below the main view from which a result is taken away."""

import tempfile
from pathlib import Path

import gradio as gr

from errseg.demo.backend.answers import query_pixel
from errseg.demo.backend.examples import Example
from errseg.demo.backend.links import command as shell_command
from errseg.demo.backend.links import query_string, shell_name, write_files
from errseg.demo.backend.service import Service
from errseg.demo.backend.static_files import static_text
from errseg.demo.page.events import COMPUTES, answered, served
from errseg.demo.page.question import Question
from errseg.demo.page.segment import SegmentTab


def add_sharing(
    tab: SegmentTab, question: Question, examples: tuple[Example, ...], service: Service
) -> None:
    """Lay out the fold and its event."""
    with gr.Accordion("Share this result", open=False, elem_id="errseg-share") as fold:
        make = gr.Button("Make files and link", size="sm", elem_id="errseg-make")
        files = gr.File(
            label="Figure, overlay, palette mask, a page of its own (HTML), COCO file, and JSON "
            "with masks and settings",
            file_count="multiple",
            interactive=False,
            height=180,
            elem_id="errseg-files",
        )
        link = gr.Textbox(
            label="Link",
            info="Add it to the page's address. It holds words and settings, and an example's "
            "name; a photo of your own is not in it.",
            interactive=False,
            buttons=["copy"],
            elem_id="errseg-link",
        )
        command = gr.Textbox(
            label="Command",
            interactive=False,
            buttons=["copy"],
            elem_id="errseg-command",
        )
    names = {served(example.path): example.name for example in examples}
    names |= {str(example.path): example.name for example in examples}

    @answered(question.message)
    def make_files(shown):
        answer = service.answer(shown.request)
        attention = service.attention(shown.request, shown.pixel or query_pixel(answer))
        request, photo = service.models.named(shown.request), str(shown.request.photo)
        request = request.changed(threshold=answer.result.settings.threshold)
        with tempfile.TemporaryDirectory() as folder:
            paths = write_files(answer, attention, Path(folder), request)
            kept = [served(path) for path in paths]
        return {
            files: kept,
            link: query_string(request, names.get(photo), service.models.first),
            command: shell_command(request, shell_name(Path(photo).name)),
            question.message: "",
        }

    fold.expand(None, js=static_text("name_fields.js"), api_visibility="private")
    outputs = [files, link, command, question.message]
    make.click(make_files, tab.shown, outputs, **COMPUTES)
