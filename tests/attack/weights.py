"""Weights files that were tampered with, or damaged by chance, each of which has to be noticed."""

import json
import os
import pickle
import random
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tiny_configs import TINY_CLIP, TINY_HEAD

from errseg.checkpoints.checksum import CHECKSUM_KEY, content_checksum
from errseg.checkpoints.quantized import SCALE_SUFFIX
from errseg.checkpoints.stored_config import CONFIG_KEY
from errseg.checkpoints.weights import save_model
from errseg.config import EMBEDDED, LiteConfig, ModelConfig
from errseg.network.lite import TOKENIZER_KEY
from errseg.network.model import build_model

SEED = 17  # of the places where bits are flipped
COMMAND_RAN = "the command ran"  # the file that the pickles would make, beside them
SMALL = {
    "clip": TINY_CLIP,
    "lite": LiteConfig(embedding=24, residual_hidden=16, text_heads=3, text_layers=2),
}
# Field -> what it becomes in the configuration, as JSON.
HOSTILE = (
    ("input_size", "1000000"),
    ("input_size", '"x"'),
    ("threshold", "NaN"),
    ("threshold", '"x"'),
    ("scale", "Infinity"),
    ("pixel_std", "[0, 0, 0]"),
    ("templates", "[]"),
    ("templates", '["no place"]'),
    ("templates", json.dumps([f"{{}}{'x' * 2_000_000}"])),
    ("held_out", "5"),
    ("name", '"<script>"'),
    ("width", "0"),
    ("heads", "0"),
    ("feed_forward", "-5"),
    ("widths", "[1]"),
    ("layers", "3000"),
    ("layers", "1000000000"),
    ("layers", f"{'[' * 10_000}{']' * 10_000}"),
    ("trunk", '"../../x"'),
    ("trunk", '"hf-hub:x/y"'),
    ("trunk", '"resnet18"'),
    ("context_length", "1000000000"),
)


class _Command:
    """A pickle that makes a file when it is read."""

    def __init__(self, marker: Path):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


def tampered_files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Write tampered weights files, one at a time: what was done, and the file.

    Args:
        folder: an empty one; each file is removed when the next one is asked for, and a folder
            `COMMAND_RAN` stands in it if a pickle was believed.
    """
    rng = random.Random(SEED)
    sound = {}
    for kind, towers in SMALL.items():
        torch.manual_seed(SEED)
        model = build_model(ModelConfig(f"small-{kind}", "to tamper with", towers, TINY_HEAD, 128))
        save_model(model, folder / "sound.safetensors")
        sound[kind] = (folder / "sound.safetensors").read_bytes()
    sound["shipped"] = EMBEDDED["errseg-lite"].read_bytes()
    (folder / "sound.safetensors").unlink()

    makers = [*_flipped(sound, rng), *_cut(sound["clip"]), *_other_kinds(folder)]
    makers += [(f"{field} {text[:20]}", _configured(field, text)) for field, text in HOSTILE]
    makers += _changed_tensors()
    for what, make in makers:
        path = folder / f"model{'.pth' if 'pickle' in what else '.safetensors'}"
        made = make if isinstance(make, bytes) else make(sound, path)
        if made is not None:
            path.write_bytes(made)
        yield what, path
        path.unlink()


def _flipped(sound: dict[str, bytes], rng: random.Random) -> Iterator[tuple[str, Callable]]:
    """Flip one bit: of the header, of the tensors, of a scale, of what is written in it."""
    for kind, headers, bodies in (("clip", 6, 6), ("lite", 6, 6), ("shipped", 3, 3)):
        data = sound[kind]
        length = 8 + struct.unpack("<Q", data[:8])[0]
        places = [rng.randrange(8, length) for _ in range(headers)]
        places += [rng.randrange(length, len(data)) for _ in range(bodies)]
        if kind == "lite":
            places += [_scale(data, length), data.index(b'"checksum"') + 3, 0]
        for place in places:
            yield f"bit {place} of {kind}", _flip(data, place, rng.randrange(8))


def _flip(data: bytes, place: int, bit: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :]


def _scale(data: bytes, length: int) -> int:
    header = json.loads(data[8:length])
    name = next(name for name in header if name.endswith(SCALE_SUFFIX))
    return length + header[name]["data_offsets"][0]


def _cut(data: bytes) -> Iterator[tuple[str, bytes]]:
    for size in (0, 4, 1000, len(data) // 2, len(data) - 1):
        yield f"cut to {size}", data[:size]
    yield "lengthened by one", data + b"\0"
    yield "twice", data + data
    yield "a header of 2 ** 60 bytes", struct.pack("<Q", 2**60) + data[8:]


def _other_kinds(folder: Path) -> Iterator[tuple[str, Callable]]:
    command = _Command(folder / COMMAND_RAN)
    yield "pickle", lambda sound, path: pickle.dumps(command)
    yield "pickle in torch.save", lambda sound, path: torch.save({"model": command}, path)
    yield "pickle by another name", lambda sound, path: pickle.dumps(command)
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 38279664\n"
    yield "LFS pointer", pointer.encode()
    yield "text", b"not weights at all\n" * 50


def _configured(field: str, text: str) -> Callable:
    """Write a value into the configuration, with a checksum that fits: a person did it."""

    def make(sound: dict[str, bytes], path: Path) -> None:
        tensors, metadata = _opened(sound["clip"], path)
        config = json.loads(metadata[CONFIG_KEY])
        parts = (config, *(part for part in config.values() if isinstance(part, dict)))
        next(part for part in parts if field in part)[field] = "here"
        metadata[CONFIG_KEY] = json.dumps(config).replace('"here"', text)
        _write(tensors, metadata, path)

    return make


def _changed_tensors() -> Iterator[tuple[str, Callable]]:
    def swapped(sound: dict[str, bytes], path: Path) -> None:
        tensors, metadata = _opened(sound["clip"], path)
        first, second = "escf.0.sfm.feed_forward.gate.weight", "escf.1.sfm.feed_forward.gate.weight"
        tensors[first], tensors[second] = tensors[second], tensors[first]
        save_file(tensors, path, metadata)

    def zeroed(sound: dict[str, bytes], path: Path) -> None:
        tensors, metadata = _opened(sound["clip"], path)
        tensors["decoder.head.weight"].zero_()
        save_file(tensors, path, metadata)

    def renamed(sound: dict[str, bytes], path: Path) -> None:
        tensors, metadata = _opened(sound["clip"], path)
        tensors["decoder.tail.weight"] = tensors.pop("decoder.head.weight")
        _write(tensors, metadata, path)

    def enlarged(sound: dict[str, bytes], path: Path) -> None:
        tensors, metadata = _opened(sound["clip"], path)
        tensors["decoder.head.weight"] = torch.zeros(1, 8, 3, 3)
        _write(tensors, metadata, path)

    def nameless(sound: dict[str, bytes], path: Path) -> None:
        tensors, _ = _opened(sound["clip"], path)
        save_file(tensors, path)

    yield "two tensors swapped", swapped
    yield "a tensor zeroed", zeroed
    yield "a tensor renamed", renamed
    yield "a tensor enlarged", enlarged
    yield "no metadata", nameless
    for text in ("", "{", json.dumps({"version": "1.0", "model": {"type": "WordPiece"}})):
        yield f"tokenizer {text[:10]!r}", _with_tokenizer(text)


def _with_tokenizer(text: str) -> Callable:
    def make(sound: dict[str, bytes], path: Path) -> None:
        tensors, metadata = _opened(sound["lite"], path)
        _write(tensors, {**metadata, TOKENIZER_KEY: text}, path)

    return make


def _opened(data: bytes, path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    path.write_bytes(data)
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    return load_file(path), metadata


def _write(tensors: dict[str, torch.Tensor], metadata: dict[str, str], path: Path) -> None:
    save_file(tensors, path, {**metadata, CHECKSUM_KEY: content_checksum(tensors, metadata)})
