"""The page's panels that are drawn by scripts: `gr.HTML` whose value is data."""

import gradio as gr

from errseg.demo.backend.static_files import shared_scripts, static_text

IN_HEAD = ("access.js", "knobs.js", "question.js", "stop.js", "large.js", "closer.js")
"""Scripts in the page's head, beside those that panels share."""


def panel(name: str, value: str = "") -> gr.HTML:
    """Make a panel that is drawn by ``static/NAME.js`` from a value of `view.as_html`."""
    return gr.HTML(value, js_on_load=static_text(f"{name}.js"), elem_id=f"errseg-{name}")


def fold(name: str) -> gr.HTML:
    """Make a button that unfolds, on a phone, the row behind it."""
    button = f'<button type="button" class="errseg-fold" aria-expanded="false">{name}</button>'
    return gr.HTML(button, js_on_load=static_text("fold.js"), elem_id="errseg-fold")


def shared_script() -> str:
    """Return what all panels' scripts use, and the question's own, as a part of the page's head."""
    scripts = (*shared_scripts(), *map(static_text, IN_HEAD))
    return "".join(f"<script>{script}</script>" for script in scripts)
