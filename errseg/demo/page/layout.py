"""The page: what stands where. What happens when is in the modules of its parts."""

from dataclasses import dataclass

import gradio as gr

from errseg.demo.backend.budget import Budget
from errseg.demo.backend.examples import load_examples, opening_request
from errseg.demo.backend.listeners import Listeners
from errseg.demo.backend.models import Models
from errseg.demo.backend.places import Places
from errseg.demo.backend.service import SECONDS_TO_KEEP, Service
from errseg.demo.page import html
from errseg.demo.page.about import build_about_tab
from errseg.demo.page.batch import build_batch_tab
from errseg.demo.page.compare import build_compare_tab
from errseg.demo.page.endpoints import add_endpoints
from errseg.demo.page.events import Asked, current_visitor
from errseg.demo.page.opening import load_opening
from errseg.demo.page.picture import build_picture
from errseg.demo.page.pipeline import add_pipeline_events, build_pipeline
from errseg.demo.page.question import build_question
from errseg.demo.page.segment import SEGMENT, add_segment_events
from errseg.demo.page.share import add_sharing, build_link
from errseg.demo.page.shown import build_notes, build_segment_tab
from errseg.demo.page.sweep import build_sweep_tab


@dataclass(frozen=True)
class Demo:
    """The page, and what answers it."""

    page: gr.Blocks
    service: Service
    listeners: Listeners  # who waits for an answer; the server tells of connections


def create_demo(models: Models, budget: Budget | None = None) -> Demo:
    """Build the page. Its model is loaded by `serve_demo`, or when it is first asked.

    Args:
        models: which it offers.
        budget: what one question may cost.
    """
    examples = load_examples()
    first = examples[0]
    request = opening_request(first)
    page = gr.Blocks(
        title="ERR-Seg: open-vocabulary segmentation",
        analytics_enabled=False,
        delete_cache=(SECONDS_TO_KEEP, SECONDS_TO_KEEP),
    )
    listeners = Listeners()
    places = Places(current_visitor, listeners.__contains__, Asked(page))
    listeners.tell(places.heard)
    service = Service(models, request, places, budget)
    stored = load_opening(first, service.models.first)
    with page:
        gr.HTML(html.header(service.models.first), elem_id="errseg-header")
        with gr.Row(elem_id="errseg-main"):
            picture = build_picture(examples, stored)
            notes = build_notes(stored)
            question = build_question(page, picture, notes, examples, service)
        build_link(examples, service)
        with gr.Tabs(selected=SEGMENT, elem_id="errseg-tabs") as tabs:
            with gr.Tab("Look inside", id=SEGMENT):
                pipe = build_pipeline()
                asked = service.models.named(request)
                segment = build_segment_tab(asked, first.classes, picture, notes, stored)
                add_sharing(segment, question, service)
            with gr.Tab("Compare"):
                build_compare_tab(question, service)
            with gr.Tab("Sweep"):
                build_sweep_tab(question, service)
            with gr.Tab("Batch"):
                build_batch_tab(question, service)
            with gr.Tab("About"):
                build_about_tab()
        add_segment_events(page, tabs, segment, picture, question, examples, service, stored)
        add_pipeline_events(pipe, segment, service)
        add_endpoints(service)
    return Demo(page, service, listeners)
