"""--device: all that computes takes it; what isn't there and full memory get a sentence."""

import argparse
import gc
import sys
import weakref

import numpy as np
import pytest
import torch
from stand_in_gpu import stand_in_gpu

import app
from errseg.__main__ import main
from errseg.checkpoints.weights import load_model
from errseg.commands import COMMANDS
from errseg.device import find_device, find_precision, says_memory_is_full
from errseg.errors import InputError
from errseg.inference.predictor import Predictor

WITHOUT = {"models", "fetch", "convert", "average"}  # files and lists only, no network
FULL = (
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("MPS backend out of memory (MPS allocated: 17.00 GB)"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried 9 bytes"),
    MemoryError(),
)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_that_computes_takes_it(name):
    parser = argparse.ArgumentParser()
    COMMANDS[name].add_options(parser)
    assert ("--device" in parser._option_string_actions) == (name not in WITHOUT)


@pytest.mark.parametrize("name", ["cuda:7", "banana", "meta", "cuda:x", "", "c" * 99])
def test_what_is_not_there_is_told_what_is(name, lite_weights):
    for ask in (find_device, lambda name: load_model(lite_weights, name)):
        with pytest.raises(InputError, match=r"^There is no device '.{0,31} here; give auto"):
            ask(name)


@pytest.mark.parametrize(
    "arguments",
    [
        ["segment", "{photo}", "--classes", "cat", "--out", "{out}"],
        ["segment", "{photo}", "--suggest", "3"],
        ["attention", "{photo}", "--classes", "cat, dog"],
        ["embed", "--out", "{out}.safetensors"],
        ["benchmark", "--model", "errseg-lite"],
        ["sheet", "--out", "{out}.jpg"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_command_says_so_too(arguments, photo_file, tmp_path, capsys):
    places = {"photo": photo_file, "out": tmp_path / "out"}
    arguments = [argument.format(**places) for argument in arguments]
    assert main([*arguments, "--device", "cuda:7"]) == 2
    assert capsys.readouterr().err.startswith("There is no device 'cuda:7' here")


@pytest.mark.parametrize("given", [["--device", "cuda:7"], []])
def test_the_app_says_so_before_it_serves(given, monkeypatch, capsys):
    if not given:
        monkeypatch.setenv("ERRSEG_DEVICE", "cuda:7")
    monkeypatch.setattr(sys, "argv", ["app.py", *given])
    with pytest.raises(SystemExit) as ended:
        app.main()
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("There is no device 'cuda:7' here")


def test_a_device_that_is_there_is_itself(monkeypatch):
    assert find_device("cpu") == find_device(torch.device("cpu")) == torch.device("cpu")
    assert find_device().type == ("cuda" if torch.cuda.is_available() else "cpu")
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    find_device("cpu")
    assert torch.backends.cudnn.allow_tf32  # nothing of CUDA is touched
    with stand_in_gpu():
        assert find_device("cuda") == torch.device("cuda")
        assert find_precision("auto", find_device("cuda")) == torch.bfloat16
        assert not torch.backends.cudnn.allow_tf32


@pytest.mark.parametrize("error", FULL, ids=lambda error: str(error)[:20])
def test_full_memory_is_told_and_given_back(error, lite_model, make_pixels, monkeypatch):
    assert says_memory_is_full(error)
    predictor = Predictor(lite_model)
    photo = make_pixels(1, 64, 96)[0].permute(1, 2, 0).numpy()
    expected = predictor(photo, "cat, dog", input_size=128).labels
    held = []

    def full(*_, **__):
        tensor = torch.ones(3)
        held.append(weakref.ref(tensor))
        raise type(error)(*error.args)

    with monkeypatch.context() as patch:
        patch.setattr(predictor.model, "decode", full)
        with pytest.raises(InputError, match=r"^The memory of this machine is too small") as said:
            predictor(photo, "cat, dog, sky", input_size=128)
    assert said.value.__context__ is None  # or it would hold what was computed
    gc.collect()
    assert held[0]() is None
    assert predictor._images.bytes == predictor._results.bytes == 0
    np.testing.assert_array_equal(predictor(photo, "cat, dog", input_size=128).labels, expected)


def test_other_errors_stay_what_they_are(lite_model, make_pixels, monkeypatch):
    predictor, error = Predictor(lite_model), RuntimeError("shape mismatch")
    monkeypatch.setattr(predictor.model, "decode", lambda *_, **__: (_ for _ in ()).throw(error))
    with pytest.raises(RuntimeError, match="shape mismatch"):
        predictor(make_pixels(1, 64, 96)[0].permute(1, 2, 0).numpy(), "cat", input_size=128)
    assert not says_memory_is_full(error)


def test_a_command_whose_memory_is_full_says_so(monkeypatch, capsys, lite_weights):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(COMMANDS["models"], "run", full)
    assert main(["models"]) == 2
    assert capsys.readouterr().err.startswith("The memory is too small for this; fewer kept")
