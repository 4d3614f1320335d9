"""A button that starts a question and, while somebody waits for it, stops it."""

import functools
import inspect
import time
from collections.abc import Callable, Generator, Iterator
from typing import TypeVar

import gradio as gr

from errseg.demo.backend.latest import Latest
from errseg.demo.backend.places import Places
from errseg.demo.backend.stages import told
from errseg.demo.page import html
from errseg.demo.page.events import AT_ONCE, current_visitor

T = TypeVar("T")
STOP = "Stop"  # what ``static/shared.js`` looks for
SECONDS_TO_DRAW = 0.1
"""That a browser has for an answer before more is computed: both may share two cores."""


class Stoppable:
    """Questions of one button: the last one of a visitor counts, and a press on Stop ends it.

    While one is answered the button says Stop, and the message what it is at.

    Args:
        run: the button; its id ends with ``run``.
        message: says what a visitor should know.
        places: where the questions wait.
    """

    def __init__(self, run: gr.Button, message: gr.HTML, places: Places):
        self._run, self._message = run, message
        self._places = places
        self.latest = Latest()
        # Pressed by the script: an event of its own, since the other one may wait in a line.
        stop = gr.Button(visible="hidden", elem_id=run.elem_id.removesuffix("run") + "stop")
        stop.click(self._stop, None, [run, message], **AT_ONCE, api_name="stop")

    @property
    def idle(self) -> dict:
        """What makes the button one that asks again; new each time, since Gradio empties it."""
        return {self._run: gr.update(value=self._run.value, variant=self._run.variant)}

    @property
    def _stopped(self) -> dict:
        return {**self.idle, self._message: html.line("stage", "Stopped.")}

    def __call__(self, handler: Callable[..., Iterator[dict]]) -> Callable[..., Iterator[dict]]:
        """Decorate a handler that yields {component: value}.

        It is given what tells whether its question still is the visitor's last one, then its
        values. Both components of this object have to be among its outputs.
        """

        @functools.wraps(handler)
        def question(*values: object) -> Iterator[dict]:
            visitor, ended = current_visitor(), False
            is_last = self.latest.begin(visitor)
            try:
                for step in handler(is_last, *values):
                    ended = self._run in step and step[self._run]["value"] != STOP
                    yield step
            except (Exception, SystemExit):
                yield from self._end(visitor, is_last)
                raise
            # Gradio sends the last step a second time, so one with much in it isn't to be the last.
            if not (ended and is_last()):
                yield from self._end(visitor, is_last)

        signature = inspect.signature(handler)  # Gradio looks at it for what it has to give
        question.__signature__ = signature.replace(parameters=[*signature.parameters.values()][1:])
        return question

    def wait_for(
        self, ask: Callable[[], T], is_last: Callable[[], bool], after_answer: bool = False
    ) -> Generator[dict, None, T]:
        """Ask the service something, and give the stages of it as steps; returns the answer.

        Args:
            ask: what to ask.
            is_last: whether the question is still its visitor's last one.
            after_answer: whether the answer is there and this only adds to it: then nobody waits,
                the button stays as it is, and the browser draws the answer first.

        Raises:
            GoneError: the visitor has stopped it, or asked something else.
        """

        def asked(tell: Callable[[str], None]) -> T:
            if after_answer:
                time.sleep(SECONDS_TO_DRAW)
            with self._places.wanted(is_last, tell):
                return ask()

        steps = told(asked, self._say if after_answer else self._step)
        while True:
            try:
                step = next(steps)
            except StopIteration as end:
                return end.value
            if is_last():  # else the button says already what it is to say
                yield step

    def was_stopped(self) -> bool:
        """Say whether this visitor's last question was ended by Stop."""
        return self.latest.dropped(current_visitor())

    def _step(self, sentence: str) -> dict:
        return {self._run: gr.update(value=STOP, variant="stop"), **self._say(sentence)}

    def _say(self, sentence: str) -> dict:
        return {self._message: html.line("stage", sentence)}

    def _end(self, visitor: str | None, is_last: Callable[[], bool]) -> Iterator[dict]:
        if is_last():
            yield self.idle
        elif self.latest.dropped(visitor):  # a stage may have been on its way when it was stopped
            yield self._stopped

    def _stop(self) -> dict:
        self.latest.drop(current_visitor())
        return self._stopped
