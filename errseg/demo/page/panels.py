"""The page's panels that are drawn by scripts: `gr.HTML` whose value is data."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

STATIC = Path(__file__).resolve().parents[1] / "static"


def panel(name: str, value: str = "") -> gr.HTML:
    """Make a panel that is drawn by ``static/NAME.js`` from a value of `view.as_html`."""
    script = (STATIC / f"{name}.js").read_text(encoding="utf-8")
    return gr.HTML(value, js_on_load=script, elem_id=f"errseg-{name}")


def shared_script() -> str:
    """Return what all panels' scripts use, as a part of the page's head."""
    return f"<script>{(STATIC / 'shared.js').read_text(encoding='utf-8')}</script>"
