"""How the learning rate goes: a linear warm-up, then half a cosine to 0 (published code)."""

import math

from errseg.training.config import Optimiser


def rate_factor(step: int, steps: int, optimiser: Optimiser) -> float:
    """Return the share of the rate that a step, counted from 0, has of a run of so many steps.

    The warm-up rises from ``warm_up_from`` at step 0 to where the cosine is at its end.
    """
    warm_up = min(optimiser.warm_up, steps)
    if step >= warm_up:
        return _cosine(step, steps)
    done = step / warm_up
    return (1 - done) * optimiser.warm_up_from + done * _cosine(warm_up, steps)


def _cosine(step: int, steps: int) -> float:
    return 0.5 * (1 + math.cos(math.pi * step / steps))
