"""Small files of tensors that say what they were made for, and whether they are as written."""

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from errseg.checkpoints.checksum import CHECKSUM_KEY, content_checksum
from errseg.checkpoints.whole_files import write_whole
from errseg.errors import InputError


def read_sealed(path: Path, remedy: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read a file that `write_sealed` wrote: its tensors, and what it says of itself.

    Args:
        path: the file.
        remedy: what to do if it can't be used, for the message.

    Raises:
        InputError: it can't be read, or was changed after it was written.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path.name} is not a safetensors file ({error}); {remedy}.") from None
    if content_checksum(tensors, metadata) != metadata.get(CHECKSUM_KEY):
        raise InputError(f"{path.name} was changed after it was written; {remedy}.")
    return tensors, metadata


def write_sealed(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write tensors and what the file says of itself, sealed with a checksum of both."""
    tensors = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
    sealed = {**metadata, CHECKSUM_KEY: content_checksum(tensors, metadata)}
    write_whole(path, lambda partial: save_file(tensors, partial, sealed))
