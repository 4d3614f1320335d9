"""What the fields of a configuration may hold: weights files bring their own, and may be damaged.

The ranges are wide: they leave room for any network one would train, and none for a size that would
take all memory or a number that answers nonsense.
"""

import re
from dataclasses import fields
from numbers import Integral, Real
from typing import Any, get_args, get_origin

_QUOTED = 40  # characters of a wrong value that a message shows
_LONGEST_TEXT = 200  # characters of a template, a description or a word
_MOST_TEXTS = 20_000  # words that training saw; errseg-lite has 277
_MOST_TEMPLATES = 100  # CLIP's authors average over 80
_MOST_VIEWS = 8
_WIDTH, _DEPTH, _SHARE, _KERNEL = (1, 16_384), (1, 64), (0, 1), (1, 31)
_RANGES = {
    "width": _WIDTH,
    "widths": _WIDTH,
    "embedding": _WIDTH,
    "text_width": _WIDTH,
    "text_hidden": _WIDTH,
    "residual_hidden": _WIDTH,
    "feed_forward": _WIDTH,
    "cost_channels": _WIDTH,
    "guidance_channels": _WIDTH,
    "decoder_widths": _WIDTH,
    "decoder_guidance": _WIDTH,
    "layers": _DEPTH,
    "heads": _DEPTH,
    "text_layers": _DEPTH,
    "text_heads": _DEPTH,
    "cost_kernel": _KERNEL,
    "mix_kernel": _KERNEL,
    "spatial_reduction": _KERNEL,
    "class_reduction": _KERNEL,
    "context_length": (4, 512),  # tokens; a start, an end and something between them
    "text_vocabulary": (1, 10**6),
    "imagenet_classes": (1, 10**5),
    "views": (0.1, 2.0),  # size of a view, relative to the photo's
    "conse_weight": (0, 100),
    "residual_dropout": _SHARE,
    "hypernyms_share": _SHARE,
    "drop_path": _SHARE,
    "text_guidance_dropout": _SHARE,
    "pixel_mean": (0, 255),
    "pixel_std": (0.01, 1000),
    "scale": (1e-6, 1000),
    "bias": (-1000, 1000),
    "competition": _SHARE,
    "threshold": _SHARE,
}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+()-]{0,99}")
_TAG = re.compile(r"[A-Za-z0-9_.-]{0,100}")  # no colon, no slash: it is no place to download from
# No control characters, line breaks or lone surrogates.
_LINE = re.compile(rf"[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]{{1,{_LONGEST_TEXT}}}")
_PLAIN_LINE = re.compile(rf"[^<>\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]{{0,{_LONGEST_TEXT}}}")
_TEXTS = {
    "name": (_NAME, "a name of letters, digits and . _ + ( ) -"),
    "description": (_PLAIN_LINE, f"a line of at most {_LONGEST_TEXT} characters without < and >"),
    "trunk": (re.compile(r"[a-z0-9_]{1,100}"), "a name of timm's"),
    "open_clip_name": (_TAG, "a name of open_clip's"),
    "clip_weights": (_TAG, "a tag of open_clip's"),
    "projection": (re.compile("linear|mlp"), "linear or mlp"),
    "templates": (
        re.compile(rf"(?=.*\{{\}}){_LINE.pattern}"),
        f"a line of at most {_LONGEST_TEXT} characters with {{}} in it",
    ),
    "trained_words": (_LINE, f"a line of at most {_LONGEST_TEXT} characters"),
    "held_out": (_LINE, f"a line of at most {_LONGEST_TEXT} characters"),
}
_COUNTS = {"templates": (1, _MOST_TEMPLATES), "views": (0, _MOST_VIEWS)}


def check_fields(config: object, **ranges: tuple[float, float]) -> None:
    """Check a configuration's fields against their annotated types and what may stand in them.

    Args:
        config: an instance of one of the dataclasses of `errseg.config`.
        ranges: least and greatest number by field, for fields that none is known of here.

    Raises:
        ValueError: the message names the first field that is wrong, and what would be right.
    """
    for field in fields(config):
        _check(field.name, getattr(config, field.name), field.type, {**_RANGES, **ranges})


def check_divisible(config: object, width: str, heads: str) -> None:
    """Refuse with a ValueError a width that the heads don't divide."""
    whole, parts = getattr(config, width), getattr(config, heads)
    if whole % parts:
        raise ValueError(f"{width} {whole} is not a multiple of {heads} {parts}")


def _check(name: str, value: object, kind: Any, ranges: dict[str, tuple[float, float]]) -> None:
    if get_origin(kind) is tuple:
        _check_tuple(name, value, get_args(kind), ranges)
    elif kind is str:
        pattern, right = _TEXTS[name]
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise ValueError(f"{name} must be {right}, not {_quote(value)}")
    elif kind in (int, float):
        least, greatest = ranges[name]
        number = isinstance(value, Integral if kind is int else Real)
        # Nor NaN, which is in no range.
        if not number or isinstance(value, bool) or not least <= value <= greatest:
            what = "a whole number" if kind is int else "a number"
            raise ValueError(
                f"{name} must be {what} from {least:,} to {greatest:,}, not {_quote(value)}"
            )
    elif not isinstance(value, kind):
        right = "true or false" if kind is bool else "a part of the configuration"
        raise ValueError(f"{name} must be {right}, not {_quote(value)}")


def _check_tuple(
    name: str, value: object, kinds: tuple, ranges: dict[str, tuple[float, float]]
) -> None:
    if not isinstance(value, tuple):
        raise ValueError(f"{name} must be a list, not {_quote(value)}")
    least = most = len(kinds)
    if kinds[-1] is ...:
        least, most = _COUNTS.get(name, (0, _MOST_TEXTS))
        kinds = kinds[:1] * len(value)
    if not least <= len(value) <= most:
        count = f"{least}" if least == most else f"{least} to {most:,}"
        raise ValueError(f"{name} must have {count} entries, not {len(value):,}")
    for part, kind in zip(value, kinds, strict=True):
        _check(name, part, kind, ranges)


def _quote(value: object) -> str:
    if isinstance(value, str | int | float):
        return f"{value!r:.{_QUOTED}}"
    return f"a {type(value).__name__}"  # which may be endlessly deep
