"""A result as one HTML file that needs nothing else: no server, no network, no other file.

The page's own panels draw it, from the data that the page has; ``standalone.js`` stands in for what
Gradio gives them. A policy in the file forbids any request and any script but these.
"""

import base64
import dataclasses
import hashlib
from collections.abc import Iterable
from html import escape
from pathlib import Path

from errseg.config import ARXIV
from errseg.demo.backend import view
from errseg.demo.backend.answers import Answer, AttentionAnswer
from errseg.demo.backend.static_files import STATIC, shared_scripts, static_text, styles
from errseg.options import as_text

PANELS = ("masks", "ranking", "attention", "queries")
"""Scripts in the order in which they stand on the file's page, each with its own data."""
MOST_BYTES = 2_900_000
"""Of the whole file, as far as leaving classes' queries and keys out makes it so small."""
REST_BYTES = 130_000  # scripts, styles and settings
MOST_TITLE = 80  # characters of the words in the window's title


def write_page(file: Path, answer: Answer, attention: AttentionAnswer, command: str) -> None:
    """Write `standalone_page` to a file, in UTF-8."""
    file.write_text(standalone_page(answer, attention, command), encoding="utf-8")


def standalone_page(answer: Answer, attention: AttentionAnswer, command: str) -> str:
    """Write a result as a page: masks that tell of a pixel, legend, CRM's list, and attention.

    Attention is live, of the classes that were asked for from every pixel, as far as they fit in
    `MOST_BYTES`; the cross stands where the answer's pixel is. The photo is in it as it is shown,
    at most `view.LONGEST_SHOWN` pixels wide and high, and nothing of its file, so no EXIF.

    Args:
        answer: what was found.
        attention: of the same question.
        command: the command line that gives the same result.
    """
    shown = (view.masks(answer), view.ranking(answer), view.attention(attention))
    length = sum(len(view.as_html(data)) for data in shown) + REST_BYTES
    data = (*shown, _queries_in(attention, MOST_BYTES - length))
    panels = {name: view.as_html(data) for name, data in zip(PANELS, data, strict=True)}
    # A panel's script is the body of a function of `element` and `trigger`, as Gradio has it.
    drawn = (
        f"window.errsegStandalone({name!r}, (element, trigger) => {{{body}\n}});"
        for name, body in ((name, static_text(f"{name}.js")) for name in PANELS)
    )
    scripts = [*shared_scripts(), static_text("standalone.js"), *drawn]
    title = ", ".join(answer.result.classes)
    title = title if len(title) <= MOST_TITLE else f"{title[:MOST_TITLE]}…"
    places = {
        name: f'<div id="errseg-{name}" class="errseg-place"><div>{html}</div></div>'
        for name, html in panels.items()
    }
    style = "\n".join(
        path.read_text(encoding="utf-8") for path in (*styles(), STATIC / "standalone.css")
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_policy(scripts)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="color-scheme" content="light dark">
<title>{escape(title)} - ERR-Seg</title>
<style>
{style}
</style>
</head>
<body class="gradio-container">
<header class="errseg-header"><h1>ERR-Seg</h1>
<p>A result to look at, on its own: nothing here is sent or fetched.</p></header>
<main>
<div class="errseg-column">{places["masks"]}</div>
<div class="errseg-column">
<div id="errseg-legend"></div>{places["ranking"]}{places["attention"]}{places["queries"]}
</div>
</main>
<p id="errseg-standalone-note" class="errseg-message" role="status" hidden></p>
<footer>{_settings(answer, attention, command)}</footer>
{"".join(f"<script>{script}</script>" for script in scripts)}
</body>
</html>
"""


def _queries_in(attention: AttentionAnswer, most: float) -> dict:
    """Describe the queries and keys of the first classes that fit into some characters."""
    parts = view.queries(attention, most)
    fits = parts and len(view.as_html(parts[0])) <= most
    return parts[0] if fits else view.refused_queries("")


def _policy(scripts: Iterable[str]) -> str:
    """Allow these scripts, styles of the page's own and pictures in it, and nothing else."""
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
        for script in scripts
    )
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _settings(answer: Answer, attention: AttentionAnswer, command: str) -> str:
    """List all that the result depends on, as it stands in result.json too."""
    settings = dataclasses.asdict(answer.result.settings)
    del settings["input_size"]  # the network's size says more
    height, width = settings.pop("network_size")
    tile = settings.pop("tile_size")
    weights = settings.pop("weights_hash") or "random"
    origin = settings.pop("weights_origin") or "a file of that machine"
    photo_height, photo_width = answer.photo.shape[:2]
    rows = {
        "command": command,
        "method": f"ERR-Seg, arXiv {ARXIV}",
        **{
            name.replace("_", " "): _shown(value)
            for name, value in settings.items()
            if value is not None
        },
        "weights from": origin,
        "weights (SHA-256)": weights,
        "network input": f"{width} x {height}",
        **({"network input of a tile": f"{tile[1]} x {tile[0]}"} if tile else {}),
        "photo": f"{photo_width} x {photo_height}",
        "photo's pixels (SHA-256 of rows of RGB bytes)": hashlib.sha256(
            answer.photo.tobytes()
        ).hexdigest(),
        "pixel of the first cross": f"{attention.pixel[0]}, {attention.pixel[1]}",
    }
    listed = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(str(value))}</td></tr>'
        for name, value in rows.items()
    )
    notices = "".join(f"<li>{escape(notice)}</li>" for notice in answer.result.notices)
    return (
        '<details class="errseg-settings"><summary>Settings, hashes and the command</summary>'
        f'<table class="errseg-table"><tbody>{listed}</tbody></table>'
        f'<ul class="errseg-notices">{notices}</ul></details>'
    )


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return as_text(value)
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
