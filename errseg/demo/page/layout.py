"""The page: what stands where. What happens when is in the modules of its parts."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from errseg.demo.backend.examples import load_examples, opening_request
from errseg.demo.backend.service import Service
from errseg.demo.page import html
from errseg.demo.page.about import build_about_tab
from errseg.demo.page.batch import build_batch_tab
from errseg.demo.page.compare import build_compare_tab
from errseg.demo.page.endpoints import add_endpoints
from errseg.demo.page.opening import load_opening
from errseg.demo.page.question import add_offer, build_question
from errseg.demo.page.segment import SEGMENT, add_segment_events, build_segment_tab
from errseg.demo.page.share import add_share
from errseg.demo.page.sweep import build_sweep_tab
from errseg.device import AUTOMATIC

SECONDS_TO_KEEP_FILES = 3600


def create_demo(
    model: str | Path = "errseg-lite",
    device: str = AUTOMATIC,
    precision: str = AUTOMATIC,
    compile: bool = False,
) -> gr.Blocks:
    """Build the page. Its model is loaded by `serve`, or when it is first asked.

    Args:
        model: a name of `list_models` or a path, see `load_model`.
        device: "auto" or a name of torch's, see `find_device`.
        precision: "auto" or one of `PRECISIONS`: what the model computes in.
        compile: see `load_model`.

    Raises:
        InputError: there is no such model, file or precision, or ZeroGPU is to compile.
    """
    examples = load_examples()
    first = examples[0]
    request = opening_request(first)
    service = Service(model, device, request, precision, compile)
    stored = load_opening(first, service.models.first)
    with gr.Blocks(
        title="ERR-Seg: open-vocabulary segmentation",
        analytics_enabled=False,
        delete_cache=(SECONDS_TO_KEEP_FILES, SECONDS_TO_KEEP_FILES),
    ) as demo:
        gr.HTML(html.header(service.models.first), elem_id="errseg-header")
        question = build_question(examples, service)
        with gr.Tabs(selected=SEGMENT, elem_id="errseg-tabs") as tabs:
            with gr.Tab("Segment", id=SEGMENT):
                segment = build_segment_tab(request, stored)
                add_share(segment, question, examples, service)
            with gr.Tab("Compare"):
                build_compare_tab(question, service)
            with gr.Tab("Sweep"):
                build_sweep_tab(question, service)
            with gr.Tab("Batch"):
                build_batch_tab(question, service)
            with gr.Tab("About"):
                build_about_tab()
        add_segment_events(demo, tabs, segment, question, examples, service, stored)
        add_offer(demo, question, service)
        add_endpoints(service)
    demo.service = service
    return demo
