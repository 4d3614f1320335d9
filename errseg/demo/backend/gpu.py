"""Hugging Face's ZeroGPU: a GPU that is lent for one call."""

from collections.abc import Callable

SECONDS = 60  # longest loan; a pass takes a second or two, an attention pass without CRM some more


def on_gpu(function: Callable) -> Callable:
    """Run a function where a Space lends a GPU; without the package `spaces`, as it is.

    ZeroGPU runs it in a forked process: arguments and results are pickled, so they must lie on
    the CPU, and what is remembered there is lost.
    """
    try:
        import spaces
    except ImportError:
        return function
    return spaces.GPU(duration=SECONDS)(function)
