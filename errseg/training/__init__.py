"""Training: from photos with masks to weights.

Here live a run with its settings, crops, losses and words, and what makes weights of weights:
pseudo labels and averages. Nothing here is needed to use a model, and nothing measures one.
"""

from importlib import import_module

_HOMES = {
    "keep_as_published": "errseg.training.published",
    "published_loss": "errseg.training.published",
    "trained_parameters": "errseg.training.published",
    "train": "errseg.training.run",
}

__all__ = list(_HOMES)


def __getattr__(name: str):
    """Import what the room offers at its first use: its settings need no torch (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
