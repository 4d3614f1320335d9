"""A word between a network's parts: whoever runs it may stop it there, or let others go first.

It also tells the stage that a question is at.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import nn


class Pauses:
    """Calls a function before each part of a network that has parts of its own.

    Nothing is called unless the thread is inside `calling`. What the function raises ends the pass.

    Args:
        model: the network; its parts get a hook each, once somebody wants to be called.
    """

    def __init__(self, model: nn.Module):
        self._model = model
        self._hooked = False
        self._hooking = threading.Lock()
        self._thread = threading.local()

    @contextmanager
    def calling(
        self, function: Callable[[], None], tell: Callable[[str], None] = lambda stage: None
    ) -> Iterator[None]:
        """Call a function between the parts of all passes that this thread runs in a block.

        Args:
            function: is called.
            tell: is told each stage that begins, as the timings call it.
        """
        with self._hooking:
            if not self._hooked:
                for part in _parts(self._model):
                    part.register_forward_pre_hook(self._between)
                self._hooked = True
        self._thread.function, self._thread.tell = function, tell
        try:
            yield
        finally:
            self._thread.function = self._thread.tell = None

    def begin(self, stage: str) -> None:
        """Tell whoever waits for this thread that a stage begins."""
        if (tell := getattr(self._thread, "tell", None)) is not None:
            tell(stage)

    def _between(self, part: nn.Module, inputs: tuple) -> None:
        if (function := getattr(self._thread, "function", None)) is not None:
            function()


def _parts(model: nn.Module) -> Iterator[nn.Module]:
    """List the parts with parts of their own.

    Torch's encoder is one part, since a hook inside turns its fused pass off, and so is what torch
    compiled.
    """
    for part in model.children():
        if part._compiled_call_impl is not None or next(part.children(), None) is None:
            continue
        yield part
        if not isinstance(part, nn.TransformerEncoder):
            yield from _parts(part)
