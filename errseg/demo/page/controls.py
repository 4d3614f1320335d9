"""Controls as the page uses them."""

import inspect
from collections.abc import Collection

import gradio as gr

from errseg.options import knobs
from errseg.pictures.files import FORMATS
from errseg.words.vocabulary import MAX_CLASSES, Vocabulary, parse_classes, suggested_kept_classes

MOST_KEPT = 100  # end of sliders, of P's that is; the paper's best lies between 16 and 48
SLIDERS = {
    "kept_classes": ("Keep (P)", "classes", 1),
    "votes_per_pixel": ("Votes (K)", "at every pixel", 1),
    "threshold": ("Threshold", "below: none of these", 0.01),
    "beta": ("Beta", "weight of each further vote", 0.05),
}
"""Field of `Options` -> label, what it does, and the step between two values."""


def kept_slider(kept_classes: int, size: int) -> gr.Slider:
    """Bound P by the vocabulary, with the paper's advice for its size."""
    most = _most_kept(size)
    return gr.update(value=min(kept_classes, most), maximum=most, info=_kept_info(size))


def first_kept_slider(size: int) -> gr.Slider:
    """Make P's slider for a vocabulary's size, at the paper's advice."""
    settings = kept_slider(suggested_kept_classes(size), size)
    return slider("kept_classes", **{k: settings[k] for k in ("value", "maximum", "info")})


def kept_bound(kept_classes: int, words: str | Vocabulary | None) -> gr.Slider:
    """Let P's end follow words that are being typed; P itself waits until they are used.

    Raises:
        InputError: the words can't be read.
    """
    size = len(parse_classes(words, limit=MAX_CLASSES))
    return gr.update(maximum=max(kept_classes, _most_kept(size)), info=_kept_info(size))


def _most_kept(size: int) -> int:
    return max(2, min(MOST_KEPT, size))


def _kept_info(size: int) -> str:
    advice = suggested_kept_classes(size)
    classes = "1 class" if size == 1 else f"{size:,} classes"
    return f"of {classes}" + (f"; paper: {advice}" if advice < size else "")


def format_choices(but: Collection[str] = ()) -> list[tuple[str, str]]:
    """List the formats that a result can be saved in, all but some: what it is, and its name."""
    return [(what[0].upper() + what[1:], name) for name, what in FORMATS.items() if name not in but]


def alternative(text: str) -> dict[str, str]:
    """An image's text for those who can't see it, where Gradio knows of it (from 6.28)."""
    known = "alt_text" in inspect.signature(gr.Image).parameters
    return {"alt_text": text} if known else {}


def slider(name: str, side: str = "", **settings: float | str) -> gr.Slider:
    """Make the slider of an option, without the button that sets it back.

    Args:
        name: one of `SLIDERS`.
        side: of a comparison, if it belongs to one.
        settings: ``value``, ``maximum`` or ``info``, where it isn't the option's own.
    """
    knob, (label, info, step) = knobs()[name], SLIDERS[name]
    own = {"minimum": knob.least, "maximum": min(knob.most, MOST_KEPT), "value": knob.default}
    own["info"] = info
    place = f"errseg-compare-{side.lower()}" if side else "errseg"
    return gr.Slider(
        **{**own, **settings},
        step=step,
        label=f"{side}: {label}" if side else label,
        min_width=110,
        buttons=[],
        elem_id=f"{place}-{knob.link}",
    )
