"""What is in a photo: words that CRM finds, without a word from anybody."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

from errseg.demo.backend.request import Request, check_photo
from errseg.errors import InputError
from errseg.options import Options
from errseg.words.union import check_count, named_union

if TYPE_CHECKING:  # torch takes seconds to import; the page paints before it is there
    import numpy as np

    from errseg.demo.backend.budget import Price
    from errseg.demo.backend.price import Prices
    from errseg.demo.backend.service import Service
    from errseg.inference.predictor import Predictor
    from errseg.inference.suggestion import Suggestion


def suggest(
    service: Service, photo: str | Path | None, count: int, model: str = ""
) -> tuple[Suggestion, ...]:
    """Ask for the words that CRM finds most of, see `errseg.inference.suggestion`.

    Raises:
        InputError: as `Service.answer`, the count is out of range, or the model would have to read
            all those words first and that takes too long.
    """
    check_count(count)
    request = Request(check_photo(photo), named_union(), Options(kept_classes=1, tiles=1), model)

    def price_of(prices: Prices, asked: Request, size: tuple[int, int], new: list[int]) -> Price:
        price = prices.answer(asked, size, new) + prices.ranking(len(asked.vocabulary), size)
        if not service.budget.holds(price):
            raise InputError(
                f"With this model it would take {price.seconds:,.0f} seconds to find words for a "
                f"photo; at most {service.budget.seconds:,.0f} are allowed. Choose another model."
            )
        return price

    return service.ask(request, price_of, functools.partial(_suggest, count=count))


def _suggest(
    predictor: Predictor, request: Request, photo: np.ndarray, count: int
) -> tuple[Suggestion, ...]:
    from errseg.inference.suggestion import suggest_classes

    return suggest_classes(predictor, photo, count)
