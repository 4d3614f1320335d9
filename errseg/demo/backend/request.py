"""A question as the page and its endpoints ask it: checked, whatever the browser sent."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from errseg.device import AUTOMATIC
from errseg.errors import InputError
from errseg.options import Knob, Options, knobs
from errseg.words.vocabulary import MAX_CLASSES, Vocabulary, parse_classes


@dataclass(frozen=True)
class Request:
    """One question, checked."""

    photo: str | Path
    vocabulary: Vocabulary
    options: Options = field(default_factory=Options)
    model: str = ""  # a name of `Models.names`; the first one if empty
    # Whether the closer look that "auto" would take was found to cost too much; None: not yet asked
    too_dear: bool | None = field(default=None, compare=False)

    def changed(self, **options: object) -> Self:
        """Return the same question with other options."""
        return replace(self, options=self.options.changed(**options))

    @property
    def may_be_whole(self) -> bool:
        """Whether the whole look will do where a closer one costs too much: nobody chose one."""
        chosen = self.options.tiles != AUTOMATIC or self.options.closer_at is not None
        return not chosen and self.too_dear is None

    def with_look(self, tiles: int | str) -> Self:
        """Return the same question with another look, and no place that it looks closer at."""
        return self.changed(tiles=tiles, closer_at=None)

    def as_whole(self) -> Self:
        """Return the same question with the whole look, since a closer one costs too much."""
        return replace(self.with_look(1), too_dear=True)

    def settled(self) -> Self:
        """Return the same question, whose look at the photo stays as it is from now on."""
        return replace(self, too_dear=bool(self.too_dear))

    def same_but_threshold(self, before: Self) -> Self | None:
        """Return this question with the look of one before, if it asks the same of the network.

        That one may have been answered as a whole because a closer look cost too much.
        """
        if before.too_dear:
            again = self.as_whole() if self.may_be_whole else self.settled()
        else:
            again = replace(self, too_dear=before.too_dear)
        if replace(again, options=before.options) != before:
            return None
        return again if again.options.of_network == before.options.of_network else None


def check_request(
    photo: str | Path | None, classes: object, model: object = "", **options: object
) -> Request:
    """Check a photo's path, words, a model's name and options: a browser's word counts for nothing.

    Raises:
        InputError: something can't be used.
    """
    return Request(
        photo=check_photo(photo),
        vocabulary=parse_classes(classes, limit=MAX_CLASSES),
        options=Options(**check_options(options)),
        model=model if isinstance(model, str) else "",
    )


def check_photo(photo: str | Path | None) -> str | Path:
    """Return a photo's path.

    Raises:
        InputError: there is none.
    """
    if not photo:
        raise InputError("There is no photo yet; drop, paste or take one, or pick an example.")
    return photo


def check_options(given: Mapping[str, object]) -> dict[str, object]:
    """Check fields of `Options` by their names.

    Raises:
        InputError: one of them can't be used.
    """
    return {name: _checked(knobs()[name], value) for name, value in given.items()}


def _checked(knob: Knob, value: object) -> object:
    if knob.kind is bool:
        return value is not False
    if knob.check:
        return knob.check(value)
    # Nothing typed, and a 0 that is out of range, mean the model's own.
    if knob.default is None and (value is None or (knob.least > 0 and not value)):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not knob.least <= number <= knob.most:
        raise InputError(
            f"{knob.title} must be a number from {knob.least:,} to {knob.most:,}, "
            f"not {str(value)[:30]}."
        )
    if number != knob.kind(number):
        raise InputError(f"{knob.title} must be a whole number, not {value}.")
    return knob.kind(number)
