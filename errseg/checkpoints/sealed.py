"""Small files of tensors that say what they were made for, and whether they are as written."""

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from errseg.checkpoints.checksum import CHECKSUM_KEY, content_checksum
from errseg.checkpoints.whole_files import write_whole
from errseg.errors import InputError

WEIGHTS_KEY = "weights"  # the SHA-256 of the weights that a file was made for
RESTORE = "git checkout -- assets"


def read_sealed(
    path: Path, origin: Mapping[str, str], command: str
) -> tuple[dict[str, Tensor], dict[str, str]] | None:
    """Read a file that `write_sealed` wrote: its tensors, and what it says of itself.

    Args:
        path: the file.
        origin: what it must have been written for, the weights above all (`WEIGHTS_KEY`).
        command: of this project that writes it anew, for the message.

    Returns:
        None if it was written for something else.

    Raises:
        InputError: it can't be read, or was changed after it was written.
    """
    remedy = f"get it again with: {RESTORE}, or write it anew with: python -m errseg {command}"
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path.name} is not a safetensors file ({error}); {remedy}.") from None
    if content_checksum(tensors, metadata) != metadata.get(CHECKSUM_KEY):
        raise InputError(f"{path.name} was changed after it was written; {remedy}.")
    if any(metadata.get(key) != value for key, value in origin.items()):
        return None
    return tensors, metadata


def write_sealed(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write tensors and what the file says of itself, sealed with a checksum of both."""
    tensors = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
    sealed = {**metadata, CHECKSUM_KEY: content_checksum(tensors, metadata)}
    write_whole(path, lambda partial: save_file(tensors, partial, sealed))
