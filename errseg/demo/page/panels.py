"""The page's panels that are drawn by scripts: `gr.HTML` whose value is data."""

import gradio as gr

from errseg.demo.backend.static_files import static_text


def panel(name: str, value: str = "") -> gr.HTML:
    """Make a panel that is drawn by ``static/NAME.js`` from a value of `view.as_html`."""
    return gr.HTML(value, js_on_load=static_text(f"{name}.js"), elem_id=f"errseg-{name}")


def shared_script() -> str:
    """Return what all panels' scripts use, and the question's own, as a part of the page's head."""
    return (
        f"<script>{static_text('shared.js')}</script><script>{static_text('question.js')}</script>"
    )
