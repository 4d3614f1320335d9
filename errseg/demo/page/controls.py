"""Controls as the page uses them."""

from __future__ import annotations

import inspect

import gradio as gr

from errseg.words.vocabulary import MAX_CLASSES, parse_classes, suggested_kept_classes

MOST_KEPT = 100
"""End of the P slider; the paper's best lies between 16 and 48."""


def kept_slider(kept_classes: int, size: int) -> gr.Slider:
    """Bound P by the vocabulary, with the paper's advice for its size."""
    most = _most_kept(size)
    return gr.update(value=min(kept_classes, most), maximum=most, info=_advice(size))


def kept_bound(kept_classes: int, words: str) -> gr.Slider:
    """Let P's end follow words that are being typed; P itself waits until they are used.

    Raises:
        InputError: the words can't be read.
    """
    size = len(parse_classes(words, limit=MAX_CLASSES))
    return gr.update(maximum=max(kept_classes, _most_kept(size)), info=_advice(size))


def _most_kept(size: int) -> int:
    return max(2, min(MOST_KEPT, size))


def _advice(size: int) -> str:
    advice = suggested_kept_classes(size)
    return f"of {size:,} classes kept" + (f"; the paper's: {advice}" if advice < size else "")


def alternative(text: str) -> dict[str, str]:
    """An image's text for those who can't see it, where Gradio knows of it (from 6.28)."""
    known = "alt_text" in inspect.signature(gr.Image).parameters
    return {"alt_text": text} if known else {}


def slider(
    least: float, most: float, value: float, step: float, label: str, info: str, **settings
) -> gr.Slider:
    """Make a slider without the button that sets it back."""
    return gr.Slider(
        least,
        most,
        value,
        step=step,
        label=label,
        info=info,
        min_width=110,
        buttons=[],
        **settings,
    )
