"""A published training run: what moves in a real step, how far, and what is asked of the batch."""

import dataclasses

import numpy as np
import pytest
import torch
from photo_sets import write_set
from torch import nn

from errseg.datasets.folders import load_sets
from errseg.distributed import Processes
from errseg.errors import InputError
from errseg.training import published_loss, trained_parameters
from errseg.training.config import PUBLISHED, with_settings
from errseg.training.run import TrainingRun
from errseg.training.start import starting_model

TINY = {"steps": 4, "batch": 2, "crop": 64, "shortest_edge": 64, "kept_classes": 2}
TINY |= {"precision": "float32", "warm_up": 0, "rate": 1e-2, "flip": 0.0, "colours": False}


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    write_set(root, "scenes", {"1": "road", "2": "cat", "3": "sky"}, exhaustive=True)
    return load_sets(root)


@pytest.fixture
def make_run(make_model, sets, tmp_path):
    def make(out="run", **changes):
        recipe = with_settings(PUBLISHED, TINY | changes)
        head = {"drop_path": 0.0}
        return TrainingRun(
            make_model(**head), sets, tmp_path / out, recipe, Processes(torch.device("cpu"))
        )

    return make


def batch_of(run, count=2):
    return run.objective.collate([run.objective.data[i] for i in range(count)])


def test_exactly_what_is_declared_receives_a_gradient_and_moves(make_run):
    run = make_run()
    released = run.model.released_parameters()
    before = {name: tensor.clone() for name, tensor in run.model.state_dict().items()}
    start = {name: p.detach().clone() for name, p in released.items()}
    run.take_step([batch_of(run)])
    declared = trained_parameters(run.model)
    assert {name for name, p in released.items() if p.grad is not None} == declared.keys()
    moved = {name for name, p in released.items() if not torch.equal(p, start[name])}
    assert moved == declared.keys()
    ours = {id(p): name for name, p in run.model.named_parameters()}
    moving = {ours[id(released[name])] for name in moved}
    after = run.model.state_dict()
    still = [name for name in before if name not in moving]
    assert [name for name in still if not torch.equal(after[name], before[name])] == []
    assert any(name.startswith("towers.dense_downsample") for name in still)


def test_a_step_is_adamw_with_each_parameter_s_rate_and_decay(make_run):
    """The first step of AdamW moves by the rate, after decay: w (1 - rate decay) - rate sign(g)."""
    run = make_run(weight_decay=0.5)
    released = run.model.released_parameters()
    start = {name: p.detach().clone() for name, p in released.items()}
    recipe = run.recipe
    declared = trained_parameters(run.model, recipe)
    assert {decay for _, decay in declared.values()} == {0.0, 0.5}
    run.take_step([batch_of(run)])
    for name, (factor, decay) in declared.items():
        rate, gradient = 1e-2 * factor, released[name].grad
        sure = gradient.abs() > 1e-5  # else AdamW's epsilon counts
        expected = start[name] * (1 - rate * decay) - rate * gradient.sign()
        away = (released[name].detach() - expected)[sure].abs()
        assert away.numel() == 0 or away.max() <= rate * 2e-3, name


def test_norms_and_embeddings_do_not_decay_and_other_biases_do(make_run):
    model = make_run().model
    declared, released = trained_parameters(model), model.released_parameters()
    norms = [m for m in model.modules() if isinstance(m, (nn.LayerNorm, nn.GroupNorm))]
    of_norms = {id(p) for norm in norms for p in norm.parameters()}
    for name, (_, decay) in declared.items():
        assert decay == (0.0 if id(released[name]) in of_norms else 1e-4), name
    assert any(name.endswith("bias") and decay for name, (_, decay) in declared.items())


def test_gradients_are_not_clipped(make_run, monkeypatch):
    def refuse(*arguments, **more):
        raise AssertionError("published training clips nothing")

    monkeypatch.setattr(nn.utils, "clip_grad_norm_", refuse)
    run = make_run()
    run.take_step([batch_of(run)])
    clipped = make_run(clip_gradient=1.0)
    batch = [batch_of(clipped)]
    with pytest.raises(AssertionError, match="clips nothing"):
        clipped.take_step(batch)


def test_a_clipped_gradient_has_the_norm_it_may_have(make_run):
    run = make_run(clip_gradient=1e-3)
    run.take_step([batch_of(run)])
    squares = sum(float(p.grad.square().sum()) for p in run.trained)
    assert squares**0.5 == pytest.approx(1e-3, rel=1e-3)


def test_the_step_s_loss_is_the_published_one_of_its_crops(make_run):
    run = make_run()
    images, labels = batch_of(run)
    run.model.train()
    expected = published_loss(
        run.model, images, torch.where(labels < 0, 255, labels), ["road", "cat", "sky"], 2
    )
    assert run.take_step([(images, labels)]) == pytest.approx({"logits": expected.item()})


def test_all_of_the_model_is_in_training_mode(make_run):
    run = make_run()
    run.take_step([batch_of(run)])
    assert all(module.training for module in run.model.modules())


def test_the_loss_falls(make_run):
    run = make_run(steps=12, kept_classes=3)
    losses = [run.take_step([batch_of(run)])["logits"] for _ in range(12)]
    assert np.mean(losses[-3:]) < 0.97 * losses[0]


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_mixed_precision_trains_towards_the_same(make_run, precision):
    exact, rough = make_run("exact"), make_run("rough", precision=precision)
    assert rough.scaler.is_enabled() is (precision == "float16")
    batch = batch_of(exact)
    for _ in range(2):
        expected, found = exact.take_step([batch]), rough.take_step([batch])
        assert found["logits"] == pytest.approx(expected["logits"], rel=0.05)
    assert all(p.dtype == torch.float32 for p in rough.trained)


def test_a_loss_that_is_no_number_ends_the_run_with_a_sentence(make_run):
    run = make_run()
    with torch.no_grad():
        run.model.decoder.head.bias.fill_(float("nan"))
    weight, batch = run.model.decoder.head.weight, [batch_of(run)]
    before = weight.detach().clone()
    with pytest.raises(InputError, match=r"loss of step 1 is no number; a lower rate than 0.01"):
        run.take_step(batch)
    assert torch.equal(weight, before)


def test_a_batch_that_cannot_be_shared_is_refused(make_run):
    with pytest.raises(
        InputError, match=r"batch of 2 .* 1 processes in 3 parts; give a multiple of 3"
    ):
        make_run(accumulate=3)


def test_the_average_follows_its_closed_formula(make_run):
    run = make_run(average=0.5)
    place = next(i for i, p in enumerate(run.trained) if p is run.model.decoder.head.weight)
    expected = run.trained[place].detach().clone()
    for step in range(1, 13):
        run.take_step([batch_of(run)])
        decay = min(0.5, step / (step + 10))  # from step 10 on it is the decay that was asked for
        expected = decay * expected + (1 - decay) * run.trained[place].detach()
        torch.testing.assert_close(run.average[place], expected)


def test_a_recipe_for_other_towers_is_refused():
    with pytest.raises(InputError, match="published recipe is not for errseg-lite"):
        starting_model("errseg-lite", PUBLISHED)


def test_a_fresh_head_is_the_same_whatever_is_loaded_and_the_towers_stay(make_model, tmp_path):
    from errseg.checkpoints.weights import save_model
    from errseg.training.config import LITE

    save_model(make_model(lite=True), tmp_path / "start.safetensors")
    recipe = with_settings(LITE, {"start": str(tmp_path / "start.safetensors"), "seed": 3})
    start = starting_model("", recipe)
    fresh = starting_model("", with_settings(recipe, {"fresh_head": True}))
    changed = starting_model("", recipe, ["head.cfm=false"])
    again = starting_model("", with_settings(recipe, {"fresh_head": True}))
    weights = [model.decoder.head.weight for model in (start, fresh, changed, again)]
    assert not torch.equal(weights[0], weights[1])
    assert torch.equal(weights[1], weights[3])
    for model in (fresh, changed):
        for name, tensor in start.towers.state_dict().items():
            assert torch.equal(model.towers.state_dict()[name], tensor)
    assert not changed.config.head.cfm
    assert dataclasses.replace(changed.config, head=start.config.head) == start.config
