"""The learning rate against its closed formula, and that a run's optimiser has it."""

import math

import pytest
import torch
from photo_sets import write_sets

from errseg.datasets.folders import load_sets
from errseg.distributed import Processes
from errseg.training.config import LITE, PUBLISHED, Optimiser, with_settings
from errseg.training.run import TrainingRun
from errseg.training.schedule import rate_factor


def test_the_published_rate_warms_up_from_a_thousandth_and_ends_at_nothing():
    published, steps = PUBLISHED.optimiser, PUBLISHED.run.steps
    assert rate_factor(0, steps, published) == pytest.approx(0.001)
    top = (1 + math.cos(math.pi / 80)) / 2  # the cosine at step 1,000 of 80,000
    assert rate_factor(500, steps, published) == pytest.approx((0.001 + top) / 2)
    assert rate_factor(1000, steps, published) == pytest.approx(top)
    assert rate_factor(40_000, steps, published) == pytest.approx(0.5)
    assert rate_factor(60_000, steps, published) == pytest.approx((1 - math.sqrt(0.5)) / 2)
    assert rate_factor(80_000, steps, published) == pytest.approx(0.0)


def test_without_warm_up_the_first_step_has_the_whole_rate():
    assert rate_factor(0, 10, Optimiser(warm_up=0)) == 1.0


def test_a_warm_up_longer_than_the_run_rises_to_its_end():
    factors = [rate_factor(step, 4, Optimiser(warm_up=100, warm_up_from=0.5)) for step in range(4)]
    assert factors == pytest.approx([0.5, 0.375, 0.25, 0.125])  # towards the cosine's 0


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    return load_sets(write_sets(tmp_path_factory.mktemp("data")))


def rates_of(run, steps):
    found = []
    for step in range(steps):
        run.step = step
        run._set_rate()
        found.append({group["factor"]: group["lr"] for group in run.optimizer.param_groups})
    return found


def test_every_group_of_a_published_run_has_its_share_of_the_rate(make_model, sets, tmp_path):
    recipe = with_settings(PUBLISHED, {"steps": 8, "warm_up": 2, "rate": 0.5, "batch": 1})
    run = TrainingRun(make_model(), sets, tmp_path, recipe, Processes(torch.device("cpu")))
    rates = rates_of(run, 8)
    for step, shares in enumerate(rates):
        factor = rate_factor(step, 8, recipe.optimiser)
        assert shares == pytest.approx({1.0: 0.5 * factor, 0.01: 0.005 * factor})


def test_the_schedule_of_lite_begins_again_when_the_decoder_joins(make_model, sets, tmp_path):
    changes = {"steps": 9, "cost_steps": 4, "warm_up": 2, "rate": 0.5, "batch": 1}
    recipe = with_settings(LITE, changes | {"imagenet_share": 0.0, "trunk_rate": 0.25})
    model = make_model(lite=True, cost_shortcut=True)
    run = TrainingRun(model, sets, tmp_path, recipe, Processes(torch.device("cpu")))
    found = [shares[1.0] / 0.5 for shares in rates_of(run, 9)]
    first = [rate_factor(step, 4, recipe.optimiser) for step in range(4)]
    assert found == pytest.approx(
        first + [rate_factor(step, 5, recipe.optimiser) for step in range(5)]
    )
    assert found[0] == found[4] == pytest.approx(0.01)
    assert rates_of(run, 1)[0].keys() == {1.0, 0.25}
