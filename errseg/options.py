"""The options of a question, and what every door to the network knows of each. No torch."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Self

from errseg.config import BETA, KEPT_CLASSES, LARGEST_INPUT, SMALLEST_INPUT, VOTES_PER_PIXEL
from errseg.device import AUTOMATIC, check_precision
from errseg.errors import InputError
from errseg.words.vocabulary import MAX_CLASSES

VALUE_SHOWN = 30  # characters of what was given, in a sentence
MOST_TILES = 3  # tiles along each side of a photo that is looked at closer
PLACE_DECIMALS = 4  # of a place in a photo: a fifth of a pixel of 2,048
MOST_VOTES = 10  # largest K on the page: each vote weighs a tenth of the one before it


@dataclass(frozen=True)
class Knob:
    """What the page, links and the command line know of a field of `Options`."""

    default: int | float | bool | str | None  # None: the model's own
    kind: type
    title: str = ""  # begins a sentence about a number
    help: str = ""  # on the command line
    least: float = 0
    most: float = 1  # on the page
    link: str = ""  # its name in a link; without one links don't tell it
    symbol: str | None = None  # stands for its value on the command line
    # Reads a value where it is one of a few, or raises an InputError.
    check: Callable[[object], object] | None = None
    unset: str = "the model's own"  # what None stands for, on the command line


def check_tiles(tiles: object) -> int | str:
    """Read how many tiles a photo has along each side: "auto", or a number, maybe as text.

    Raises:
        InputError: it is none of these.
    """
    text = str(tiles).strip().casefold()
    if text == AUTOMATIC:
        return AUTOMATIC
    for number in range(1, MOST_TILES + 1):
        if text in (f"{number}", f"{number}.0"):  # browsers and JSON have one kind of number
            return number
    raise InputError(f"Tiles are auto, 1, 2 or {MOST_TILES}, not {_shown(tiles)}.")


def check_place(place: object) -> tuple[float, float] | None:
    """Read a place in a photo: x and y in parts of its width and height, maybe as text "x,y".

    Returns:
        both in [0, 1], to four decimals, so that text tells them wholly; or None where there is
        nothing.

    Raises:
        InputError: it is something else.
    """
    if place is None or (isinstance(place, str) and not place.strip()):
        return None
    parts = place.split(",") if isinstance(place, str) else place
    try:
        x, y = (float(part) for part in parts)
    except (TypeError, ValueError, OverflowError):
        x = y = math.nan
    if not (0 <= x <= 1 and 0 <= y <= 1):
        raise InputError(
            "The place to look closer at is X,Y in parts of the photo's width and height, each "
            f"from 0 to 1, such as 0.5,0.25, not {_shown(place)}."
        )
    return round(x, PLACE_DECIMALS), round(y, PLACE_DECIMALS)


def as_text(value: object) -> str:
    """Write an option's value as links and the command line take it; nothing for None."""
    if value is None:
        return ""
    if isinstance(value, tuple):
        return ",".join(map(as_text, value))
    return value if isinstance(value, str) else f"{value:g}"  # yes is 1, no is 0


def _option(default: object, kind: type, *words: str, **settings: object) -> object:
    return field(default=default, metadata={"knob": Knob(default, kind, *words, **settings)})


@dataclass(frozen=True)
class Options:
    """How a photo is segmented, whatever it shows and whatever is looked for.

    Every door loops over these fields: a new one is an edit here, where it acts, and on the page.
    """

    # P, classes that CRM keeps of a photo's vocabulary
    kept_classes: int = _option(
        KEPT_CLASSES,
        int,
        "Classes kept (P)",
        "classes that CRM keeps for this photo",
        least=1,
        most=MAX_CLASSES,
        link="kept",
        symbol="P",
    )
    # K, classes that vote at one pixel
    votes_per_pixel: int = _option(
        VOTES_PER_PIXEL,
        int,
        "Votes per pixel (K)",
        "classes that vote at one pixel",
        least=1,
        most=MOST_VOTES,
        link="votes",
        symbol="K",
    )
    # CRM's score coefficient, in [0, 1]
    beta: float = _option(BETA, float, "Beta", "CRM's score coefficient, 0 to 1", link="beta")
    # in [0, 1]; pixels whose best class scores less are labelled -1
    threshold: float | None = _option(
        None,
        float,
        "The threshold",
        "0 to 1; pixels whose best score is lower get no class",
        link="threshold",
    )
    # pixels of a side of the network's input
    input_size: int | None = _option(
        None,
        int,
        "The input size",
        "side of the network's input",
        least=SMALLEST_INPUT,
        most=LARGEST_INPUT,
        symbol="PIXELS",
    )
    # whether errseg-lite reads words that it doesn't know with what WordNet says they are
    expand: bool = _option(
        True,
        bool,
        help="read words that errseg-lite doesn't know with what they are: capybara, rodent, "
        "animal",
        link="expand",
    )
    # one of `errseg.device.PRECISIONS`; "auto" is the model's own
    precision: str = _option(
        AUTOMATIC,
        str,
        help="what the network computes in: auto, float32, bfloat16 or float16; auto is the "
        "fastest here",
        check=check_precision,
    )
    # "auto", 1, 2 or 3: the tiles along each side in which a large photo is looked at closer
    tiles: int | str = _option(
        AUTOMATIC,
        str,
        help="look closer at large photos, in 2 x 2 or 3 x 3 tiles beside the whole: 1 never, 2 or "
        "3 always, for 5 or 10 times the time; auto by the photo's size, for 4 times at most",
        link="tiles",
        symbol="auto|1|2|3",
        check=check_tiles,
    )
    # x, y in parts of the photo: the place around which it is looked at closer, instead of tiles
    closer_at: tuple[float, float] | None = _option(
        None,
        str,
        help="look closer at one place, in a tile of the network's size around it beside the "
        "whole, for twice the time: X,Y in parts of the photo's width and height, 0 to 1",
        link="closer",
        symbol="X,Y",
        check=check_place,
        unset="nowhere",
    )

    def changed(self, **changes: object) -> Self:
        """Return the same options with some changes.

        Raises:
            TypeError: there is no such option.
        """
        if unknown := changes.keys() - knobs():
            raise TypeError(
                f"There is no option {', '.join(sorted(unknown))}; "
                f"the options are {', '.join(knobs())}."
            )
        return replace(self, **changes)

    @property
    def of_network(self) -> Self:
        """What the network's answer depends on: all but the threshold, which labels pixels."""
        return replace(self, threshold=None)


def knobs() -> dict[str, Knob]:
    """List what there is to know of each field of `Options`, by name."""
    return {option.name: option.metadata["knob"] for option in fields(Options)}


def checked_options(options: Options | None, changes: Mapping[str, object]) -> Options:
    """Return options with some changes, each value of its field's own type.

    Numbers may come as text. Where a number may lie is for what uses it to say.

    Raises:
        InputError: a value is of another type.
        TypeError: there is no such option.
    """
    if not isinstance(options, Options | None):
        raise InputError(
            f"Options come one by one or as Options(...), not as a {type(options).__name__}."
        )
    options = (options or Options()).changed(**changes)
    values = {name: _of_kind(name, getattr(options, name)) for name in knobs()}
    return replace(options, **values)


def _of_kind(name: str, value: object) -> object:
    knob = knobs()[name]
    if value is None and knob.default is None:
        return None
    if knob.check:
        return knob.check(value)
    if knob.kind is bool:
        if type(value).__name__ in ("bool", "bool_"):  # NumPy has its own
            return bool(value)
        raise InputError(f"{name} is True or False, not {_shown(value)}.")
    try:
        number = float(value)
        fits = knob.kind is float or number.is_integer()
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"{knob.title} must be a number, not {_shown(value)}.") from None
    if not fits:
        raise InputError(f"{knob.title} must be a whole number, not {_shown(value)}.")
    return knob.kind(number)


def _shown(value: object) -> str:
    return f"{value!r}"[:VALUE_SHOWN]
