"""What a GPU computes is what a CPU does: ``python -m pytest -m gpu -n 0``, where there is one.

ERRSEG_TEST_DEVICE names another device. With "cpu" the same lines run on a machine without a GPU,
and compare it with itself.
"""

import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import build_tiny
from golden_weights import GOLDEN, rule_state_dict
from network_stages import stages_of
from test_devices import RECIPES, all_answers, many_classes, run_for
from test_golden import CASES, PROMPT, STAGES, Ours
from test_precision import PROMPTS

from errseg.__main__ import main
from errseg.checkpoints.compilation import compile_network
from errseg.checkpoints.weights import load_model, save_model
from errseg.config import EMBEDDED, EXAMPLES
from errseg.device import AUTOMATIC, FLOAT32, find_device, find_precision
from errseg.errors import InputError
from errseg.inference.caches import BoundedCache
from errseg.inference.predictor import Predictor
from errseg.network.model import ERRSeg, build_model
from errseg.words.vocabulary import load_vocabulary

ASKED_DEVICE = os.environ.get("ERRSEG_TEST_DEVICE", "cuda")
THERE = ASKED_DEVICE != "cuda" or torch.cuda.is_available()
REASON = "there is no CUDA GPU here; ERRSEG_TEST_DEVICE=cpu runs the same on a CPU"
pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not THERE, reason=REASON)]

LOGITS = 5e-4  # the golden bound of a logit
AGREE = 0.999  # share of pixels that get the same class in float32
ROUNDED_MEAN, ROUNDED_LEAST = 0.99, 0.97  # the same between precisions, see `test_precision`
REQUESTS, BEFORE = 200, 100  # and how many of them fill the caches
MEBIBYTE = 2**20
GROWTH = {"cuda": MEBIBYTE, "cpu": 48 * MEBIBYTE}  # a CPU's is the whole process's
MEMORY_SHARE = 0.02  # of a GPU's memory, that is left to this process where it is to be full
PHOTOS = json.loads(EXAMPLES.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def device() -> torch.device:
    return find_device(ASKED_DEVICE)


@pytest.fixture(scope="module")
def golden_model(device) -> ERRSeg:
    seed = int(np.load(GOLDEN / f"{CASES[0]}.npz")["seed"])
    model = build_model("errseg-base").load_published(rule_state_dict("errseg-base", seed))
    return model.to(device)


@pytest.fixture(params=CASES)
def golden(request) -> dict[str, np.ndarray]:
    return dict(np.load(GOLDEN / f"{request.param}.npz"))


@torch.inference_mode()
def test_base_is_within_the_golden_bounds_at_every_stage(golden_model, golden):
    """Against the published network itself."""
    model, kept_classes = golden_model, int(golden["P"])
    text = model.encode_text([PROMPT.format(name) for name in golden["classes"]])
    features = model.encode_image(torch.from_numpy(golden["image"]))
    out, stages = stages_of(model, lambda: model.decode(features, text, kept_classes))
    cost, guidance = model.cost_maps(features, text), model.guide_classes(text[out.kept])
    ours = Ours(text, features, cost, out, guidance, stages)
    off = {}
    for stage in STAGES:
        expected = torch.from_numpy(golden[stage.array])
        off[stage.array] = (stage.read(ours).cpu() - expected).abs().max().item() / stage.atol
    assert max(off.values()) <= 1, {name: f"{share:.2f}" for name, share in off.items()}
    assert out.kept[0].tolist() == golden["selected"].tolist()
    assert (out.logits[0].argmax(dim=0).cpu().numpy() == golden["argmax"]).mean() > AGREE


@torch.inference_mode()
@pytest.mark.parametrize("group", [1, 4, None])
def test_groups_of_classes_change_nothing(golden_model, golden, group):
    model = golden_model.work_in_groups(group)
    try:
        text = model.encode_text([PROMPT.format(name) for name in golden["classes"]])
        features = model.encode_image(torch.from_numpy(golden["image"]))
        out = model.decode(features, text, int(golden["P"]))
    finally:
        model.work_in_groups(None)
    found = out.kept_logits[0, ::3].cpu()  # as the golden ones were thinned out
    torch.testing.assert_close(found, torch.from_numpy(golden["logits"]), rtol=0, atol=LOGITS)


@torch.inference_mode()
def test_large_is_what_the_cpu_computes(device, make_pixels):
    model = build_model("errseg-large").load_published(rule_state_dict("errseg-large"))
    prompts = [PROMPT.format(name) for name in load_vocabulary("voc20").names]
    pixels = make_pixels(1, 192, 256)
    found = []
    for place in (torch.device("cpu"), device):
        model.to(place)
        out = model.decode(model.encode_image(pixels), model.encode_text(prompts), 16)
        found.append((out.kept.tolist(), out.kept_logits.cpu()))
    assert found[0][0] == found[1][0]
    torch.testing.assert_close(found[1][1], found[0][1], rtol=0, atol=LOGITS)


def lite_answers(place: torch.device | str, precision: str) -> Iterator[tuple]:
    """The embedded model's answers to the example photos, each with its own words."""
    predictor = Predictor(load_model(EMBEDDED["errseg-lite"], place, precision))
    for photo in PHOTOS:
        result = predictor(EXAMPLES.with_name(photo["file"]), photo["classes"])
        yield result.kept, result.labels, result.class_scores


@pytest.fixture(scope="module")
def on_the_cpu() -> list[tuple]:
    return list(lite_answers("cpu", FLOAT32))


def test_lite_is_what_the_cpu_computes(device, on_the_cpu):
    for expected, found in zip(on_the_cpu, lite_answers(device, FLOAT32), strict=True):
        assert found[0] == expected[0]
        assert (found[1] == expected[1]).mean() > AGREE
        # A score changes by a quarter of its logit's change at the most.
        np.testing.assert_allclose(found[2], expected[2], rtol=0, atol=LOGITS / 4)


@pytest.mark.parametrize("precision", ["bfloat16", AUTOMATIC])
def test_lite_in_half_the_bits_agrees(device, on_the_cpu, precision):
    pairs = zip(on_the_cpu, lite_answers(device, precision), strict=True)
    shares = [(found[1] == expected[1]).mean() for expected, found in pairs]
    assert np.mean(shares) >= ROUNDED_MEAN
    assert min(shares) >= ROUNDED_LEAST


@torch.inference_mode()
def test_base_in_half_the_bits_stays_close(device, golden_model, golden):
    prompts = [PROMPT.format(name) for name in golden["classes"]]
    pixels = torch.from_numpy(golden["image"])
    rounded = build_model("errseg-base").to(device)
    rounded.load_state_dict(golden_model.state_dict())
    rounded.cast(torch.bfloat16)
    logits = [
        model.decode(model.encode_image(pixels), model.encode_text(prompts), len(prompts))
        for model in (golden_model, rounded)
    ]
    exact, found = (out.kept_logits for out in logits)
    assert ((exact - found).square().mean().sqrt() / exact.std()).item() < 0.1


@pytest.mark.parametrize("lite", [False, True])
def test_all_that_can_be_asked_is_answered_alike(device, lite, make_pixels, tmp_path):
    path = tmp_path / "tiny.safetensors"
    save_model(build_tiny(lite, cost_shortcut=lite), path)
    photo = make_pixels(1, 128, 160)[0].permute(1, 2, 0).numpy()
    expected, found = all_answers(path, "cpu", photo), all_answers(path, ASKED_DEVICE, photo)
    assert (found.pop("labels") == expected.pop("labels")).mean() > AGREE
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-3, atol=LOGITS, err_msg=name)


def test_memory_does_not_grow_over_200_requests(device, tmp_path):
    """Every photo is another one, so that caches are full after the first hundred."""
    path = tmp_path / "tiny.safetensors"
    save_model(build_tiny(lite=True, cost_shortcut=True), path)
    predictor = Predictor(load_model(path, device))
    for name in ("_images", "_results", "_labels"):
        setattr(predictor, name, BoundedCache(2 * MEBIBYTE))
    rng, held = np.random.default_rng(0), {}
    for request in range(1, REQUESTS + 1):
        photo = rng.integers(0, 256, (96 + request % 7, 128, 3), dtype=np.uint8)
        words = PROMPTS[: 2 + request % 5]
        predictor(photo, words, input_size=128, kept_classes=1 + request % 4)
        held[request] = held_bytes(device)
    late = [held[request] for request in range(BEFORE, REQUESTS + 1)]
    growth = max(late[-10:]) - max(late[:10])
    assert growth < GROWTH[device.type], f"{growth / MEBIBYTE:.1f} MiB"


def held_bytes(device: torch.device) -> int:
    """What this process holds of a device's memory."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        return torch.cuda.memory_allocated(device)
    status = Path("/proc/self/status")
    if not status.exists():
        pytest.skip("a CPU's memory is read from /proc")
    return 1024 * int(re.search(r"VmRSS:\s*(\d+) kB", status.read_text())[1])


@pytest.mark.parametrize("lite", [False, True])
def test_a_compiled_network_gives_the_same(device, lite, make_pixels, tmp_path):
    path = tmp_path / "tiny.safetensors"
    save_model(build_tiny(lite, cost_shortcut=lite), path)
    drawn = load_model(path, device)
    if device.type == "cuda":
        compiled = load_model(path, device, compile=True)
    else:  # it is refused there; the parts are the same
        compiled = compile_network(load_model(path, device), backend="eager")
    with torch.inference_mode():
        text = drawn.encode_text(PROMPTS)
        for size, kept_classes in (((64, 96), 7), ((64, 96), 5), ((96, 128), 1), ((96, 128), 6)):
            pixels = make_pixels(1, *size)
            expected, out = (
                model.decode(model.encode_image(pixels), text, kept_classes)
                for model in (drawn, compiled)
            )
            assert torch.equal(out.kept, expected.kept)
            torch.testing.assert_close(out.kept_logits, expected.kept_logits, rtol=0, atol=LOGITS)
    torch._dynamo.reset()


@pytest.mark.parametrize("name", RECIPES)
def test_a_training_step_is_the_cpu_s(device, name, tmp_path):
    data, found = many_classes(tmp_path / "data"), []
    for place in (torch.device("cpu"), device):
        run = run_for(name, data, tmp_path / f"run{len(found)}", place)
        crops = [run.objective.data[index] for index in range(2)]
        losses = run.take_step([run.objective.collate(crops)])
        gradients = torch.stack([p.grad.norm().cpu() for p in run.trained if p.grad is not None])
        run.save()
        run.resume()
        found.append((losses, gradients, run.averaged().device.type))
    (expected, norms, _), (losses, own, where) = found
    assert losses == pytest.approx(expected, rel=1e-4)
    torch.testing.assert_close(own, norms, rtol=1e-2, atol=1e-3 * norms.max().item())
    assert where == "cpu"


def test_training_in_half_the_bits_learns(device, tmp_path):
    data = many_classes(tmp_path / "data")
    run = run_for("lite", data, tmp_path / "run", device)
    run._compute_in(torch.bfloat16)
    crops = run.objective.collate([run.objective.data[index] for index in range(2)])
    losses = [sum(run.take_step([crops]).values()) for _ in range(8)]
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0]


def test_full_memory_is_told_and_the_next_question_answered(device, tmp_path, monkeypatch):
    path = tmp_path / "tiny.safetensors"
    save_model(build_tiny(lite=True, cost_shortcut=True), path)
    predictor = Predictor(load_model(path, device))
    photo = np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)
    expected = predictor(photo, PROMPTS, input_size=128).labels
    size = 2**60
    if device.type == "cuda":
        size = torch.cuda.get_device_properties(device).total_memory
        torch.cuda.empty_cache()
        torch.cuda.set_per_process_memory_fraction(MEMORY_SHARE, device)

    def fill(*_, **__):
        return torch.empty(size, dtype=torch.uint8, device=device)

    with monkeypatch.context() as patch:
        patch.setattr(predictor.model, "decode", fill)
        with pytest.raises(InputError, match=r"^The memory of .* is too small for this; fewer"):
            predictor(photo, PROMPTS[:3], input_size=128)
    if device.type == "cuda":
        torch.cuda.set_per_process_memory_fraction(1.0, device)
    np.testing.assert_array_equal(predictor(photo, PROMPTS, input_size=128).labels, expected)


def test_a_stage_s_seconds_are_its_own(device, on_the_cpu):
    """The program runs ahead of a GPU; the timings add up to what the call took all the same."""
    predictor = Predictor(load_model(EMBEDDED["errseg-lite"], device))
    photo = EXAMPLES.with_name(PHOTOS[0]["file"])
    predictor(photo, PHOTOS[0]["classes"])
    predictor.forget()
    started = time.perf_counter()
    result = predictor(photo, PHOTOS[0]["classes"])
    whole = time.perf_counter() - started
    assert 0.5 * whole < sum(result.timings.values()) <= whole
    assert min(result.timings["encode"], result.timings["decode"]) > 0


def test_a_command_runs_there(device, tmp_path):
    photo, out = str(EXAMPLES.with_name(PHOTOS[0]["file"])), tmp_path / "out"
    options = ["--classes", "cat, dog, sofa", "--device", ASKED_DEVICE, "--precision", AUTOMATIC]
    assert main(["segment", photo, "--out", str(out), *options]) == 0
    written = json.loads((out / "result.json").read_text(encoding="utf-8"))
    precision = str(find_precision(AUTOMATIC, device)).removeprefix("torch.")
    assert written["settings"]["precision"] == precision
