"""The page's own pieces of HTML. Whatever a visitor typed is escaped here, and only here."""

from collections.abc import Iterable, Sequence
from html import escape

from errseg.config import PAPER
from errseg.demo.backend.answers import Answer
from errseg.demo.backend.examples import Example
from errseg.demo.backend.sweep import Step

STAGES = {"tiles": "encode tiles", "decode": "CRM + ESCF + GUD"}
"""Stages of the timings that are called otherwise on the page."""
NOTICES_SHOWN = 2
"""Notices that aren't folded."""


def header(model_name: str) -> str:
    """The page's title line."""
    return f"""
<header class="errseg-header">
  <h1>ERR-Seg</h1>
  <p class="errseg-slogan">Type any words. See where they are in a photo.</p>
  <p class="errseg-model">model <b>{escape(model_name)}</b> ·
    <a href="{PAPER}" target="_blank" rel="noopener">paper</a></p>
</header>"""


def example_strip(shown: Sequence[Example]) -> str:
    """A strip of buttons, one per example photo."""
    buttons = "".join(
        f'<button type="button" data-index="{index}" title="{escape(example.classes)}">'
        f'<img src="{example.thumbnail()}" alt="Example: {escape(example.description)}"></button>'
        for index, example in enumerate(shown)
    )
    return f'<div class="errseg-examples" role="group" aria-label="Example photos">{buttons}</div>'


def notes(answer: Answer, device: str, drawing: float) -> str:
    """Notices, then time by stage (`drawing`, in seconds, is the page's own) and what computed.

    What the hints below the words say isn't said again.
    """
    hinted = {hint.sentence for hint in answer.result.hints}
    said = [notice for notice in answer.result.notices if notice not in hinted]
    listed = _listed(said)
    if len(said) > NOTICES_SHOWN + 1:  # a fold takes a line itself
        rest = said[NOTICES_SHOWN:]
        listed = _listed(said[:NOTICES_SHOWN]) + (
            f'<details class="errseg-rest"><summary>and {len(rest)} more</summary>'
            f"{_listed(rest)}</details>"
        )
    return listed + line("timing", timing(answer, device, drawing))


def _listed(notices: Sequence[str]) -> str:
    rows = "".join(f"<li>{escape(notice)}</li>" for notice in notices)
    return f'<ul class="errseg-notices">{rows}</ul>' if rows else ""


def timing(answer: Answer, device: str, drawing: float = 0.0) -> str:
    """Time by stage, the device, and the sizes of photo and network input."""
    result = answer.result
    timings = {**result.timings, **({"draw": drawing} if drawing else {})}
    stages = ", ".join(
        f"{STAGES.get(stage, stage)} {1000 * seconds:.0f}" for stage, seconds in timings.items()
    )
    height, width = result.settings.network_size
    photo_height, photo_width = result.labels.shape
    tiles = ""
    if result.settings.tile_size:
        height_of_tile, width_of_tile = result.settings.tile_size
        tiles = f", of a tile {width_of_tile} x {height_of_tile}"
    return (
        f"{sum(timings.values()):.2f} s ({stages} ms) on {device.upper()}, "
        f"{result.settings.model} in {result.settings.precision}; "
        f"photo {photo_width} x {photo_height}, network input {width} x {height}{tiles}"
    )


def sweep_table(knob: str, steps: Sequence[Step]) -> str:
    """A sweep in numbers."""
    heads = (knob, "classes kept", "classes seen", "pixels changed", "time")
    rows = (
        (
            f"{step.value}",
            f"{len(step.answer.result.kept)}",
            f"{len(step.answer.legend)}",
            f"{step.changed:.1%}" if place else "",
            f"{step.seconds:.2f} s",
        )
        for place, step in enumerate(steps)
    )
    return table(rows, heads)


def table(rows: Iterable[Sequence[str]], heads: Sequence[str] = ()) -> str:
    """Rows of texts, the first of each a head, below heads of columns."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in heads)
    body = "".join(
        f'<tr><th scope="row">{escape(first)}</th>'
        f"{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"
        for first, *cells in rows
    )
    above = f"<thead><tr>{head}</tr></thead>" if heads else ""
    return f'<table class="errseg-table">{above}<tbody>{body}</tbody></table>'


def message(sentence: str) -> str:
    """What a visitor should know right now."""
    return f'<p class="errseg-message" role="alert">{escape(sentence)}</p>'


def line(kind: str, text: str) -> str:
    """One line of text, in the style of its kind."""
    return f'<p class="errseg-{kind}">{escape(text)}</p>'
