"""errseg-lite's recipe at work: what its losses are of, and what CRM is asked to keep."""

import dataclasses
import functools

import numpy as np
import pytest
import torch
from photo_sets import write_set
from torch.nn import functional as F

from errseg.datasets.folders import load_sets
from errseg.distributed import Processes
from errseg.network.crm import select_classes
from errseg.training.averaging import average_weights
from errseg.training.config import LITE, with_settings
from errseg.training.lite import LiteTraining
from errseg.training.unseen import LIKENESS, as_if_unseen

PLAIN = {"steps": 2, "batch": 2, "crop": 64, "kept_classes": 2, "vocabulary": 0, "broader": 0}
PLAIN |= {"imagenet_share": 0.0, "expanded": 0.0, "anchor": 0.0, "balance_power": 0.0}


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    write_set(root, "scenes", {"1": "grass", "2": "cat", "3": "sky"}, exhaustive=True)
    return load_sets(root)


@pytest.fixture
def make_objective(make_model, sets):
    def make(**changes):
        model = make_model(lite=True, cost_shortcut=True, drop_path=0.0)
        still = dataclasses.replace(model.towers.config, residual_dropout=0.0)
        model.towers.config = still
        objective = LiteTraining(
            model, sets, with_settings(LITE, PLAIN | changes), Processes(torch.device("cpu"))
        )
        objective.groups()
        objective.learn()
        return objective

    return make


def batch_of(objective):
    return objective.collate([objective.data[index] for index in range(2)])


def asked_in(objective, samples):
    """The words of step 0, which each crop shows, and their embeddings."""
    rng = np.random.default_rng((objective.recipe.run.seed, 0))
    words, shown = objective.classes.draw(samples, rng)
    return words, shown, objective.classes.embed(words, rng)


def binary(logits, labels, words, names, weight):
    """The binary cross-entropy of an exhaustive set, written out: every pixel decides all."""
    wanted = torch.stack([labels == names.index(word) for word in words], dim=1).float()
    pull = -(weight * wanted * F.logsigmoid(logits) + (1 - wanted) * F.logsigmoid(-logits))
    return pull.mean()


def test_the_cost_loss_is_of_scaled_cosines_at_stride_16(make_objective):
    changes = {"ranking": 0.0, "cost_loss": 0.5, "cost_scale": 7.0, "cost_offset": 2.0}
    objective = make_objective(positive_weight=3.0, **changes)
    images, samples = batch_of(objective)
    words, _, text = asked_in(objective, samples)
    features = objective.model.encode_image(images, learning=True)
    cost = torch.einsum("bchw,tc->bthw", features.aligned16, text)
    labels = torch.stack([sample.label[8::16, 8::16] for sample in samples])
    assert (labels >= 0).all(), "the few ignored pixels are not in the middle of a cell"
    expected = 0.5 * binary(7 * cost - 2, labels, words, list(objective.data.space.names), 3.0)
    found = objective((images, samples), 0)
    assert found.keys() == {"cost", "logits"}
    assert found["cost"].item() == pytest.approx(expected.item(), rel=1e-5)


def test_the_decoder_s_loss_is_of_the_kept_classes_at_stride_4(make_objective):
    objective = make_objective(ranking=0.0, cost_loss=0.0, positive_weight=2.0, kept_classes=3)
    images, samples = batch_of(objective)
    words, shown, text = asked_in(objective, samples)
    features = objective.model.encode_image(images, learning=True)
    select = functools.partial(select_classes, always=shown)
    out = objective.model.decode(features, text, 3, select=select)
    total = []
    for row, sample in enumerate(samples):
        label = sample.label[2::4, 2::4]
        counted = label >= 0
        kept = [words[place] for place in out.kept[row]]
        logits = out.kept_logits[row][:, counted]
        wanted = [label[counted] == objective.data.space.names.index(word) for word in kept]
        wanted = torch.stack(wanted).float()
        pull = -(2 * wanted * F.logsigmoid(logits) + (1 - wanted) * F.logsigmoid(-logits))
        total.append(pull.flatten())
    found = objective((images, samples), 0)
    assert found["logits"].item() == pytest.approx(torch.cat(total).mean().item(), rel=1e-4)


def test_what_a_crop_shows_is_kept_whatever_its_votes(make_objective, monkeypatch):
    objective = make_objective(kept_classes=1)
    images, samples = batch_of(objective)
    shown = ["sky", "cat"]  # of two crops, and P = 1 of T = 3
    places = [objective.data.space.index[name] for name in shown]
    samples = [
        dataclasses.replace(sample, label=torch.full_like(sample.label, place))
        for sample, place in zip(samples, places, strict=True)
    ]
    words, _, _ = asked_in(objective, samples)
    assert len(words) == 3
    seen, decode = [], objective.model.decode

    def decoded(*given, select, **more):
        scores = torch.arange(3.0).expand(2, -1)
        seen.extend(select(votes, 1).flatten().tolist() for votes in (scores, -scores))
        return decode(*given, select=select, **more)

    monkeypatch.setattr(objective.model, "decode", decoded)
    objective((images, samples), 0)
    assert [[words[place] for place in kept] for kept in seen] == [shown, shown]


def test_before_the_decoder_joins_only_the_cost_maps_are_judged(make_objective):
    objective = make_objective(cost_steps=1, steps=3)
    batch = batch_of(objective)
    assert [objective(batch, step).keys() for step in (0, 1)] == [{"cost"}, {"cost", "logits"}]


def test_undecided_pixels_can_count_as_wrong(make_objective):
    objective = make_objective(ranking=0.0, cost_loss=0.0)
    images, samples = batch_of(objective)
    blank = [dataclasses.replace(s, label=torch.full_like(s.label, -1)) for s in samples]
    assert objective((images, blank), 0)["logits"] == 0
    strict = make_objective(ranking=0.0, cost_loss=0.0, ignored_is_negative=True)
    assert strict((images, blank), 0)["logits"] > 0


def test_names_as_if_unseen_are_less_alike_to_what_they_were_and_no_more_to_others(randn):
    text = F.normalize(randn(400, 64), dim=-1)
    turned = as_if_unseen(text, 0.5, np.random.default_rng(0))
    torch.testing.assert_close(turned.norm(dim=-1), torch.ones(400))
    alike = (turned * text).sum(dim=-1)
    changed = (turned != text).any(dim=-1)
    assert 150 < changed.sum() < 250
    low, high = LIKENESS
    assert low <= alike[changed].min() < low + 0.05
    assert high >= alike[changed].max() > high - 0.05
    others = (turned @ text.T).fill_diagonal_(0)
    assert others.mean().abs() < 0.01
    usual = (text @ text.T).fill_diagonal_(0).abs().mean().item()
    assert others.abs().mean().item() == pytest.approx(usual, rel=0.1)


def test_only_the_decoder_meets_names_as_if_unseen(make_objective, monkeypatch):
    plain, unseen = make_objective(), make_objective(unseen=1.0)
    batch = batch_of(plain)
    _, _, text = asked_in(plain, batch[1])
    seen, decode = [], unseen.model.decode
    monkeypatch.setattr(
        unseen.model,
        "decode",
        lambda f, text, *a, **k: seen.append(text) or decode(f, text, *a, **k),
    )
    before, first = plain(batch, 0), unseen(batch, 0)
    assert first["cost"] == before["cost"]
    assert first["logits"] != before["logits"]
    assert ((seen[0] * text).sum(dim=-1) <= LIKENESS[1] + 1e-6).all()
    assert unseen(batch, 0) == first
    unseen(batch, 1)
    _, again, other = (F.normalize(turned - text, dim=-1) for turned in seen)
    assert ((again * other).sum(dim=-1).abs() < 0.9).all()  # each step turns them elsewhere


@pytest.mark.parametrize("towers_learn", [True, False])
@pytest.mark.parametrize("always_dropped", [True, False])
def test_the_residual_s_channels_are_dropped_while_it_learns_or_if_asked(
    make_objective, always_dropped, towers_learn
):
    rates = {} if towers_learn else {"trunk_rate": 0.0, "residual_rate": 0.0}
    objective = make_objective(always_dropped=always_dropped, **rates)
    towers = objective.model.towers
    towers.config = dataclasses.replace(towers.config, residual_dropout=0.5)
    batch = batch_of(objective)
    costs = {objective(batch, 0)["cost"].item() for _ in range(4)}
    assert (len(costs) > 1) is (towers_learn or always_dropped)


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_averaged_weights_lie_between_start_and_tuned(make_model, share):
    start, tuned = make_model(lite=True), make_model(lite=True)
    with torch.no_grad():
        for parameter in tuned.parameters():
            parameter.add_(1.0)
    before = {name: tensor.clone() for name, tensor in start.state_dict().items()}
    averaged = average_weights(start, tuned, share)
    for name, parameter in averaged.named_parameters():
        torch.testing.assert_close(parameter.detach(), before[name] + share, msg=name)
