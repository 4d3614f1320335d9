"""The page's panels that are drawn by scripts: `gr.HTML` whose value is data."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

STATIC = Path(__file__).resolve().parents[1] / "static"
SHARED_SCRIPT = "shared.js"


def panel(name: str, value: str = "") -> gr.HTML:
    """Make a panel that is drawn by ``static/NAME.js`` from a value of `view.as_html`."""
    script = "\n".join(
        (STATIC / file).read_text(encoding="utf-8") for file in (SHARED_SCRIPT, f"{name}.js")
    )
    return gr.HTML(value, js_on_load=script, elem_id=f"errseg-{name}")
