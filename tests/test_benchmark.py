"""The benchmark measures both networks on the same work, stage by stage."""

import dataclasses
import json

import pytest
import torch

from errseg.__main__ import main
from errseg.errors import InputError
from errseg.measuring import benchmark as module
from errseg.measuring.benchmark import STAGES, Bench, Report, Setting, measure
from errseg.network.model import build_model

RATIOS = (
    "text_float32",
    "text_auto",
    "photo_float32",
    "photo_auto",
    "knob_auto",
    "vocabulary_847_over_150",
    "memory",
)
SETTING = Setting("errseg-lite", size=128, classes=12, kept_classes=4, runs=1)


@pytest.fixture(scope="module")
def bench():
    model = build_model("errseg-lite")
    return Bench(SETTING, {"as_drawn": model, "float32": model, "auto": model})


@torch.inference_mode()
@pytest.mark.parametrize("kind", ["as_drawn", "float32"])
def test_every_stage_is_measured_once_in_its_order(bench, kind):
    readings = iter(range(100))
    stages = bench.run(kind, lambda: next(readings))
    assert tuple(stages) == STAGES
    assert set(stages.values()) == {1}


@torch.inference_mode()
def test_measuring_leaves_no_hook(bench):
    bench.run("float32", lambda: 0)
    model = bench.models["float32"]
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


@torch.inference_mode()
def test_multiply_adds_of_the_cost_maps_are_those_of_the_formula(bench):
    counts = bench.multiply_adds()
    drawn = (8 * 8 + 4 * 4) * 384 * 12  # pixels of both strides, channels, classes
    assert counts["crm"]["as_drawn"] == drawn
    assert counts["escf"]["ours"] < counts["escf"]["as_drawn"]
    assert counts["gud"]["ours"] < counts["gud"]["as_drawn"]
    assert counts["text"]["ours"] < 0.3 * counts["text"]["as_drawn"]


def report(**changes) -> Report:
    """A report with figures that are easy to divide."""
    seconds = {
        stage: {"as_drawn": 10.0, "float32": 5.0, "auto": 2.0 if stage == "encode" else 1.0}
        for stage in STAGES
    }
    made = Report(
        setting=SETTING,
        machine={"threads": 2, "auto": "bfloat16", "torch": "2"},
        seconds=seconds,
        multiply_adds={stage: {"as_drawn": 2e9, "ours": 1e9} for stage in STAGES},
        memory={"as_drawn": 100, "float32": 40, "auto": 20},
        knob={"as_drawn": 50.0, "float32": 10.0, "auto": 3.0},
        by_classes={20: 1.0, 150: 2.0, 847: 3.0, 5000: 4.0},
        by_kept_classes={8: 1.0, 64: 2.0},
    )
    return dataclasses.replace(made, **changes)


def test_ratios_are_those_of_the_table_in_its_order():
    assert tuple(report().ratios) == RATIOS
    assert report().ratios == {
        "text_float32": 0.5,
        "text_auto": 0.1,
        "photo_float32": 0.5,
        "photo_auto": 6 / 50,
        "knob_auto": 3 / 6,
        "vocabulary_847_over_150": 1.5,
        "memory": 0.4,
    }
    unknown = report(memory=dict.fromkeys(("as_drawn", "float32", "auto")))
    assert unknown.ratios["memory"] is None


def test_the_command_prints_and_draws(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(module, "measure", lambda setting, progress: report(setting=setting))
    plot = tmp_path / "b.png"
    options = ["benchmark", "--model", "errseg-lite", "--classes", "12", "--plot", str(plot)]
    assert main([*options, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)  # nothing else is printed
    assert tuple(printed["ratios"]) == RATIOS
    assert printed["setting"]["classes"] == 12
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert main([*options, "--json", str(tmp_path / "b.json")]) == 0
    assert json.loads((tmp_path / "b.json").read_text()) == printed
    table = capsys.readouterr().out
    for words in ("whole photo", "T = 847: 3.00", "P = 64: 2.00", "as drawn", "auto (bfloat16)"):
        assert words in table
    assert "auto = bfloat16 here" in table


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--model", "errseg-huge"], "There is no model"),
        (["--size", "100"], "multiple of 32"),
        (["--plot", "b.xyz"], "can't be drawn"),
        (["--plot", "nowhere/b.png"], "no folder nowhere for b.png"),
        (["--json", "nowhere/b.json"], "no folder nowhere for b.json"),
        (["--json", "."], ". is a folder; give a file."),
    ],
)
def test_what_cannot_be_measured_is_refused_at_once(capsys, monkeypatch, options, sentence):
    if options[0] in ("--plot", "--json"):
        monkeypatch.setattr(module, "measure", None)  # not even begun
    assert main(["benchmark", *options]) == 2
    assert sentence in capsys.readouterr().err


def test_sizes_that_do_not_fit_the_grids_are_refused():
    with pytest.raises(InputError, match="at least 64"):
        measure(dataclasses.replace(SETTING, size=32))


@pytest.mark.slow
def test_the_whole_command_on_a_small_photo(monkeypatch, tmp_path):
    measured = measure(SETTING)
    assert tuple(measured.ratios) == RATIOS
    assert all(ratio is None or ratio > 0 for ratio in measured.ratios.values())
    assert set(measured.by_classes) == {20, 150, 847, 5000}
