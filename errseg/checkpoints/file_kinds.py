"""What a weights file is by its content, where that isn't what its ending says.

Many ways leave something else under the weights' name: a pointer where Git LFS wasn't asked, the
Hub's page in place of its file, a download that broke off, another program's file.
"""

import json
import re
import zipfile
from pathlib import Path

from errseg.checkpoints.hub import OWN_ENDING, REPOSITORY
from errseg.config import EMBEDDED
from errseg.errors import InputError

START_BYTES = 1024  # of a file by which its kind is told
LENGTH_BYTES = 8  # a safetensors file begins with its header's length, little-endian
LONGEST_HEADER = 100 * 10**6  # bytes that the safetensors library reads at most
LEGACY_PICKLE = b"\x80\x02\x8a\x0a"  # how PyTorch's files began before 1.6
TEXT_SHOWN = 60  # characters of a text file, in a sentence
OTHERS = (
    (b"\x1f\x8b", "packed with gzip; unpack it with: gunzip {name}"),
    (b"BZh", "packed with bzip2; unpack it"),
    (b"7z\xbc\xaf", "packed with 7-Zip; unpack it"),
    (b"Rar!", "packed with RAR; unpack it"),
    (b"GGUF", "a GGUF file, of a language model"),
    (b"\x89HDF", "an HDF5 file, as Keras writes them"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"%PDF", "a PDF"),
)
"""How other files begin -> what they are."""
FROM_THE_HUB = f"download the file itself with: hf download {REPOSITORY} {{name}}"


def check_kind(path: Path) -> None:
    """Refuse a weights file that is plainly something else, or ends too early.

    What passes may be broken in other ways.

    Raises:
        InputError: what it is, and how to get the right one.
    """
    with path.open("rb") as file:
        start = file.read(START_BYTES)
    own = path.suffix == OWN_ENDING
    kind = _kind(path, start, own)
    if kind is None:
        return
    no = "is not a safetensors file" if own else "can't be read as a PyTorch checkpoint"
    raise InputError(f"{path.name} {no}, it is {kind.format(name=path.name)}.")


def _kind(path: Path, start: bytes, own: bool) -> str | None:
    """Say what a file is; None if it looks like what its ending says."""
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n")
    if not text:
        return f"empty; {_again(path)}"
    if text.startswith(b"version https://git-lfs"):
        return f"a Git LFS pointer{_size_told(start)}; fetch the weights with: git lfs pull"
    if text[:14].lower().startswith((b"<!doctype html", b"<html")):
        return f"a web page; {FROM_THE_HUB}"
    for bytes_, kind in OTHERS:
        if start.startswith(bytes_):
            return kind
    is_zip, header = start.startswith(b"PK\x03\x04"), _safetensors_header(start)
    if own:
        if is_zip or start.startswith(LEGACY_PICKLE):
            return "a PyTorch checkpoint; let its name end in .pth"
        return _what_text(start) if header is None else _cut_off(path, header)
    if header is not None:
        return f"a safetensors file; let its name end in {OWN_ENDING}"
    return _zip_kind(path) if is_zip else _what_text(start)


def _zip_kind(path: Path) -> str | None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = {name.partition("/")[2] for name in archive.namelist()}
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return f"cut off or damaged; {_again(path)}"
    if "data.pkl" not in names:
        return "a ZIP of other files; unpack it and give the checkpoint in it"
    if "constants.pkl" in names:
        return "a TorchScript program, which isn't run; give a checkpoint of weights"
    return None


def _safetensors_header(start: bytes) -> int | None:
    """Return the length of the header of what begins like a safetensors file."""
    length = int.from_bytes(start[:LENGTH_BYTES], "little")
    begins = start[LENGTH_BYTES : LENGTH_BYTES + 1] == b"{"
    return length if begins and 2 <= length <= LONGEST_HEADER else None


def _cut_off(path: Path, header: int) -> str | None:
    size, expected = path.stat().st_size, LENGTH_BYTES + header
    if expected <= size:
        with path.open("rb") as file:
            file.seek(LENGTH_BYTES)
            text = file.read(header)
        try:
            entries = [e for name, e in json.loads(text).items() if name != "__metadata__"]
            expected += max((int(entry["data_offsets"][1]) for entry in entries), default=0)
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            return None  # the library says what is wrong
    if size >= expected:
        return None
    return f"cut off: {size:,} bytes of at least {expected:,}; {_again(path)}"


def _what_text(start: bytes) -> str | None:
    """Quote a file that is text, such as a server's error; None if it isn't."""
    try:
        text = start[: 4 * TEXT_SHOWN].decode()
    except UnicodeDecodeError as error:
        if error.start < 3 * TEXT_SHOWN:  # else the last letter was cut in two
            return None
        text = start[: error.start].decode()
    if not text.replace("\n", " ").replace("\r", " ").replace("\t", " ").isprintable():
        return None
    shown = " ".join(text.split())[:TEXT_SHOWN]
    return f"a text that begins “{shown.replace('{', '{{').replace('}', '}}')}”"


def _size_told(start: bytes) -> str:
    size = re.search(rb"^size (\d{1,15})$", start, re.MULTILINE)
    return f" to {int(size[1]) / 1e6:,.1f} MB" if size else ""


def _again(path: Path) -> str:
    for shipped in EMBEDDED.values():
        if path.resolve() == shipped:
            place = shipped.relative_to(shipped.parents[2])
            return f"get it again with: git checkout -- {place}"
    return "get it again"
