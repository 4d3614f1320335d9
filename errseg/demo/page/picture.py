"""The picture: where a photo is dropped, pasted or chosen, and where its masks are."""

from dataclasses import dataclass

import gradio as gr

from errseg.demo.backend import view
from errseg.demo.backend.examples import Example
from errseg.demo.backend.static_files import static_text
from errseg.demo.page import html
from errseg.demo.page.controls import alternative
from errseg.demo.page.events import served
from errseg.demo.page.opening import Opening
from errseg.demo.page.panels import panel


@dataclass(frozen=True)
class Picture:
    """The components of the picture's column."""

    photo: gr.Image  # holds the photo that is asked about; never seen, the scripts show it
    place: gr.HTML  # tells of a photo that was uploaded, and shows it until its masks are there
    masks: gr.HTML
    strip: gr.HTML  # of the examples


def build_picture(examples: tuple[Example, ...], stored: Opening | None) -> Picture:
    """Lay out the picture with the first example, and its masks if they are stored."""
    first = examples[0]
    photo, masks = served(first.path), ""
    if stored:
        asked = {"words": first.classes, "photo": photo}
        masks = view.as_html({**stored.masks, "question": asked})
    with gr.Column(scale=8, min_width=480, elem_id="errseg-picture-column"):
        return Picture(
            photo=gr.Image(
                photo,
                type="filepath",
                label="Photo",
                **alternative("The photo to segment"),
                sources=["upload"],
                visible="hidden",
                elem_id="errseg-photo",
            ),
            place=panel("picture"),
            masks=panel("masks", masks),
            strip=gr.HTML(
                html.example_strip(examples),
                js_on_load=static_text("examples.js"),
                elem_id="errseg-examples",
            ),
        )
