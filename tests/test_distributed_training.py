"""Training in several processes, killed, and in parts: it comes to what one run comes to."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from photo_sets import write_set

from errseg.training.checkpoint import LOG

STEPS = Path(__file__).with_name("steps_of_a_run.py")
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
SMALLEST = 1e-5  # of the largest norm: below it a gradient is rounding


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    write_set(root, "scenes", {"1": "road", "2": "cat", "3": "sky"}, exhaustive=True)
    write_set(root, "things", {"0": "background", "1": "dog", "2": "tree"})
    return root


def start(launcher, recipe, data, out, *changes, **environment):
    out.mkdir(exist_ok=True)
    command = [sys.executable, *launcher, str(STEPS), recipe, str(data), str(out), *changes]
    variables = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    variables["PYTHONPATH"] = os.pathsep.join([str(STEPS.parent.parent), str(STEPS.parent)])
    return subprocess.Popen(
        command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def finish(process, out):
    text, _ = process.communicate(timeout=240)
    assert process.returncode == 0, text
    log = [json.loads(line) for line in (out / LOG).read_text().splitlines()]
    losses = [{k: v for k, v in line.items() if k != "seconds"} for line in log]
    return losses, torch.load(out / "steps.pt", weights_only=True)


def take(launcher, recipe, data, out, *changes):
    return finish(start(launcher, recipe, data, out, *changes), out)


def assert_same(found, expected, tolerance=1e-4):
    """Compare losses, gradients and weights, up to the order of sums."""
    (losses, state), (expected_losses, expected_state) = found, expected
    assert [line["step"] for line in losses] == [line["step"] for line in expected_losses]
    for ours, theirs in zip(losses, expected_losses, strict=True):
        assert ours == pytest.approx(theirs, rel=tolerance)
    assert state["gradients"].keys() == expected_state["gradients"].keys()
    largest = max(g.norm() for g in expected_state["gradients"].values())
    for name, gradient in expected_state["gradients"].items():
        away = (state["gradients"][name] - gradient).norm()
        assert away <= tolerance * max(gradient.norm(), SMALLEST * largest), name


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["published", "lite"])
def test_two_processes_have_the_gradients_of_one_on_the_joint_batch(recipe, data, tmp_path):
    one = take((), recipe, data, tmp_path / "one", "steps=1")
    two = take(TORCHRUN, recipe, data, tmp_path / "two", "steps=1")
    assert len(one[1]["gradients"]) > 50
    assert_same(two, one)


@pytest.mark.slow
def test_a_resumed_run_of_two_processes_equals_an_uninterrupted_one(data, tmp_path):
    """With dropped paths, which differ between the processes and are drawn on as they were."""
    changes = ("save_every=2", "drop_path=0.5")
    whole = take(TORCHRUN, "published", data, tmp_path / "whole", "steps=4", *changes)
    # The same run, stopped after its second step as by a full disk.
    stopped = start(
        TORCHRUN, "published", data, tmp_path / "again", "steps=4", *changes, STOP_AFTER="2"
    )
    stopped.communicate(timeout=240)
    assert stopped.returncode != 0
    again = take(TORCHRUN, "published", data, tmp_path / "again", "steps=4", *changes)
    assert_same(again, whole, 1e-6)
    for name, tensor in whole[1]["weights"].items():
        torch.testing.assert_close(again[1]["weights"][name], tensor, rtol=0, atol=0, msg=name)


def test_parts_of_a_batch_add_up_to_it(data, tmp_path):
    whole = take((), "published", data, tmp_path / "whole", "steps=1")
    parts = take((), "published", data, tmp_path / "parts", "steps=1", "accumulate=4")
    assert_same(parts, whole)


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["between", "within"])
def test_a_run_that_is_killed_goes_on_to_the_same_losses(moment, data, tmp_path):
    """By SIGKILL: between two checkpoints, or when half of one is written."""
    changes = ("steps=6", "save_every=2", "drop_path=0.5", "average=0.9")
    whole = take((), "lite", data, tmp_path / "whole", *changes)
    killed = start((), "lite", data, tmp_path / "killed", *changes, KILL=moment)
    killed.communicate(timeout=240)
    assert killed.returncode == -signal.SIGKILL
    lines = (tmp_path / "killed" / LOG).read_text().splitlines()
    assert len(lines) == {"between": 3, "within": 4}[moment]
    again = take((), "lite", data, tmp_path / "killed", *changes)
    assert_same(again, whole, 1e-6)
    for name, tensor in whole[1]["weights"].items():
        assert torch.equal(again[1]["weights"][name], tensor), name
    for ours, theirs in zip(again[1]["average"], whole[1]["average"], strict=True):
        assert torch.equal(ours, theirs)
