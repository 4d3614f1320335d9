"""Results over P or K: all at once, and a slider through them."""

import gradio as gr

from errseg.demo.backend import view
from errseg.demo.backend.cheaper import said_of
from errseg.demo.backend.service import Service
from errseg.demo.backend.sweep import DEFAULT_VALUES, KNOBS, P, check_values, run_sweep
from errseg.demo.backend.sweep_view import sweep_view
from errseg.demo.page import html
from errseg.demo.page.events import AT_ONCE, COMPUTES, answered
from errseg.demo.page.panels import panel
from errseg.demo.page.question import Question
from errseg.demo.page.stop import Stoppable


def build_sweep_tab(question: Question, service: Service) -> None:
    """Lay out the tab and its events."""
    with gr.Row():
        knob = gr.Radio(list(KNOBS), value=P, label="Sweep over", min_width=120)
        values = gr.Textbox(
            DEFAULT_VALUES[P],
            label="Values",
            info="The photo, the words and the other settings are those above.",
            scale=3,
            elem_id="errseg-sweep-values",
        )
    run = gr.Button("Sweep", variant="primary", elem_id="errseg-sweep-run")
    message = gr.HTML()
    strip = panel("sweep")
    table = gr.HTML(elem_id="errseg-sweep-table")

    stop = Stoppable(run, message, service.places)

    @answered(message)
    @stop
    def fill_strip(is_last, given, progress=gr.Progress()):  # noqa: B008  Gradio knows it by its default
        request = question.request(given)
        over, numbers = check_values(given[knob], given[values], len(request.vocabulary))
        swept = run_sweep(service, request, over, numbers)
        steps = yield from stop.wait_for(
            lambda: [*progress.tqdm(swept, desc="Sweep", total=len(numbers))], is_last
        )
        data = view.as_html(sweep_view(over, steps))
        said = html.line("sentence", " ".join(said_of(steps[0].answer.request)))
        yield {strip: data, table: html.sweep_table(over, steps), message: said}

    @answered(message)
    def propose_values(name):
        return {values: DEFAULT_VALUES.get(name, "") if isinstance(name, str) else ""}

    knob.input(propose_values, knob, [values, message], **AT_ONCE)
    run.click(
        fill_strip,
        {*question.inputs, knob, values},
        [strip, table, message, run],
        **COMPUTES,
        show_progress_on=strip,
    )
