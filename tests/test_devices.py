"""All that computes, on a stand-in for a GPU: nothing is left on the CPU, and nothing changes."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import build_tiny, tiny_config
from photo_sets import write_set
from stand_in_gpu import GPU, OnGPU, stand_in_gpu

from errseg.checkpoints.weights import load_model, save_model
from errseg.datasets.folders import load_sets
from errseg.datasets.sets import SegmentationSet
from errseg.demo.backend.price import measured_speeds
from errseg.distributed import Processes
from errseg.inference.attended import figure2
from errseg.inference.predictor import Predictor
from errseg.inference.priors import Priors
from errseg.inference.rivals import RivalWeights, make_rivals
from errseg.inference.suggestion import suggest_classes
from errseg.measuring.benchmark import STAGES, Bench, Setting
from errseg.measuring.calibration import calibrate
from errseg.measuring.evaluation import Protocol, evaluate
from errseg.measuring.rival_fit import fit_rivals
from errseg.measuring.tables import knobs
from errseg.measuring.tables.measure import measure
from errseg.measuring.tables.photos import Asked
from errseg.network.lite import LiteTowers
from errseg.network.model import build_model
from errseg.options import Options
from errseg.training.config import LITE, PUBLISHED, with_settings
from errseg.training.pseudo_labels import write_pseudo_labels
from errseg.training.run import TrainingRun
from errseg.words.union import named_union
from errseg.words.vocabulary import Vocabulary, parse_classes

WORDS = "a cat, dogs | fish, sky, grass, tree, road, red sofa"
ASKED = Options(kept_classes=4, input_size=128)
STEP = {"steps": 1, "batch": 2, "crop": 64, "kept_classes": 2, "precision": "float32"}
ROUNDED = {"rtol": 1e-5, "atol": 1e-5}  # a CPU may do in one step what a GPU does in two
RECIPES = {
    "published": (PUBLISHED, {"shortest_edge": 64, "clip_gradient": 1.0}),
    "lite": (LITE, {"vocabulary": 5, "imagenet_share": 0.0, "same_set": 1, "average": 0.9}),
}


@pytest.fixture
def photo(make_pixels):
    return make_pixels(1, 128, 160)[0].permute(1, 2, 0).numpy()


@pytest.fixture
def few_words(monkeypatch):
    """Less of the named vocabularies than a person gets: the tiny tower would read them all."""
    union = Vocabulary(named_union().classes[::40])
    for module in ("rivals", "suggestion"):
        monkeypatch.setattr(f"errseg.inference.{module}.named_union", lambda: union)


def all_answers(path: Path, device: str, photo: np.ndarray) -> dict[str, object]:
    """All that can be asked of a predictor, by name."""
    predictor = Predictor(load_model(path, device))
    assert predictor.model.device.type == torch.device(device).type
    if isinstance(predictor.model.towers, LiteTowers):
        predictor.rivals = make_rivals(predictor.model, RivalWeights(20.0, 15.0, 5.0, 30.0, 5.0))
        places, _ = predictor.embed(parse_classes("cat, tree, road"))
        predictor.priors = Priors(places, predictor.model.config.calibration)
    attention = predictor.attention(photo, WORDS, (20, 30), ASKED, everywhere=[0, 2])
    everything = predictor.attention(photo, WORDS, (20, 30), ASKED, everything=True)
    look = figure2(predictor, photo, parse_classes(WORDS), ASKED)
    return {
        "labels": predictor(photo, WORDS, ASKED).labels,
        "scores": predictor(photo, WORDS, ASKED).scores,
        "votes": predictor(photo, WORDS, ASKED, kept_classes=2).votes,
        "closer": predictor(photo, WORDS, ASKED, tiles=2).scores,
        "closer here": predictor(photo, WORDS, ASKED, closer_at=(0.3, 0.6)).scores,
        "spatial": attention.spatial.numpy(),
        "everywhere": attention.everywhere.classes.numpy(),
        "everything": everything.classes_mean.numpy(),
        "costs": predictor.cost_view(photo, WORDS, [1, 2], ASKED).stride32,
        "look": np.array(dataclasses.astuple(look.with_crm.sfm[1])),
        "suggested": [found.score for found in suggest_classes(predictor, photo, 4)],
    }


def run_for(name: str, data: list[SegmentationSet], out: Path, device: torch.device) -> TrainingRun:
    """A run of a step in which nothing is dropped."""
    preset, settings = RECIPES[name]
    recipe = with_settings(preset, STEP | settings)
    model = build_tiny(lite=name == "lite", cost_shortcut=name == "lite", drop_path=0.0)
    if name == "lite":
        model.towers.config = dataclasses.replace(model.towers.config, residual_dropout=0.0)
    out.mkdir()
    return TrainingRun(model, data, out, recipe, Processes(device))


@pytest.fixture
def data(tmp_path):
    return many_classes(tmp_path / "data")


def many_classes(folder: Path) -> list[SegmentationSet]:
    """Three photos of more classes than CRM keeps of them."""
    names = ("cat", "dog", "sky", "grass", "tree", "road", "sofa", "fish", "animal")
    names += tuple(f"red {name}" for name in names)
    classes = dict(zip(map(str, range(1, 1 + len(names))), names, strict=True))
    write_set(folder, "scenes", {"0": "background", **classes})
    return load_sets(folder)


def test_the_stand_in_refuses_what_a_gpu_refuses():
    with stand_in_gpu() as waits:
        numbers = torch.arange(4.0).to("cuda")
        assert numbers.device == GPU
        assert isinstance(torch.ones(2, device="cuda") + 1, OnGPU)
        assert (numbers * torch.tensor(2.0))[torch.tensor([3])].tolist() == [6.0]
        with pytest.raises(AssertionError, match=r"aten.add.Tensor: .* on the CPU"):
            numbers + torch.ones(4)
        with pytest.raises(RuntimeError, match="numpy"):
            numbers.numpy()
        assert len(waits) == 2  # there and back


@pytest.mark.parametrize("kind", ["clip", "clip with an MLP", "lite"])
def test_the_network_gives_the_same_and_waits_for_nothing(make_pixels, kind):
    model = build_tiny(lite=kind == "lite", cost_shortcut=kind == "lite")
    if "MLP" in kind:  # as errseg-large's
        config = tiny_config()
        towers = dataclasses.replace(config.towers, projection="mlp")
        model = build_model(dataclasses.replace(config, towers=towers))
    pixels, prompts = make_pixels(2, 96, 128), [p.name for p in parse_classes(WORDS).classes]
    with torch.inference_mode():
        text = model.encode_text(prompts)
        expected = model.decode(model.encode_image(pixels), text, 4)
        with stand_in_gpu() as waits:
            model.to(GPU)
            torch.testing.assert_close(model.encode_text(prompts).cpu(), text, **ROUNDED)
            pixels, text = pixels.to(GPU), text.to(GPU)
            waits.clear()
            out = model.decode(model.encode_image(pixels), text, 4)
            assert waits == []
            for name, tensor in vars(expected).items():
                torch.testing.assert_close(getattr(out, name).cpu(), tensor, msg=name, **ROUNDED)
            assert out.logits.device == GPU


@torch.inference_mode()
def test_a_gpu_works_on_all_classes_at_once_and_a_cpu_on_few(make_pixels, monkeypatch):
    model, groups = build_tiny(), []
    model.escf[0].sfm.attention.register_forward_pre_hook(
        lambda _, given: groups.append(given[0].shape[1])
    )
    text = torch.nn.functional.normalize(torch.randn(11, 20), dim=-1)

    def grouped() -> list[int]:
        groups.clear()
        model.decode(model.encode_image(make_pixels(1, 64, 96)), text.to(model.device), 11)
        return list(groups)

    assert grouped() == [4, 4, 3]
    model.work_in_groups(6)
    assert grouped() == [6, 5]
    model.work_in_groups(None)
    with stand_in_gpu():
        model.to(GPU)
        assert grouped() == [11]
        # Two classes' tokens: 4 x 6 cells of 16 float32 each.
        monkeypatch.setattr("errseg.network.layers.BYTES_AT_ONCE", 2 * 4 * 6 * 16 * 4)
        assert grouped() == [2, 2, 2, 2, 2, 1]
        monkeypatch.setattr("errseg.network.layers.BYTES_AT_ONCE", 1)
        assert grouped() == [1] * 11


@pytest.mark.parametrize("lite", [False, True])
def test_the_predictor_answers_the_same(lite, photo, few_words, tmp_path):
    path = tmp_path / "tiny.safetensors"
    save_model(build_tiny(lite, cost_shortcut=lite), path)
    expected = all_answers(path, "cpu", photo)
    with stand_in_gpu():
        found = all_answers(path, "cuda", photo)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, err_msg=name, **ROUNDED)


@pytest.mark.parametrize("name", RECIPES)
def test_a_training_step_s_losses_are_the_same(name, data, tmp_path):
    """The way back is torch's own, whose threads know a real GPU only; `test_gpu` goes it."""

    def step(device: torch.device) -> tuple[dict[str, float], torch.nn.Module]:
        run = run_for(name, data, tmp_path / device.type, device)
        crops = [run.objective.data[place] for place in range(2)]
        run.objective.learn()
        losses = run.objective(run.objective.collate(crops), 0)
        return {name: loss.item() for name, loss in losses.items()}, run.averaged()

    expected, _ = step(torch.device("cpu"))
    with stand_in_gpu():
        losses, averaged = step(GPU)
        assert averaged.device.type == "cpu"
    assert losses == pytest.approx(expected)


def test_what_measures_and_fits_runs_there(data, few_words, monkeypatch, tmp_path):
    for name, values in {"KEPT": (4,), "VOTES": (1,), "BETAS": (0.0,)}.items():
        monkeypatch.setattr(knobs, name, values)
    tiny = build_tiny(lite=True, cost_shortcut=True)
    tiny.config = dataclasses.replace(tiny.config, input_size=128)
    with stand_in_gpu():
        model = tiny.to(GPU)
        predictor = Predictor(model)
        [scores] = evaluate(model, data, Protocol(limit=1))
        assert scores.photos == 1
        tables = measure(predictor, data, ("VII", "proposition"), Asked(limit=1, timed=1))
        assert len(tables.propositions) == 1
        assert calibrate(model, data, 1).config.calibration.scale > 0
        assert fit_rivals(predictor, data, 1)[1]
        assert write_pseudo_labels(model, data, ["sky"], tmp_path / "out", LITE, 0.5, 1) == 1
        assert measured_speeds(predictor).encode > 0


@pytest.mark.parametrize("kind", ["as_drawn", "float32"])
def test_the_benchmark_s_photo_runs_there(kind):
    with stand_in_gpu(), torch.inference_mode():
        model = build_model("errseg-lite").to(GPU)
        bench = Bench(Setting("errseg-lite", 64, 8, 4, 1), {kind: model})
        assert tuple(bench.run(kind)) == STAGES


@pytest.mark.parametrize("name", ["errseg-base", "errseg-large", "errseg-lite"])
def test_the_true_shapes_fit_together(name):
    """Without a number being computed: torch's "meta" device knows shapes only."""
    with torch.device("meta"), torch.inference_mode():
        model = build_model(name)
        side = model.config.input_size
        pixels = torch.empty(2, 3, side, side, dtype=torch.uint8)
        text = torch.empty(847, model.config.towers.embedding)
        out = model.decode(model.encode_image(pixels), text, 48)
    assert out.kept_logits.shape == (2, 48, side // 4, side // 4)
    assert out.logits.shape == (2, 847, side // 4, side // 4)
    assert {t.device.type for t in vars(out).values()} == {"meta"}
