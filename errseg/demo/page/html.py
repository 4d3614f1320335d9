"""The page's own pieces of HTML. Whatever a visitor typed is escaped here, and only here."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from errseg.demo.backend.examples import Example
from errseg.demo.backend.service import Answer
from errseg.demo.backend.sweep import Step

PAPER = "https://arxiv.org/abs/2501.17642"
STAGES = {
    "read": "read",
    "text": "text",
    "encode": "encode",
    "decode": "CRM + ESCF + GUD",
    "label": "label",
    "draw": "draw",
}
"""Stages of the timings, as they are called on the page."""


def header(model_name: str) -> str:
    """The page's title line."""
    return f"""
<header class="errseg-header">
  <h1>ERR-Seg</h1>
  <p>Type any words. See where they are in a photo.</p>
  <p class="errseg-model">model <b>{escape(model_name)}</b> ·
    <a href="{PAPER}" target="_blank" rel="noopener">paper</a></p>
</header>"""


def examples(shown: Sequence[Example]) -> str:
    """A strip of buttons, one per example photo."""
    buttons = "".join(
        f'<button type="button" data-index="{index}" title="{escape(example.classes)}">'
        f'<img src="{example.thumbnail()}" alt="Example: {escape(example.description)}"></button>'
        for index, example in enumerate(shown)
    )
    return f'<div class="errseg-examples" role="group" aria-label="Example photos">{buttons}</div>'


EXAMPLES_SCRIPT = """
element.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-index]');
  if (button) trigger('click', {index: Number(button.dataset.index)});
});
"""
"""Tells which example was clicked."""


def lint(sentences: Sequence[str]) -> str:
    """What to know about the typed words."""
    return f'<p class="errseg-lint">{escape(" ".join(sentences))}</p>'


def notes(answer: Answer, device: str, drawing: float) -> str:
    """Notices, then time by stage (`drawing`, in seconds, is the page's own) and what computed."""
    notices = "".join(f"<li>{escape(notice)}</li>" for notice in answer.result.notices)
    listed = f'<ul class="errseg-notices">{notices}</ul>' if notices else ""
    return listed + _timing_line(timing(answer, device, drawing))


def stored_notes(timing: str) -> str:
    """The line below a stored result."""
    return _timing_line(f"Stored result, computed in {timing}")


def timing(answer: Answer, device: str, drawing: float = 0.0) -> str:
    """Time by stage, the device, and the sizes of photo and network input."""
    result = answer.result
    timings = {**result.timings, **({"draw": drawing} if drawing else {})}
    stages = ", ".join(
        f"{STAGES.get(stage, stage)} {1000 * seconds:.0f}" for stage, seconds in timings.items()
    )
    height, width = result.settings.network_size
    photo_height, photo_width = result.labels.shape
    return (
        f"{sum(timings.values()):.2f} s ({stages} ms) on {device.upper()}, "
        f"{result.settings.model} in {result.settings.precision}; "
        f"photo {photo_width} x {photo_height}, network input {width} x {height}"
    )


def sentence(text: str) -> str:
    """One line of an answer."""
    return f'<p class="errseg-sentence">{escape(text)}</p>'


def sweep(knob: str, steps: Sequence[Step]) -> str:
    """A sweep in numbers."""
    rows = "".join(
        f'<tr><th scope="row">{step.value}</th><td>{len(step.answer.result.kept)}</td>'
        f"<td>{len(step.answer.legend)}</td>"
        f"<td>{f'{step.changed:.1%}' if place else ''}</td><td>{step.seconds:.2f} s</td></tr>"
        for place, step in enumerate(steps)
    )
    heads = (knob, "classes kept", "classes seen", "pixels changed", "time")
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in heads)
    return (
        f'<table class="errseg-table"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
    )


def outcomes(rows: Sequence[tuple[str, str]]) -> str:
    """What became of each file of a batch."""
    listed = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(outcome)}</td></tr>'
        for name, outcome in rows
    )
    return f'<table class="errseg-table"><tbody>{listed}</tbody></table>'


def message(sentence: str) -> str:
    """What a visitor should know right now."""
    return f'<p class="errseg-message" role="alert">{escape(sentence)}</p>'


def waiting() -> str:
    """What stands below the panels before the first answer."""
    return '<p class="errseg-waiting">The first result is on its way …</p>'


def _timing_line(text: str) -> str:
    return f'<p class="errseg-timing">{escape(text)}</p>'
