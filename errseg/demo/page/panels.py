"""The page's panels that are drawn by scripts: `gr.HTML` whose value is data."""

from pathlib import Path

import gradio as gr

STATIC = Path(__file__).resolve().parents[1] / "static"


def script(file: str) -> str:
    """Read a script of the page's."""
    return (STATIC / file).read_text(encoding="utf-8")


def panel(name: str, value: str = "") -> gr.HTML:
    """Make a panel that is drawn by ``static/NAME.js`` from a value of `view.as_html`."""
    return gr.HTML(value, js_on_load=script(f"{name}.js"), elem_id=f"errseg-{name}")


def shared_script() -> str:
    """Return what all panels' scripts use, and the question's own, as a part of the page's head."""
    return f"<script>{script('shared.js')}</script><script>{script('question.js')}</script>"
