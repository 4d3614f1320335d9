"""A released checkpoint and our file, one into the other and back, with no number changed."""

import dataclasses
import zlib

import pytest
import torch
from golden_weights import released_shapes
from safetensors.torch import load_file

from errseg import load_model, save_model
from errseg.__main__ import main
from errseg.checkpoints import weights
from errseg.config import Calibration
from errseg.network.published import published_name


@pytest.fixture
def released(monkeypatch, tmp_path, clip_model):
    """A file as released, of the tiny model, which stands in for a variant."""
    monkeypatch.setattr(weights, "MODELS", (*weights.MODELS, clip_model.config))
    tensors = {published_name(name): t.clone() for name, t in clip_model.state_dict().items()}
    path = tmp_path / "released.pth"
    torch.save({"model": tensors, "iteration": 5}, path)
    return path


def logits(model, pixels):
    with torch.inference_mode():
        text = model.encode_text(["cat", "a dog", "sky"])
        return model.decode(model.encode_image(pixels), text).logits


def test_there_and_back_nothing_changes(released, tmp_path, clip_model, make_pixels, capsys):
    ours, again = tmp_path / "ours.safetensors", tmp_path / "again.pth"
    assert main(["convert", str(released), str(ours)]) == 0
    assert main(["convert", str(ours), str(again)]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith(f"Wrote {ours}, ")
    assert told[1].startswith(f"Wrote {again}, ")
    assert "no place" not in told[1]
    before = torch.load(released, weights_only=True)["model"]
    stored = torch.load(again, weights_only=True)
    assert list(stored) == ["model"]
    assert stored["model"].keys() == before.keys()
    for name, tensor in before.items():
        assert stored["model"][name].dtype == torch.float32
        assert torch.equal(stored["model"][name], tensor), name
    pixels = make_pixels(1, 64, 96)
    expected = logits(clip_model, pixels)
    for path in (released, ours, again):
        loaded = load_model(path)
        for name, tensor in clip_model.state_dict().items():
            assert torch.equal(loaded.state_dict()[name], tensor), (path, name)
        # Not to the bit: some processors sum in another order where memory lies elsewhere.
        torch.testing.assert_close(logits(loaded, pixels), expected, atol=1e-5, rtol=1e-5)
    assert not list(tmp_path.glob("*.partial"))


def test_ours_holds_every_weight_in_float32(released, tmp_path, clip_model):
    ours = tmp_path / "ours.safetensors"
    assert main(["convert", str(released), str(ours)]) == 0
    stored = load_file(ours)
    for name, tensor in clip_model.state_dict().items():
        assert stored[name].dtype == torch.float32
        assert torch.equal(stored[name], tensor), name


def test_saving_exactly_keeps_lite_s_rows_too(lite_model, tmp_path):
    save_model(lite_model, tmp_path / "lite.safetensors", exact=True)
    loaded = load_model(tmp_path / "lite.safetensors")
    for name, tensor in lite_model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["errseg-base", "errseg-large"])
def test_a_whole_checkpoint_comes_back_under_exactly_the_released_names(variant, tmp_path):
    tensors = {
        name: torch.tensor(zlib.crc32(name.encode()) / 2**32).expand(shape)
        for name, shape in released_shapes(variant).items()
    }
    torch.save({"model": tensors}, tmp_path / "in.pth")
    for source, target in (("in.pth", "ours.safetensors"), ("ours.safetensors", "out.pth")):
        assert main(["convert", str(tmp_path / source), str(tmp_path / target)]) == 0
    found = torch.load(tmp_path / "out.pth", weights_only=True, mmap=True)["model"]
    assert {name: tuple(t.shape) for name, t in found.items()} == released_shapes(variant)
    for name, tensor in tensors.items():
        assert torch.equal(found[name], tensor), name


def test_what_a_released_checkpoint_cannot_hold_is_said(released, tmp_path, capsys):
    model = load_model(released)
    changes = {"calibration": Calibration(scale=2.0), "input_size": 160, "description": "mine"}
    model.config = dataclasses.replace(model.config, **changes)
    save_model(model, tmp_path / "mine.safetensors")
    assert main(["convert", str(tmp_path / "mine.safetensors"), str(tmp_path / "mine.pth")]) == 0
    assert "no place for these, which it lacks: input size, calibration." in capsys.readouterr().out


def refused(capsys, *arguments) -> str:
    """The one sentence a person gets."""
    assert main(["convert", *map(str, arguments)]) == 2
    sentence = capsys.readouterr().err.strip()
    assert "\n" not in sentence
    assert sentence.endswith(".")
    return sentence


def test_lite_has_no_released_form(lite_weights, tmp_path, capsys):
    sentence = refused(capsys, lite_weights, tmp_path / "lite.pth")
    assert "holds tiny-lite, which has no released form" in sentence
    assert not (tmp_path / "lite.pth").exists()


def test_a_network_without_some_of_its_parts_has_none_either(
    released, make_model, tmp_path, capsys
):
    for name, change in (("crm", {"crm": False}), ("gud", {"gud": False})):
        path = tmp_path / f"{name}.safetensors"
        save_model(make_model(**change), path)
        assert "parts of its network differ" in refused(capsys, path, tmp_path / "out.pth")
    dropped = make_model(drop_path=0.5)  # of training only
    save_model(dropped, tmp_path / "dropped.safetensors")
    assert main(["convert", *(str(tmp_path / n) for n in ("dropped.safetensors", "out.pth"))]) == 0


@pytest.mark.parametrize(
    ("source", "target", "sentence"),
    [
        ("a.pth", "b.pth", "a.pth and b.pth are of one kind; let one of them end in .safetensors."),
        ("a.pt", "b.pth", "a.pt and b.pth are of one kind; let one of them end in .safetensors."),
        ("a.safetensors", "b.safetensors", "let one of them end in .pth."),
        ("a.pth", "b.onnx", "b.onnx must end in .pth, .pt or .safetensors."),
        ("errseg-base", "b.pth", "errseg-base must end in .pth, .pt or .safetensors."),
        ("gone.pth", "b.safetensors", "There is no weights file gone.pth"),
        ("a.pth", "nowhere/b.safetensors", "nowhere for b.safetensors."),
    ],
)
def test_what_cannot_be_converted_is_refused(tmp_path, capsys, source, target, sentence):
    assert sentence in refused(capsys, tmp_path / source, tmp_path / target)
