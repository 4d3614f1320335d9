"""Whether a weights file is the one that was written: a flipped bit answers nonsense in silence."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from errseg.checkpoints.hub import RELEASED_SHA256
from errseg.config import EMBEDDED, EMBEDDED_SHA256
from errseg.errors import InputError

CHECKSUM_KEY = "checksum"  # the checksum's place in a safetensors file's metadata
DIGITS_SHOWN = 12  # of a hash, in a message
MOST_FLIPPED = 64
"""Bits by which a damaged header may differ from the embedded file's; two files of two trainings
differ in hundreds, by their calibration alone."""
SHA256 = re.compile(r"[0-9a-f]{64}")
_LENGTH_BYTES = 8  # a safetensors file begins with its header's length, little-endian


def content_checksum(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    """Compute the SHA-256, in hexadecimal, of all that a weights file holds.

    That is the tensors' names, types, shapes and bytes, and the metadata but for the checksum
    itself; their order doesn't count.
    """
    digest = hashlib.sha256()

    def add(data: bytes | memoryview) -> None:
        digest.update(len(data).to_bytes(8, "little"))  # else "ab", "c" would be "a", "bc"
        digest.update(data)

    for key in sorted(metadata.keys() - {CHECKSUM_KEY}):
        add(key.encode())
        add(metadata[key].encode(errors="surrogatepass"))
    for name in sorted(tensors):
        tensor = tensors[name]
        add(name.encode())
        add(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
        add(memoryview(tensor.contiguous().reshape(-1).view(torch.uint8).numpy()))
    return digest.hexdigest()


def check_content(
    tensors: Mapping[str, Tensor], metadata: Mapping[str, str], path: Path, file_hash: str
) -> None:
    """Compare a file of ours with the checksum that it was written with.

    Files from before there were checksums have none, the embedded one among them. A copy of that
    one is known by its header.

    Args:
        tensors: all that the file holds, as stored.
        metadata: the file's.
        path: the file.
        file_hash: its SHA-256.

    Raises:
        InputError: it was changed after it was written.
    """
    written = metadata.get(CHECKSUM_KEY)
    if written is None:
        for name, shipped in EMBEDDED.items():
            if _is_copy(path, shipped):
                _check_hash(path, file_hash, EMBEDDED_SHA256[name], "that ships", _restore(name))
    elif (found := content_checksum(tensors, metadata)) != written:
        raise InputError(
            f"{path.name} was changed after it was written (its content's SHA-256 is "
            f"{found[:DIGITS_SHOWN]}... instead of {written[:DIGITS_SHOWN]!r}...); get it again."
        )


def check_known(path: Path, file_hash: str) -> None:
    """Compare a file whose SHA-256 is known: one that ships, a released one, one from the Hub.

    Raises:
        InputError: it is another one.
    """
    for name, shipped in EMBEDDED.items():
        if path.resolve() == shipped:
            _check_hash(path, file_hash, EMBEDDED_SHA256[name], "that ships", _restore(name))
    if released := RELEASED_SHA256.get(path.name):
        _check_hash(path, file_hash, released, "that was released", "download it again")
    if told := told_by_hub(path):
        again = "get it again with: python -m errseg fetch, and what you gave for it"
        _check_hash(path, file_hash, told, "that lies on the Hub", again)


def told_by_hub(path: Path) -> str:
    """Return the SHA-256 that the Hub told of a file in its cache; empty of any other file.

    huggingface_hub names large files by it, and compares nothing but their size.
    """
    blob = path.resolve()
    return blob.name if blob.parent.name == "blobs" and SHA256.fullmatch(blob.name) else ""


def _check_hash(path: Path, found: str, expected: str, which: str, remedy: str) -> None:
    if found != expected:
        raise InputError(
            f"{path.name} is not the file {which} (SHA-256 {found[:DIGITS_SHOWN]}... instead of "
            f"{expected[:DIGITS_SHOWN]}...); {remedy}."
        )


def _restore(name: str) -> str:
    path = EMBEDDED[name]
    return f"get it again with: git checkout -- {path.relative_to(path.parents[2])}"


def _is_copy(path: Path, shipped: Path) -> bool:
    """Tell a copy of a file by its header, of which some bits may have been flipped."""
    if not shipped.is_file() or path.stat().st_size != shipped.stat().st_size:
        return False
    mine, theirs = _header(path), _header(shipped)
    return len(mine) == len(theirs) and (
        (int.from_bytes(mine) ^ int.from_bytes(theirs)).bit_count() <= MOST_FLIPPED
    )


def _header(path: Path) -> bytes:
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        return file.read(min(length, path.stat().st_size))
