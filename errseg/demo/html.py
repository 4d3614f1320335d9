"""The page's own pieces of HTML. Whatever a visitor typed is escaped here, and only here."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from errseg.demo.examples import Example
from errseg.demo.service import Answer
from errseg.export import crm_ranks
from errseg.visualize import NONE_NAME

PAPER = "https://arxiv.org/abs/2501.17642"
MOST_ROWS = 200
"""Rows of the ranking that are shown; a longer list helps nobody and slows the page."""
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


def legend(answer: Answer) -> str:
    """The classes that are present: swatch, name, area, mean score; largest area first."""
    rows = [
        _legend_row(entry.hex, entry.name, entry.area, f"{entry.score:.2f}")
        for entry in answer.legend
    ]
    if none := float((answer.result.labels < 0).mean()):
        rows.append(_legend_row("", NONE_NAME, none, ""))
    return _panel(
        "Legend",
        '<table class="errseg-legend"><thead><tr><th scope="col">class</th>'
        '<th scope="col">area</th><th scope="col">score</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>",
    )


def ranking(answer: Answer) -> str:
    """All classes by CRM score as bars, with the line that P draws between kept and dropped."""
    result = answer.result
    order = sorted(range(len(result.classes)), key=crm_ranks(result).__getitem__)
    kept, highest = set(result.kept), max(float(result.crm_scores.max()), 1e-9)
    rows = []
    for place, index in enumerate(order[:MOST_ROWS]):
        if place == len(kept):
            rows.append(
                f'<li class="errseg-line"><span>P = {len(kept)}: dropped from here on</span></li>'
            )
        score = float(result.crm_scores[index])
        name = escape(result.classes[index])
        votes = ", ".join(
            f"{count} votes at rank {rank}"
            for rank, count in enumerate(result.votes[index], start=1)
        )
        state = "kept" if index in kept else "dropped"
        rows.append(
            f'<li class="errseg-bar {state}" title="{name}: {votes}">'
            f'<span class="rank">{place + 1}</span>'
            f'<span class="name">{name}</span>'
            f'<span class="track"><span style="width:{100 * score / highest:.1f}%"></span></span>'
            f'<span class="score">{score:,.1f}</span>'
            f'<span class="state">{state}</span></li>'
        )
    if more := len(order) - MOST_ROWS:
        rows += [f'<li class="errseg-more">and {more:,} more</li>'] * (more > 0)
    asked = result.settings.kept_classes
    every = " (all)" if asked >= len(order) else ""
    return _panel(
        f"CRM kept {len(kept)} of {len(order)}{every}",
        f'<ol class="errseg-ranking" tabindex="0" aria-label="Classes by CRM score">'
        f"{''.join(rows)}</ol>",
    )


def notes(answer: Answer, device: str) -> str:
    """Notices, then time by stage and what computed."""
    result = answer.result
    notices = "".join(f"<li>{escape(notice)}</li>" for notice in result.notices)
    stages = ", ".join(
        f"{STAGES.get(stage, stage)} {1000 * seconds:.0f}"
        for stage, seconds in result.timings.items()
    )
    height, width = result.settings.network_size
    photo_height, photo_width = result.labels.shape
    timing = (
        f"{sum(result.timings.values()):.2f} s ({stages} ms) on {device.upper()}; "
        f"photo {photo_width} x {photo_height}, network input {width} x {height}"
    )
    return (
        f'<ul class="errseg-notices">{notices}</ul>' if notices else ""
    ) + f'<p class="errseg-timing">{timing}</p>'


def message(sentence: str) -> str:
    """What a visitor should know right now."""
    return f'<p class="errseg-message" role="alert">{escape(sentence)}</p>'


def waiting(title: str) -> str:
    """A panel before its first content."""
    return _panel(title, '<p class="errseg-waiting">The first result is on its way …</p>')


def _legend_row(color: str, name: str, area: float, score: str) -> str:
    share = "&lt;1 %" if area < 0.01 else f"{100 * area:.0f} %"
    kind = f'style="background:{color}"' if color else 'class="none"'
    return (
        f'<tr><th scope="row"><span><i {kind} aria-hidden="true"></i>{escape(name)}</span></th>'
        f"<td>{share}</td><td>{score}</td></tr>"
    )


def _panel(title: str, body: str) -> str:
    return f'<section class="errseg-panel"><h2>{title}</h2>{body}</section>'
