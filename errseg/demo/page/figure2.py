"""Fig. 2 over all pixels: a panel below the attention, with a button of its own."""

import gradio as gr

from errseg.demo.backend import figure2, view
from errseg.demo.backend.latest import Latest
from errseg.demo.backend.request import Request
from errseg.demo.backend.service import Service
from errseg.demo.page.events import COMPUTES, answered, current_visitor
from errseg.demo.page.panels import panel
from errseg.errors import InputError


def build_figure2(request: Request) -> gr.HTML:
    """Lay out the panel as it is before it was asked."""
    return panel("figure2", offered(request))


def offered(request: Request) -> str:
    """What the panel shows of a question that it was not asked yet."""
    return view.as_html(figure2.offer(request))


def add_figure2_events(
    place: gr.HTML, message: gr.HTML, shown: gr.State, service: Service, latest: Latest
) -> None:
    """Connect the panel's button.

    Args:
        place: the panel, from `build_figure2`; what prevents an answer stands in it.
        message: for what nobody foresaw.
        shown: what the visitor sees; its `request` is asked.
        service: answers.
        latest: a visitor's next question overtakes this one.
    """

    @answered(message)
    def measure_all_pixels(seen):
        request, is_last = seen.asked, latest.current(current_visitor())
        try:
            with service.places.wanted(is_last):
                found = figure2.ask_figure2(service, request)
            model = service.models.named(request).model
            data = figure2.as_view(request, model, found)
        except InputError as error:
            data = figure2.offer(request, str(error))
        return {place: view.as_html(data) if is_last() else gr.skip()}

    place.select(measure_all_pixels, shown, [place, message], **COMPUTES)
