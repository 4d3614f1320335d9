"""What the page and its endpoints ask for, without Gradio: checked inputs in, pictures out.

Nothing of one visitor is kept for another; a predictor's caches are keyed by content.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from errseg.demo.backend.answers import (
    Answer,
    AttentionAnswer,
    legend_classes,
    moved_pixel,
    query_pixel,
)
from errseg.demo.backend.attended import attended, check_attended, without_crm_refusal
from errseg.demo.backend.background import Background
from errseg.demo.backend.budget import Budget, Price
from errseg.demo.backend.cheaper import leaving_room, said_of, settle, settle_all
from errseg.demo.backend.live_attention import AT_FIRST
from errseg.demo.backend.models import Loaded, Models
from errseg.demo.backend.photos import LONGEST_SIDE, Photos
from errseg.demo.backend.places import Places
from errseg.demo.backend.price import Prices, measured_speeds
from errseg.demo.backend.request import Request
from errseg.demo.backend.turns import Turns
from errseg.errors import InputError
from errseg.inference.photo import check_pixel
from errseg.inference.result import CostView, Result
from errseg.pictures.export import legend, result_colors
from errseg.words import known
from errseg.words.hints import Hint, hints
from errseg.words.vocabulary import Vocabulary

if TYPE_CHECKING:  # torch takes seconds to import; the page paints before it is there
    from errseg.inference.predictor import Predictor

T = TypeVar("T")

SECONDS_TO_KEEP = 3600
"""What is a visitor's own, and photos in memory and on disk, are kept no longer."""


class Service:
    """Answers questions, for any number of visitors at a time.

    Args:
        models: which answer.
        opening: a question to answer as soon as the first model is there; it also warms it up.
        places: who computes when; everybody in one line by default.
        budget: what one question may cost.
    """

    def __init__(
        self,
        models: Models,
        opening: Request | None = None,
        places: Places | None = None,
        budget: Budget | None = None,
    ):
        self.models = models
        self.budget = budget or Budget()
        self.places = places or Places()
        self._turns = Turns(models, self.places, self.budget.seconds)
        self._opening = Background(lambda: self._open(opening)) if opening else None
        self._photos = Photos(SECONDS_TO_KEEP)

    def prepare(self) -> None:
        """Read what words are looked up in, so that nobody waits for it: a fifth of a second."""
        known.read_word_lists()

    def start(self) -> None:
        """Begin to load the first model and to answer the opening question; once."""
        self.models.start()
        self._photos.start()
        if self._opening:
            self._opening.start()

    def answer(
        self,
        request: Request,
        beside: Callable[[Prices, Request, tuple[int, int]], Price] | None = None,
    ) -> Answer:
        """Segment a photo; waits for the model if it is still being loaded.

        Where a closer look is nobody's choice and costs too much, it is the whole one.

        Args:
            request: the question; its answer tells it as it was answered, for what follows.
            beside: what follows costs so much, by the model's prices, the question and a photo's
                (H, W): a closer look has to leave room for it.

        Raises:
            InputError: the photo or a setting can't be used, the model could not be loaded, the
                question costs too much, or too many others wait.
            GoneError: nobody waits for the answer any more.
        """
        number = self.places.arrive()
        self.places.teller()("read")
        photo, size, notices = self._photos.read(request.photo)
        loaded = self.models.loaded_for(request, self.places.waiting())
        shape = photo.shape[:2]

        def price_of(asked: Request, new: list[int]) -> Price:
            return loaded.prices.answer(asked, shape, new)

        if beside:
            new = loaded.predictor.unread(request.vocabulary, request.options.expand)
            request = leaving_room(
                self.budget,
                request,
                lambda asked: price_of(asked, new) + beside(loaded.prices, asked, shape),
            )
        request, price = self._settle(loaded, request, price_of)
        compute = functools.partial(_segment, request=request, photo=photo)
        result = self._turns.on_network(loaded, price, compute, number)
        told = (*notices, *said_of(request), *result.notices)
        result = dataclasses.replace(result, notices=told, own_size=size[::-1])
        if result.settings.closer_at is None:  # it may have had nothing more to show
            request = request.changed(closer_at=None)
        colors = result_colors(result)
        return Answer(photo, result, colors, legend(result, colors), request)

    def settle_all(
        self,
        requests: Sequence[Request],
        same_photo: bool,
        what: str,
        beside: Callable[[Prices, tuple[int, int]], Price] | None = None,
    ) -> list[Request]:
        """Refuse questions that cost too much together; each is asked in its turn afterwards.

        One photo is read for it; several aren't, and count as large as they can be. Where closer
        looks are nobody's choice and cost too much, they are whole ones.

        Args:
            requests: in their order.
            same_photo: whether all are asked of one photo.
            what: of which fewer would fit, such as "photos".
            beside: what each costs beside its answer, by the model's prices and a photo's (H, W).

        Returns:
            the questions as they are to be asked.

        Raises:
            InputError: they cost too much; the sentence says how many would fit, or what else. Or
                one photo is asked about and can't be read.
        """
        side, waiting = (LONGEST_SIDE * 3 // 4, LONGEST_SIDE), self.places.waiting()
        if same_photo:  # whether it will be looked at closer makes a great difference
            side = self._photos.read(requests[0].photo).pixels.shape[:2]

        every = [self.models.loaded_for(request, waiting).prices for request in requests]

        def price_of(asked: Sequence[Request]) -> Price:
            prices = every[: len(asked)]
            others = [beside(own, side) for own in prices] if beside else []
            if len(set(prices)) == 1:
                return sum(others, prices[0].answers(asked, side, same_photo))
            each = zip(prices, asked, strict=True)
            return sum((own.answer(request, side) for own, request in each), sum(others, Price()))

        sizes = [prices.input_size for prices in every]
        return settle_all(self.budget, requests, what, sizes, price_of)

    def _settle(
        self, loaded: Loaded, request: Request, price_of: Callable[[Request, list[int]], Price]
    ) -> tuple[Request, Price]:
        """Price a question, as it is to be answered, or refuse it with what would fit.

        Args:
            loaded: whose question it is.
            request: the question.
            price_of: prices a question like it, given the tokens of each prompt that is new.
        """
        new = loaded.predictor.unread(request.vocabulary, request.options.expand)
        return settle(self.budget, request, new, loaded.prices.input_size, price_of)

    def attention(
        self,
        request: Request,
        pixel: tuple[int, int] | None,
        without_crm: bool = False,
        everywhere: Sequence[int] = (),
        characters: int = AT_FIRST,
    ) -> AttentionAnswer:
        """Ask for the attention from a pixel (x, y) of the (shrunk) photo, see `Predictor`.

        Args:
            request: the question.
            pixel: of the query; None is the photo's middle.
            without_crm: also ask what it would be with P = T.
            everywhere: kept classes of which the attention from every pixel is asked for too; of
                those that are too many the first are told.
            characters: about as many may tell of those classes.

        Raises:
            InputError: as `answer`, the pixel lies outside, a class is not kept, or there are too
                many classes for that.
        """
        size = len(request.vocabulary)
        if without_crm and (sentence := without_crm_refusal(size)):
            raise InputError(sentence)
        check_attended(request)
        photo = self._photos.read(request.photo).pixels
        loaded = self.models.loaded_for(request, self.places.waiting())

        def price_of(asked: Request, new: list[int]) -> Price:
            prices, shape = loaded.prices, photo.shape[:2]
            attention = prices.attention(asked, shape, without_crm, len(everywhere))
            return prices.answer(asked, shape, new) + attention

        height, width = photo.shape[:2]
        pixel = pixel or (width // 2, height // 2)
        most = loaded.prices.live_classes(request, (height, width), characters)
        everywhere = tuple(everywhere)[:most]
        request, price = self._settle(loaded, request, price_of)
        compute = functools.partial(
            attended,
            request=request,
            photo=photo,
            pixel=pixel,
            without_crm=without_crm,
            everywhere=everywhere,
        )
        answer = self._turns.on_network(loaded, price, compute)
        return dataclasses.replace(answer, notices=said_of(request))

    def shrunk_pixel(
        self, request: Request, pixel: tuple[int, int]
    ) -> tuple[tuple[int, int], tuple[int, int]]:
        """Find a pixel (x, y) of a photo at its own size in what answers are about.

        Returns:
            the pixel of the (shrunk) photo, and the (H, W) of the photo's own size.

        Raises:
            InputError: the photo can't be read, or the pixel lies outside.
        """
        photo, (width, height), _ = self._photos.read(request.photo)
        check_pixel(pixel, (height, width))
        return moved_pixel(pixel, (height, width), photo.shape[:2]), (height, width)

    def cost_view(self, request: Request, index: int) -> CostView:
        """Ask for the cost maps of one class, whether CRM kept it or not.

        Raises:
            InputError: as `answer`, or there is no such class.
        """
        if not 0 <= index < len(request.vocabulary):
            raise InputError(f"There is no class number {index}.")
        return self.ask(request, Prices.costs, functools.partial(_costs, index=index))

    def ask(
        self,
        request: Request,
        price_of: Callable[[Prices, Request, tuple[int, int], list[int]], Price],
        compute: Callable[[Predictor, Request, np.ndarray], T],
    ) -> T:
        """Ask something else of a question's photo.

        Args:
            request: the question.
            price_of: prices a question, given its photo's size (H, W) and the tokens of each prompt
                that is new.
            compute: what there is to do with the photo (H, W, 3), in its turn; a function of a
                module, whose result lies on the CPU.

        Raises:
            InputError: as `answer`.
        """
        photo = self._photos.read(request.photo).pixels
        loaded = self.models.loaded_for(request, self.places.waiting())
        request, price = self._settle(
            loaded,
            request,
            lambda asked, new: price_of(loaded.prices, asked, photo.shape[:2], new),
        )
        return self._turns.on_network(
            loaded, price, functools.partial(compute, request=request, photo=photo)
        )

    def draw(self, request: Request, price: Price, work: Callable[[], T]) -> T:
        """Do what follows an answer, drawing above all, in its question's turn.

        Raises:
            InputError: it costs too much, or too many others wait.
            GoneError: nobody waits for it any more.
        """
        self.budget.check(price)
        return self._turns.take(self.models.loaded_for(request), price, lambda pause, tell: work())

    def opening(self) -> tuple[Answer, AttentionAnswer]:
        """Answer the opening question, which is computed once, also from a first pixel.

        Raises:
            ValueError: the service was made without an opening question.
        """
        if self._opening is None:
            raise ValueError("This service has no opening question.")
        return self._opening.result()

    def hints(self, vocabulary: Vocabulary) -> tuple[Hint, ...]:
        """Say what there is to know about words while they are typed.

        The first model's dictionary counts, once it is there.
        """
        return (self.models.predictor.hints if self.models.loaded else hints)(vocabulary)

    @property
    def device(self) -> str:
        """Where the network runs, once it is loaded."""
        return self.models.device

    def _open(self, request: Request) -> tuple[Answer, AttentionAnswer]:
        answer = self.answer(request)
        pixel, first = query_pixel(answer), legend_classes(answer)
        both = answer, self.attention(request, pixel, everywhere=first)
        loaded = self.models.loaded_for(request, self.places.waiting())
        price = Price(loaded.prices.ordinary)
        loaded.prices.take(self._turns.on_network(loaded, price, measured_speeds))
        return both


def _segment(predictor: Predictor, request: Request, photo: np.ndarray) -> Result:
    return predictor(photo, request.vocabulary, request.options)


def _costs(predictor: Predictor, request: Request, photo: np.ndarray, index: int) -> CostView:
    return predictor.cost_view(photo, request.vocabulary, (index,), request.options)
