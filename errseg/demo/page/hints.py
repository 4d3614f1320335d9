"""What to know about the words, below them: sentences, and what a click writes instead."""

from collections.abc import Iterable

import gradio as gr

from errseg.demo.backend import view
from errseg.demo.page.panels import panel
from errseg.words.hints import Hint


def build_hints() -> gr.HTML:
    """Lay out the place of the hints, without any."""
    return panel("hints")


def as_shown(hints: Iterable[Hint]) -> str:
    """Give hints to the panel's script, which folds all but the first; a name in them stays text.

    What to do where nothing was found comes first.
    """
    ordered = sorted(hints, key=lambda hint: hint.threshold is None)
    return view.as_html({"hints": [vars(hint) for hint in ordered]})
