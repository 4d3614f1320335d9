"""A device's memory that is full: a sentence to the person, and room for the next question."""

import functools
from collections.abc import Callable
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from errseg.device import memory_is_full, says_memory_is_full
from errseg.network.model import ERRSeg

P, T = ParamSpec("P"), TypeVar("T")


class Remembers(Protocol):
    """What computes with a model and remembers what it computed."""

    model: ERRSeg

    def forget(self) -> None:
        """Give back the memory of what is remembered."""


def told_when_full(
    method: Callable[Concatenate[Remembers, P], T],
) -> Callable[Concatenate[Remembers, P], T]:
    """Let a method raise an `InputError` where its device's memory is full.

    What its object remembers is forgotten then, so that the next question has all the memory.
    """

    @functools.wraps(method)
    def told(self: Remembers, *given: P.args, **named: P.kwargs) -> T:
        try:
            return method(self, *given, **named)
        except (RuntimeError, MemoryError) as error:
            if not says_memory_is_full(error):
                raise
        # Only here, behind the handler, are the error and the tensors of its frames gone.
        self.forget()
        raise memory_is_full(self.model.device)

    return told
