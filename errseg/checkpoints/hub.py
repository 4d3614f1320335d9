"""The released checkpoints on the Hugging Face Hub: which there are, and fetching one.

What a file holds is told by its tensors' shapes when it is loaded (`errseg.checkpoints.weights`),
not by its name, and it is loaded as weights only.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from errseg.errors import InputError

REPOSITORY = "lchen1019/ERR-Seg"
REVISION_VARIABLE = "ERRSEG_HUB_REVISION"
"""Environment variable with the commit to take; the newest one if it isn't set."""
OWN_ENDING = ".safetensors"  # ending of the files that `save_model` writes
ENDINGS = (".pth", ".pt", OWN_ENDING)
RELEASED_SHA256: Mapping[str, str] = MappingProxyType({})
"""File name -> SHA-256 of the released checkpoints, as ``sha256sum`` prints it; `load_model`
compares them. Empty until somebody has downloaded one and seen that its figures are the paper's."""


def list_checkpoints() -> list[str]:
    """Name the checkpoint files of the repository, the largest first.

    Raises:
        InputError: the Hub doesn't answer, or the repository has no checkpoint.
    """
    import huggingface_hub

    try:
        tree = huggingface_hub.list_repo_tree(REPOSITORY, recursive=True, revision=_revision())
        files = sorted((-entry.size, entry.path) for entry in tree if hasattr(entry, "size"))
    except Exception as error:  # offline, no such revision, rate limits: a dozen kinds
        raise InputError(
            f"The Hub can't be asked for released models ({type(error).__name__}); "
            "those that are here go on."
        ) from None
    found = [path for _, path in files if path.endswith(ENDINGS)]
    if not found:
        raise InputError(f"{REPOSITORY} holds no checkpoint.")
    return found


def fetch_checkpoint(file: str) -> Path:
    """Download a checkpoint, or find it in the Hub's cache on this machine.

    Raises:
        InputError: it can't be fetched.
    """
    import huggingface_hub

    try:
        return Path(huggingface_hub.hf_hub_download(REPOSITORY, file, revision=_revision()))
    except Exception as error:
        raise InputError(
            f"{file} can't be fetched from the Hub ({type(error).__name__}); "
            "choose another model or try again later."
        ) from None


def _revision() -> str | None:
    return os.environ.get(REVISION_VARIABLE) or None
