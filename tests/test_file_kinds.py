"""A weights file that is something else is called by its name, with what mends it."""

import gzip
import io
import json
import zipfile

import pytest
import torch
from safetensors.torch import save_file

from errseg.checkpoints import file_kinds
from errseg.checkpoints.file_kinds import check_kind
from errseg.checkpoints.stored_config import stored_config
from errseg.checkpoints.weights import load_model
from errseg.errors import InputError

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 38279664\n"
PAGE = b"<!doctype html>\n<html class=''>\n<head><title>lchen1019/ERR-Seg</title>"


def zipped(**files) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


def checkpoint() -> bytes:
    file = io.BytesIO()
    torch.save({"model": {"a": torch.ones(500)}}, file)
    return file.getvalue()


OTHERS = [
    (POINTER, "a Git LFS pointer to 38.3 MB; fetch the weights with: git lfs pull"),
    (PAGE, "a web page; download the file itself with: hf download lchen1019/ERR-Seg NAME"),
    (b"\n  " + PAGE.upper(), "a web page"),
    (b"", "empty; get it again"),
    (b"\n", "empty; get it again"),
    (b"Entry not found", "a text that begins “Entry not found”"),
    (b'{"error": "Repository not found"}', "a text that begins “{"),
    (gzip.compress(b"x" * 99), "packed with gzip; unpack it with: gunzip NAME"),
    (b"GGUF" + bytes(99), "a GGUF file"),
    (b"\x89HDF\r\n\x1a\n" + bytes(99), "an HDF5 file"),
]


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("number", range(len(OTHERS)))
def test_other_files_are_called_by_their_names(tmp_path, suffix, number):
    content, sentence = OTHERS[number]
    path = tmp_path / f"model{suffix}"
    path.write_bytes(content)
    reads = [load_model] if suffix == ".pth" else [load_model, stored_config]
    for read in reads:
        with pytest.raises(InputError) as refused:
            read(path)
        said = str(refused.value)
        assert sentence.replace("NAME", path.name) in said
        assert "\n" not in said
        assert said.endswith(".")


@pytest.mark.parametrize(
    ("suffix", "content", "sentence"),
    [
        (".pth", lambda: zipped(**{"a.txt": "x"}), "a ZIP of other files"),
        (".pth", lambda: checkpoint()[:-300], "cut off or damaged; get it again"),
        (
            ".pth",
            lambda: zipped(**{"m/data.pkl": "x", "m/constants.pkl": "x"}),
            "a TorchScript program",
        ),
        (".safetensors", checkpoint, "a PyTorch checkpoint; let its name end in .pth"),
        (".safetensors", lambda: checkpoint()[:-300], "a PyTorch checkpoint"),
    ],
)
def test_archives_are_told_apart(tmp_path, suffix, content, sentence):
    path = tmp_path / f"model{suffix}"
    path.write_bytes(content())
    with pytest.raises(InputError, match=sentence):
        load_model(path)


def test_a_safetensors_file_under_a_checkpoint_s_name(tmp_path):
    save_file({"a": torch.ones(9)}, tmp_path / "model.pth")
    with pytest.raises(InputError, match=r"a safetensors file; let its name end in \.safetensors"):
        load_model(tmp_path / "model.pth")


def test_a_download_that_broke_off_says_how_much_is_missing(tmp_path):
    path = tmp_path / "model.safetensors"
    save_file({"a": torch.ones(1000), "b": torch.ones(10)}, path)
    whole = path.read_bytes()
    check_kind(path)
    for size in (9, 60, 200, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(InputError, match=f"cut off: {size:,} bytes of at least"):
            load_model(path)
    assert int.from_bytes(whole[:8], "little") + 8 + 4040 == len(whole)


def test_what_the_embedded_file_was_is_named_with_the_command_that_mends_it(tmp_path, monkeypatch):
    path = tmp_path / "assets" / "errseg-lite" / "model.safetensors"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"")
    monkeypatch.setattr(file_kinds, "EMBEDDED", {"errseg-lite": path})
    with pytest.raises(InputError, match=r"git checkout -- assets/errseg-lite/model\.safeten"):
        check_kind(path)


@pytest.mark.parametrize("header", [{}, {"a": 5}, {"a": {"data_offsets": [0, "x"]}}, [1], "x"])
def test_odd_headers_are_for_the_library_to_refuse(tmp_path, header):
    text = json.dumps(header).encode()
    path = tmp_path / "model.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(8))
    with pytest.raises(InputError):
        load_model(path)


@pytest.mark.parametrize("name", [None, 5, b"errseg-lite", ["errseg-lite"]])
def test_a_model_has_a_name_or_a_path(name):
    with pytest.raises(InputError, match="its name or its file's path"):
        load_model(name)
