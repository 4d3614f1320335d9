"""torch.compile changes no result, finds whole graphs, and is refused where it doesn't help."""

import sys

import pytest
import torch
from PIL import Image
from torch._dynamo.utils import counters

import app
from errseg.__main__ import main
from errseg.checkpoints.compilation import ZERO_GPU, check_compilable, compile_network
from errseg.checkpoints.weights import load_model, save_model
from errseg.errors import InputError
from errseg.network.attention import attend_from

PROMPTS = ["a cat", "dogs", "sky", "grass", "tree", "road", "a red sofa"]


@pytest.fixture(autouse=True)
def _forget_what_was_compiled():
    torch._dynamo.reset()
    counters.clear()
    yield
    torch._dynamo.reset()


@torch.inference_mode()
@pytest.mark.parametrize("lite", [False, True])
def test_a_compiled_network_gives_the_same(make_model, make_pixels, lite):
    drawn, compiled = (make_model(lite, cost_shortcut=lite) for _ in range(2))
    keys = list(compiled.state_dict())
    compile_network(compiled, backend="eager")
    assert list(compiled.state_dict()) == keys
    pixels, text = make_pixels(1, 64, 96), drawn.encode_text(PROMPTS)
    features = [model.encode_image(pixels) for model in (drawn, compiled)]
    for kept_classes in (7, 6, 3):
        expected, out = (
            model.decode(seen, text, kept_classes)
            for model, seen in zip((drawn, compiled), features, strict=True)
        )
        assert torch.equal(out.kept, expected.kept)
        torch.testing.assert_close(out.kept_logits, expected.kept_logits, rtol=0, atol=1e-5)
    assert counters["stats"]["unique_graphs"] > 0
    assert not counters["graph_break"]


@torch.inference_mode()
def test_attention_from_other_pixels_compiles_nothing_new(make_model, make_pixels):
    model = make_model(lite=True)
    text = model.encode_text(PROMPTS)
    features = model.encode_image(make_pixels(1, 64, 96))
    cells = [(row, row + 1) for row in range(4)]
    expected = [attend_from(model, features, text[None], cell) for cell in cells]
    compile_network(model, backend="eager")
    graphs = set()
    for cell, drawn in zip(cells, expected, strict=True):
        found = attend_from(model, features, text[None], cell)
        graphs.add(counters["stats"]["unique_graphs"])
        torch.testing.assert_close(found.spatial, drawn.spatial)
    assert len(graphs) == 1


@torch.inference_mode()
def test_another_p_soon_compiles_nothing_new_where_all_classes_are_at_once(make_model, make_pixels):
    """As on a GPU: what sees the classes is compiled for any number of them, and for one."""
    model = compile_network(make_model(lite=True), backend="eager").work_in_groups(len(PROMPTS))
    text = model.encode_text(PROMPTS)
    features = model.encode_image(make_pixels(1, 64, 96))
    graphs = []
    for kept_classes in (7, 6, 1, 5, 4, 3, 2):
        model.decode(features, text, kept_classes)
        graphs.append(counters["stats"]["unique_graphs"])
    assert graphs[0] < graphs[2] == graphs[-1]


def test_it_is_for_cuda_gpus_that_stay(monkeypatch):
    check_compilable(torch.device("cuda"))
    for name in ("cpu", "mps"):
        with pytest.raises(InputError, match=name):
            check_compilable(torch.device(name))
    monkeypatch.setenv(ZERO_GPU, "true")
    with pytest.raises(InputError, match="ZeroGPU"):
        check_compilable(torch.device("cuda"))


def test_the_model_is_compiled_where_it_is_asked_for(monkeypatch, lite_model, tmp_path, capsys):
    path, compiled = tmp_path / "model.safetensors", []
    save_model(lite_model, path)
    with pytest.raises(InputError, match="cpu"):
        load_model(path, compile=True)
    photo, out = str(tmp_path / "photo.png"), str(tmp_path / "out")
    Image.new("RGB", (64, 64)).save(photo)
    options = ["segment", photo, "--classes", "cat", "--out", out, "--device", "cpu", "--compile"]
    assert main([*options, "--model", str(path)]) == 2
    assert "leave --compile out" in capsys.readouterr().err
    monkeypatch.setattr("errseg.checkpoints.weights.check_compilable", lambda device: None)
    monkeypatch.setattr(
        "errseg.checkpoints.weights.compile_network", lambda m: compiled.append(m) or m
    )
    load_model(path)
    assert compiled == []
    assert load_model(path, compile=True) is compiled[0]


def test_a_zerogpu_space_is_told_at_once(monkeypatch, capsys):
    monkeypatch.setenv(ZERO_GPU, "true")
    monkeypatch.setenv("ERRSEG_COMPILE", "1")
    monkeypatch.setattr(sys, "argv", ["app.py"])
    with pytest.raises(SystemExit) as ended:
        app.main()
    assert ended.value.code == 2
    assert "ERRSEG_COMPILE" in capsys.readouterr().err
