"""A photo that a visitor brings: words are found in it, and it is segmented by itself."""

from collections.abc import Callable, Iterator

import gradio as gr
from gradio.components import Component

from errseg.demo.backend.examples import Example
from errseg.demo.backend.service import SECONDS_TO_KEEP, Service
from errseg.demo.page.question import Question
from errseg.demo.page.suggest import find_words
from errseg.errors import InputError

Ask = Callable[[dict, int | None, Callable[[], bool]], Iterator[dict]]
"""Answers what stands in the boxes: their values, P if it was chosen, and what tells whether the
question is its visitor's last."""


class NewPhotos:
    """Asks about photos that arrive.

    With the words found in them where those in the box are nobody's own: an example's, none, or
    those found in the photo before. What a visitor typed is never replaced, nor what is typed
    meanwhile: the chips' script fills the words in where those that were there still stand.

    Args:
        question: whose boxes they are.
        chosen: P as the visitor set it, or None.
        examples: whose words are nobody's own.
        service: what finds words.
        ask: answers a question.
    """

    def __init__(
        self,
        question: Question,
        chosen: gr.State,
        examples: tuple[Example, ...],
        service: Service,
        ask: Ask,
    ):
        self._question = question
        self._chosen = chosen
        self._examples = {example.classes for example in examples}
        self._service = service
        self._ask = ask
        self._filled = gr.State(None, time_to_live=SECONDS_TO_KEEP)  # words that were filled in

    @property
    def inputs(self) -> set[Component]:
        """The components whose values `ask` takes, beside those of a question."""
        return {self._filled}

    @property
    def outputs(self) -> list[Component]:
        """The components that `ask` fills, beside an answer's."""
        return [self._filled, self._question.suggestions.chips]

    def ask(self, values: dict, is_last: Callable[[], bool]) -> Iterator[dict]:
        """Answer what stands in the boxes about a new photo, and show the words found in it."""
        question, chosen = self._question, values[self._chosen]
        words, found = values[question.classes], None
        own = isinstance(words, str) and words.strip() and words not in self._examples
        if not own or words == values[self._filled]:
            try:
                found, chips = self._find(values, is_last, instead_of=words or "")
            except InputError:  # this model can't, or not this photo, which is told of below
                if not words:
                    raise
            else:
                words = found
                if is_last():
                    yield {self._filled: words, question.suggestions.chips: chips}
        yield from self._ask({**values, question.classes: words}, chosen, is_last)
        if found is None and is_last():
            try:
                _, chips = self._find(values, is_last)
            except InputError:  # the answer is there; this model may do without
                return
            if is_last():
                yield {question.suggestions.chips: chips}

    def _find(
        self, values: dict, is_last: Callable[[], bool], instead_of: str | None = None
    ) -> tuple[str, str]:
        photo, model = values[self._question.photo], values[self._question.model]
        with self._service.places.wanted(is_last):
            return find_words(self._service, photo, model, instead_of)
