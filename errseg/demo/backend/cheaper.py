"""What is done where a question costs too much: a whole look instead of a closer one, or a refusal.

A refusal says what would fit.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

from errseg.config import SMALLEST_INPUT
from errseg.demo.backend.budget import Budget, Price, Way
from errseg.demo.backend.request import Request
from errseg.device import AUTOMATIC
from errseg.words.vocabulary import Vocabulary

TOO_DEAR = (
    "Too much for a closer look here: looked at as a whole. Fewer words or a smaller P would allow "
    "it."
)
LOOKS = {1: "whole", AUTOMATIC: "auto", 2: "2 x 2", 3: "3 x 3"}
"""What the page calls the values of "Look closer", in the order of what they cost."""
WHOLE = LOOKS[1]


def said_of(request: Request) -> tuple[str, ...]:
    """Say that a question was answered with the whole look instead of a closer one, if it was."""
    return (TOO_DEAR,) if request.too_dear else ()


def leaving_room(budget: Budget, request: Request, price_of: Callable[[Request], Price]) -> Request:
    """Return a question with the whole look if nobody chose one and only that leaves enough room.

    Args:
        budget: what it may cost, with what follows it.
        request: the question.
        price_of: prices a question like it, with what follows.
    """
    if not request.may_be_whole or budget.holds(price_of(request)):
        return request
    return request.as_whole() if budget.holds(price_of(request.as_whole())) else request


def settle(
    budget: Budget,
    request: Request,
    new: list[int],
    input_size: int,
    price_of: Callable[[Request, list[int]], Price],
) -> tuple[Request, Price]:
    """Settle how closely a question looks at its photo, and price it.

    Where nobody chose a look and the one by the photo's size costs too much, it is the whole one.

    Args:
        budget: what it may cost.
        request: the question.
        new: tokens of each prompt that is to be encoded.
        input_size: the model's own.
        price_of: prices a question like it, given the tokens of each prompt that is new.

    Raises:
        InputError: it costs too much; the sentence says what would fit.
    """
    price = price_of(request, new)
    if not budget.holds(price) and request.may_be_whole:
        request = request.as_whole()
        price = price_of(request, new)
    if budget.holds(price):
        return request.settled(), price
    looks = _looks_of(request, lambda asked: price_of(asked, new))
    ways = _ways(request, new, input_size, price_of)
    if not (looks and budget.holds(looks[WHOLE]())):  # then less of several things at once
        whole, asked = f"Look closer: {WHOLE}", request.with_look(1)
        own = min(request.options.input_size or input_size, input_size)
        less = [([whole], asked)] if looks else []
        for side in (own, SMALLEST_INPUT):
            named = [whole] if looks else []
            less.append(([*named, f"an input size of {side}"], asked.changed(input_size=side)))
        for names, one in less:
            ways += _ways(one, new, input_size, price_of, f"with {' and '.join(names)}, ")
    raise budget.refusal(price, ways, looks)


def settle_all(
    budget: Budget,
    requests: Sequence[Request],
    what: str,
    input_sizes: Sequence[int],
    price_of: Callable[[Sequence[Request]], Price],
) -> list[Request]:
    """Do what `settle` does for questions that are asked one after the other.

    Args:
        budget: what they may cost together.
        requests: in their order, one or more.
        what: of which fewer would fit, such as "photos".
        input_sizes: of each question's model.
        price_of: prices questions like the first of them.

    Raises:
        InputError: they cost too much; the sentence says how many would fit, or what else.
    """
    asked, price = list(requests), price_of(requests)
    if not budget.holds(price):
        asked = [one.as_whole() if one.may_be_whole else one for one in asked]
        price = price_of(asked)

    def changed(**options: object) -> list[Request]:
        return [request.changed(**options) for request in asked]

    sizes = [one.options.input_size or own for one, own in zip(asked, input_sizes, strict=True)]
    ways = [
        Way(f"{{}} {what} at a time would fit.", lambda n: price_of(asked[:n]), len(asked)),
        Way(
            "An input size of {} would fit.",
            lambda side: price_of(changed(input_size=side)),
            min(sizes),
            SMALLEST_INPUT,
        ),
    ]
    closest = max(asked, key=_closeness)
    looks = _looks_of(
        closest, lambda one: price_of([request.with_look(one.options.tiles) for request in asked])
    )
    if not budget.holds(price) and not budget.proposal(ways, looks):
        # Even one costs too much: what of it would fit.
        settle(budget, asked[0], [], input_sizes[0], lambda one, new: price_of([one]))
    budget.check(price, ways, looks)
    return [request.settled() for request in asked]


def _looks_of(
    request: Request, price_of: Callable[[Request], Price]
) -> Mapping[str, Callable[[], Price]]:
    """Name the looks at a photo that are less close than a question's, and what each would cost."""
    less = reversed(list(LOOKS)[: _closeness(request)])
    return {LOOKS[tiles]: lambda t=tiles: price_of(request.with_look(t)) for tiles in less}


def _closeness(request: Request) -> int:
    """Tell the place of a question's look among `LOOKS`; one at a place costs little more."""
    return 1 if request.options.closer_at else list(LOOKS).index(request.options.tiles)


def _ways(
    request: Request,
    new: list[int],
    input_size: int,
    price_of: Callable[[Request, list[int]], Price],
    before: str = "",
) -> list[Way]:
    """List the ways to ask for less, whose sentences begin with some words."""
    asked = len(request.vocabulary)

    def with_kept(kept: int) -> Price:
        return price_of(request.changed(kept_classes=kept), new)

    def with_words(count: int) -> Price:
        vocabulary = Vocabulary(request.vocabulary.classes[:count])
        fewer = dataclasses.replace(request, vocabulary=vocabulary)
        return price_of(fewer, new[: len(new) * count // asked])

    def with_input(side: int) -> Price:
        return price_of(request.changed(input_size=side), new)

    def way(sentence: str, *rest: object) -> Way:
        begun = before + sentence
        return Way(begun[0].upper() + begun[1:], *rest)

    side = request.options.input_size or input_size
    return [
        way("P = {} would fit.", with_kept, min(request.options.kept_classes, asked)),
        way(
            "the first {} of the words would fit; words that were read once cost little when they "
            "are asked again with more.",
            with_words,
            asked,
        ),
        way("an input size of {} would fit.", with_input, side, SMALLEST_INPUT),
    ]
