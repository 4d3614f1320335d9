"""The words that are found in a photo: a button that asks for them, and chips to add them."""

from dataclasses import dataclass

import gradio as gr

from errseg.demo.backend import view
from errseg.demo.backend.latest import Latest
from errseg.demo.backend.service import Service
from errseg.demo.backend.suggest import suggest
from errseg.demo.page.events import COMPUTES, answered, current_visitor, uploaded
from errseg.demo.page.panels import panel
from errseg.words.union import SUGGESTED

CHIPS = 4 * SUGGESTED  # words that are sent; the first `SUGGESTED` are shown, others on demand


@dataclass(frozen=True)
class Suggestions:
    """The components."""

    ask: gr.Button
    chips: gr.HTML  # drawn by a script


def build_ask() -> gr.Button:
    """Lay out the button."""
    return gr.Button("What is in it?", min_width=130, scale=1, elem_id="errseg-what")


def build_chips() -> gr.HTML:
    """Lay out the place of the chips."""
    return panel("suggest")


def find_words(
    service: Service, photo: object, model: object, instead_of: str | None = None
) -> tuple[str, str]:
    """Find words in a photo.

    Args:
        service: what finds them.
        photo: as the browser sent it.
        model: likewise.
        instead_of: words in the box that the first of those found take the place of, if any.

    Returns:
        the first of them as a person would type them, and what shows all of them as chips.

    Raises:
        InputError: see `suggest`.
    """
    path = uploaded(photo)
    found = suggest(service, path, CHIPS, model if isinstance(model, str) else "")
    words = ", ".join(suggestion.name for suggestion in found[:SUGGESTED])
    fill = None if instead_of is None else (instead_of, words)
    return words, view.as_html(view.suggestions(found, SUGGESTED, path, fill))


def add_find_event(
    suggestions: Suggestions,
    photo: gr.Image,
    model: gr.Dropdown,
    message: gr.HTML,
    service: Service,
) -> None:
    """Let the button find words in the photo that is there."""
    latest = Latest()

    @answered(message)
    def find(image, name):
        is_last = latest.begin(current_visitor())
        with service.places.wanted(is_last):
            _, chips = find_words(service, image, name)
        return {suggestions.chips: chips, message: ""} if is_last() else {message: gr.skip()}

    suggestions.ask.click(
        find,
        [photo, model],
        [suggestions.chips, message],
        **COMPUTES,
        trigger_mode="always_last",
        show_progress_on=suggestions.chips,
    )
