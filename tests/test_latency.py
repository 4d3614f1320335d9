"""Table III for a device: what is measured, what becomes of a failure, and the table itself."""

import dataclasses
import itertools
import json

import pytest
import torch
from stand_in_gpu import GPU, stand_in_gpu

from errseg.__main__ import main
from errseg.commands import benchmark as command
from errseg.errors import InputError
from errseg.measuring.latency import clock, everything, networks, sections
from errseg.measuring.latency.clock import WHOLE, medians
from errseg.measuring.latency.everything import measure_everything
from errseg.measuring.latency.plan import SMALL, Measured, Plan, Row
from errseg.measuring.latency.report import as_dict, as_markdown
from errseg.measuring.latency.sections import Section
from errseg.network.model import ERRSeg
from errseg.training.one_step import seconds_of_a_step

CPU = torch.device("cpu")
PLAN = dataclasses.replace(SMALL, cases=((8, 4),), batches=(2,), others=(), runs=1, training=None)
STAGES = ("encode", "crm", "escf", "gud", "render")


@pytest.fixture(autouse=True)
def tiny(monkeypatch, make_model):
    """The models that are asked for are tiny."""
    monkeypatch.setattr(networks, "build_model", lambda name: make_model(name == "lite"))


def test_a_stage_s_time_is_the_median_of_the_runs_that_count(monkeypatch):
    seconds = itertools.accumulate([0.0, *(9, 9), 5, *(1, 4), 5, *(3, 2), 5, *(2, 6)])
    monkeypatch.setattr(clock.time, "perf_counter", lambda: next(seconds))
    found = medians(lambda mark: (mark("a"), mark("b")), CPU, runs=3, warm_up=1)
    assert found == {"a": 2000.0, "b": 4000.0, WHOLE: 5000.0}


def test_everything_is_measured_on_a_stand_in_for_a_gpu(monkeypatch):
    compiled, more = [], Section("more", lambda: ["another"])
    monkeypatch.setattr(sections, "compile_network", compiled.append)
    monkeypatch.setattr(sections, "_profile", lambda *_: ["a line"])  # torch's own
    with stand_in_gpu():
        measured = measure_everything(PLAN, GPU, [more])
    assert measured.failed == {}
    assert measured.notes == ("another", "a line")
    assert len(compiled) == 1
    table = [row for row in measured.rows if row.section == sections.TABLE]
    assert [row.network for row in table] == [
        "errseg-base, as drawn, float32",
        "errseg-base, float32",
        "errseg-base, auto (bfloat16)",
    ]
    for row in table:
        assert (row.classes, row.kept, row.batch, row.peak) == (8, 4, 2, 2 * 2**20)
        assert tuple(row.milliseconds) == (*STAGES, WHOLE)
        assert sum(row.milliseconds[stage] for stage in STAGES) == pytest.approx(
            row.milliseconds[WHOLE]
        )
    assert {row.section for row in measured.rows} == {
        *(sections.TABLE, sections.TEXT, sections.GROUPS, sections.GRAPH, sections.COMPILED)
    }
    assert "Stand-in, 1 GiB" in as_markdown(measured)


def test_what_fails_on_a_cpu_is_told_and_the_rest_is_measured():
    measured = measure_everything(PLAN, CPU)
    assert len(measured.failed) == 2
    for name, words in (("CUDA graph", "for CUDA GPUs"), ("compiled", "leave --compile out")):
        [reason] = [said for section, said in measured.failed.items() if name in section]
        assert words in reason
    assert any("operations take" in line for line in measured.notes)
    assert all(row.peak is None for row in measured.rows)


def test_groups_are_what_they_are_called(monkeypatch):
    asked = []
    monkeypatch.setattr(ERRSeg, "work_in_groups", lambda model, group: asked.append(group))
    plan = dataclasses.replace(PLAN, groups=(3, None), bounds=False, batches=())
    rows = measure_everything(plan, CPU).rows
    groups = [row.network for row in rows if row.section == sections.GROUPS]
    assert asked == [3, None, None, None]  # and back each time
    assert ["3 at once" in groups[0], "as many" in groups[1]] == [True, True]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (torch.OutOfMemoryError("CUDA out of memory."), "The memory of this machine is too small"),
        (InputError("It can't be."), "It can't be."),
        (KeyError("lost\nlines"), "KeyError: 'lost"),
        (AssertionError(), "AssertionError: "),
    ],
)
def test_a_section_survives_the_failure_of_another(monkeypatch, error, said):
    row, asked, forgot = Row("s", "n", 1, 1, 1, {WHOLE: 1.0}), [], []

    def fails():
        raise error

    learning = Section("learns", lambda: asked.append(torch.is_grad_enabled()) or ["x"], True)
    listed = [Section("bad", fails), Section("good", lambda: row), learning]
    monkeypatch.setattr(everything, "sections", lambda *_: listed)
    monkeypatch.setattr(networks.Networks, "forget", lambda networks: forgot.append(networks))
    measured = measure_everything(PLAN, CPU)
    assert measured.failed["bad"].startswith(said)
    assert (measured.rows, measured.notes, asked) == ((row,), ("x",), [True])
    assert len(forgot) == 1  # the others have all the memory


def test_no_section_begins_when_the_time_is_over(monkeypatch):
    monkeypatch.setattr(everything, "sections", lambda *_: [Section("late", pytest.fail)])
    measured = measure_everything(dataclasses.replace(PLAN, minutes=0.0), CPU)
    assert measured.failed == {"late": "It was not begun: 0 minutes were over."}


def test_the_table_stands_last_and_divides_by_the_network_as_drawn():
    stages = dict(zip(STAGES, (4.0, 1.0, 3.0, 2.0, 1.5), strict=True))
    rows = (
        Row("Table III", "errseg-base, as drawn, float32", 847, 48, 1, {**stages, WHOLE: 23.0}),
        Row("Table III", "errseg-base, auto (b)", 847, 48, 1, {**stages, WHOLE: 11.5}, 5 * 2**20),
        Row("text", "errseg-base, as drawn, float32", 847, 48, 1, {"text": 8.0, WHOLE: 8.0}),
        Row("text", "errseg-base, auto (b)", 847, 48, 1, {"text": 2.0, WHOLE: 2.0}),
        Row("other models", "errseg-lite, auto (b)", 847, 48, 1, {**stages, WHOLE: 11.5}),
    )
    machine = {"device": "cpu", "threads": 2, "torch": "2", "python": "3"}
    measured = Measured(machine, Plan(), rows, ("busy",), {"late": "It was late."}, {"a": 3.0})
    lines = as_markdown(measured).splitlines()
    assert lines.index("busy") < lines.index("- late: It was late.") < len(lines) - 7
    assert [[cell.strip() for cell in line.split("|")][-6:-1] for line in lines[-5:]] == [
        ["1.50", "21.50", "23.00", "1.000", "-"],
        ["1.50", "10.00", "11.50", "0.500", "5"],
        ["-", "-", "8.00", "1.000", "-"],
        ["-", "-", "2.00", "0.250", "-"],
        ["1.50", "10.00", "11.50", "-", "-"],
    ]
    assert "114 at T = 847" in "".join(lines)
    assert [row["of as drawn"] for row in as_dict(measured)["rows"]] == [1, 0.5, 1, 0.25, None]
    json.dumps(as_dict(measured))


def test_the_command_measures_what_it_is_asked(monkeypatch, capsys, tmp_path):
    plans = []

    def measure(plan, device, more, progress):
        plans.append((plan, [section.name for section in more]))
        return Measured({"device": "x", "threads": 1, "torch": "2", "python": "3"}, plan)

    monkeypatch.setattr(everything, "measure_everything", measure)
    file = tmp_path / "figures.json"
    options = ["benchmark", "--device", "cpu", "--everything"]
    assert main([*options, "--json", str(file)]) == 0
    assert "| network | T | P |" in capsys.readouterr().out
    assert json.loads(file.read_text())["plan"]["cases"] == [[847, 48], [150, 32]]
    assert plans[0] == (
        Plan(),
        ["errseg-base, a training step of 4 photos, T = 171, P = 32"],
    )
    assert main([*options, "--small", "--model", "errseg-lite", "--classes", "9"]) == 0
    plan, more = plans[1]
    assert (plan.cases, plan.others, more) == (((9, 32),), (), [])
    with stand_in_gpu():
        assert main(["benchmark", "--device", "cuda"]) == 0  # a GPU is always measured so
    assert (plans[2][0].bounds, plans[2][0].others, plans[2][1]) == (False, (), [])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--plot", "b.png"], "--plot draws what is measured on a CPU"),
        (["--size", "100"], "multiple of 32"),
        (["--model", "errseg-huge"], "There is no model"),
    ],
)
def test_what_cannot_be_measured_is_refused(capsys, options, sentence):
    assert main(["benchmark", "--device", "cpu", "--everything", *options]) == 2
    assert sentence in capsys.readouterr().err


def test_a_training_step_is_timed(monkeypatch, make_model):
    model = make_model()
    before = model.decoder.head.weight.clone()
    monkeypatch.setattr("errseg.training.one_step.build_model", lambda name: model)
    step = command._training(dataclasses.replace(PLAN, training=(1, 5, 2), runs=1), CPU)
    [line] = step.measure()
    assert "1 photos, T = 5, P = 2, 64 x 64: " in line
    assert not torch.equal(model.decoder.head.weight, before)
    assert seconds_of_a_step("errseg-base", CPU, 64, 1, 5, 2, 1) > 0
