"""bfloat16 changes little; "auto" picks what is native and faster."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from golden_weights import GOLDEN, rule_state_dict
from network_stages import stages_of

from errseg import device
from errseg.checkpoints.weights import load_model, save_model
from errseg.config import EMBEDDED
from errseg.device import bfloat16_gain, find_precision
from errseg.errors import InputError
from errseg.inference.predictor import Predictor
from errseg.network.model import build_model

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
PROMPTS = ["cat", "dog", "sky", "grass", "tree", "road", "sofa"]


@pytest.mark.parametrize(
    ("capabilities", "gain", "expected"),
    [
        ({"avx512_bf16": True}, 2.7, torch.bfloat16),
        ({"avx512_bf16": False, "amx_bf16": True}, 2.7, torch.bfloat16),
        ({"avx512_bf16": True}, 0.5, torch.float32),
        ({"avx512_bf16": True}, 1.1, torch.float32),
        ({"avx512_bf16": False, "avx2": True}, 2.7, torch.float32),
        ({}, 2.7, torch.float32),
    ],
)
def test_auto_is_what_the_cpu_has_natively_and_is_faster_with(
    monkeypatch, capabilities, gain, expected
):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    monkeypatch.setattr(device, "bfloat16_gain", lambda: gain)
    assert find_precision("auto", torch.device("cpu")) == expected


def test_what_is_asked_for_by_name_is_not_tried(monkeypatch):
    monkeypatch.setattr(device, "bfloat16_gain", lambda: pytest.fail("tried"))
    assert find_precision("bfloat16", torch.device("cpu")) == torch.bfloat16
    assert find_precision("float32", torch.device("cpu")) == torch.float32


def test_the_cpu_is_tried_once_and_one_slow_product_changes_nothing(monkeypatch):
    bfloat16_gain.cache_clear()
    seconds = {torch.float32: iter((0.9, 3, 3, 3, 4)), torch.bfloat16: iter((9, 2, 1, 7, 2))}
    now, calls, multiply = [0.0], [], torch.Tensor.__matmul__

    def timed(left, right):
        calls.append(left.dtype)
        now[0] += next(seconds[left.dtype])
        return multiply(left, right)

    monkeypatch.setattr(device.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(torch.Tensor, "__matmul__", timed)
    state = torch.get_rng_state()
    try:
        assert bfloat16_gain() == bfloat16_gain() == pytest.approx(0.9)
    finally:
        bfloat16_gain.cache_clear()
    assert calls == [torch.float32, torch.bfloat16] * 5
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(("native", "expected"), [(True, "bfloat16"), (False, "float16")])
def test_auto_on_a_gpu(monkeypatch, native, expected):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: native)
    assert find_precision("auto", torch.device("cuda")) == getattr(torch, expected)


def test_a_precision_that_is_none_is_refused():
    assert find_precision("float16", torch.device("cpu")) == torch.float16
    with pytest.raises(InputError, match="float99"):
        find_precision("float99", torch.device("cpu"))


@torch.no_grad()
@pytest.mark.parametrize("lite", [False, True])
def test_what_decides_and_what_leaves_the_network_is_float32(make_model, make_pixels, lite):
    model = make_model(lite, cost_shortcut=lite).cast(torch.bfloat16)
    features = model.encode_image(make_pixels(1, 64, 96))
    text = model.encode_text(PROMPTS)
    out, stages = stages_of(model, lambda: model.decode(features, text, kept_classes=4))
    for tensor in (features.dense16, features.dense32, text, out.kept_logits):
        assert tensor.dtype == torch.float32
    assert stages["cost_embedding"].dtype == torch.float32
    assert stages["escf.0"].dtype == features.guidance.decoder[0].dtype == torch.bfloat16
    assert model.precision == "bfloat16"


@torch.no_grad()
@pytest.mark.parametrize("lite", [False, True])
def test_bfloat16_stays_close(make_model, make_pixels, lite):
    pixels = make_pixels(1, 96, 128)
    logits = []
    for dtype in (torch.float32, torch.bfloat16):
        model = make_model(lite, cost_shortcut=lite).cast(dtype)
        out = model.decode(model.encode_image(pixels), model.encode_text(PROMPTS), kept_classes=7)
        logits.append(out.kept_logits)
    error = (logits[0] - logits[1]).square().mean().sqrt()
    assert 0 < error < 0.1 * logits[0].std()


def test_a_model_is_loaded_in_a_precision(make_model, tmp_path):
    path = tmp_path / "model.safetensors"
    save_model(make_model(), path)
    assert load_model(path).precision == "float32"
    assert load_model(path, precision="bfloat16").precision == "bfloat16"
    with pytest.raises(InputError, match="precision"):
        load_model(path, precision="double")


@pytest.mark.slow
@torch.inference_mode()
def test_golden_logits_stay_close():
    """The golden weights' logits nearly tie, so their labels say little; their errors do."""
    golden = dict(np.load(GOLDEN / "golden_b_voc20.npz"))
    model = build_model("errseg-base")
    model.load_published(rule_state_dict("errseg-base", int(golden["seed"])))
    prompts = [f"A photo of a {name} in the scene" for name in golden["classes"]]
    pixels = torch.from_numpy(golden["image"])
    logits = []
    for dtype in (torch.float32, torch.bfloat16):
        model.cast(dtype)
        features, text = model.encode_image(pixels), model.encode_text(prompts)
        logits.append(model.decode(features, text, kept_classes=len(prompts)).kept_logits)
    error = (logits[0] - logits[1]).square().mean().sqrt() / logits[0].std()
    print(f"root-mean-square error of the logits / their spread: {error:.4f}")  # noqa: T201
    assert error < 0.1


def test_labels_of_real_photos_agree():
    """The embedded model on the example photos, each with its own words."""
    exact = Predictor(load_model(EMBEDDED["errseg-lite"]))
    fast = Predictor(load_model(EMBEDDED["errseg-lite"], precision="bfloat16"))
    shares = []
    for example in json.loads((EXAMPLES / "examples.json").read_text(encoding="utf-8")):
        photo = EXAMPLES / example["file"]
        labels = [p(photo, example["classes"]).labels for p in (exact, fast)]
        shares.append((labels[0] == labels[1]).mean())
    assert np.mean(shares) >= 0.99
    assert min(shares) >= 0.97
