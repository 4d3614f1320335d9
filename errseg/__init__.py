"""ERR-Seg: efficient open-vocabulary semantic segmentation (arXiv 2501.17642).

Any Python can parse this file, see `errseg.python_version`.
"""

from importlib import import_module

_HOMES = {
    "InputError": "errseg.errors",
    "PretrainedERRSeg": "errseg.checkpoints.weights",
    "Predictor": "errseg.inference.predictor",
    "Result": "errseg.inference.result",
    "build_model": "errseg.network.model",
    "list_models": "errseg.config",
    "load_model": "errseg.checkpoints.weights",
    "save_model": "errseg.checkpoints.weights",
    "suggest_classes": "errseg.inference.suggestion",
}

__all__ = list(_HOMES)


def __getattr__(name):
    """Import what the package offers at its first use (PEP 562).

    torch takes seconds to import; a command line's help and a page's first paint don't need it.
    """
    if name not in _HOMES:
        raise AttributeError("module " + repr(__name__) + " has no attribute " + repr(name))
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__():
    """List the package's offers too, imported or not."""
    return sorted(set(globals()).union(__all__))
