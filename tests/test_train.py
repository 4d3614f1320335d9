"""Training: what is learned, what stays, and that a stopped run goes on as if it had not."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from errseg.checkpoints.weights import load_model, save_model
from errseg.datasets.folders import load_sets
from errseg.distributed import Processes
from errseg.errors import InputError
from errseg.training.checkpoint import LOG
from errseg.training.config import LITE, with_settings
from errseg.training.label_space import Sample
from errseg.training.run import SETTINGS, WEIGHTS, TrainingRun, train

ALONE = Processes(torch.device("cpu"))
SETTING = with_settings(
    LITE,
    {
        **{"steps": 4, "cost_steps": 1, "batch": 2, "crop": 64, "kept_classes": 2, "vocabulary": 4},
        **{"rate": 3e-3, "weight_decay": 1e-4, "warm_up": 1, "average": 0.9, "save_every": 2},
        **{"cost_loss": 0.5, "ranking": 0.5, "anchor": 0.0, "positive_weight": 1.0},
        **{"balance": 0.0, "balance_power": 0.0, "copy_paste": 0.0, "same_set": 1},
        **{"imagenet_share": 0.0, "whole_lists": False, "broader": 0, "expanded": 0.0},
        "trunk_rate": 0.0,
    },
)


@pytest.fixture
def data(tmp_path):
    """Photos of a red cat on green grass under a blue sky, every pixel labelled."""
    folder = tmp_path / "data" / "scenes"
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    colors = np.array([(60, 90, 220), (60, 180, 60), (200, 40, 40)], np.uint8)
    rng = np.random.default_rng(0)
    for index in range(4):
        mask = np.zeros((96, 96), np.uint8)
        mask[48:] = 1
        x = rng.integers(8, 48)
        mask[30:70, x : x + 36] = 2
        noise = rng.integers(-20, 20, (96, 96, 3))
        photo = np.clip(colors[mask].astype(int) + noise, 0, 255).astype(np.uint8)
        Image.fromarray(photo).save(folder / "images" / f"s{index}.jpg")
        Image.fromarray(mask).save(folder / "masks" / f"s{index}.png")
    (folder / "classes.json").write_text(json.dumps({"0": "sky", "1": "grass", "2": "cat"}))
    (folder / "validation.txt").write_text("s0\n")
    return tmp_path / "data"


@pytest.fixture
def make_run(data, tmp_path, make_model):
    def make(out="run", **changes):
        recipe = with_settings(SETTING, changes)
        model = make_model(lite=True, cost_shortcut=True)
        return TrainingRun(model, load_sets(data), tmp_path / out, recipe, ALONE)

    return make


def _decoded(run, monkeypatch):
    """Take a training step; returns its images and the features that were decoded in it."""
    seen = []
    batch = [run.objective.data[i] for i in range(2)]
    images = torch.stack([sample.image for sample in batch])
    decode = run.model.decode
    monkeypatch.setattr(
        run.model, "decode", lambda f, *rest, **more: seen.append(f) or decode(f, *rest, **more)
    )
    run.take_step([(images, batch)])
    return images, seen[0]


def _weights(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def test_a_stopped_run_goes_on_as_if_it_had_not_stopped(make_run):
    whole = make_run("whole")
    whole.fit(workers=0)

    stopped = make_run("stopped")
    fit = stopped.take_step

    def stop_at_three(parts):
        if stopped.step == 3:
            raise KeyboardInterrupt
        return fit(parts)

    stopped.take_step = stop_at_three
    with pytest.raises(KeyboardInterrupt):
        stopped.fit(workers=0)

    again = make_run("stopped")
    again.resume()
    assert again.step == 2  # the last checkpoint
    again.fit(workers=0)
    expected, found = _weights(whole.averaged()), _weights(again.averaged())
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], msg=name)
    steps = [json.loads(line)["step"] for line in (again.out / LOG).read_text().splitlines()]
    assert steps == [1, 2, 3, 4]
    assert json.loads((again.out / SETTINGS).read_text())["model"] == "tiny-lite"


def test_a_checkpoint_of_other_settings_is_refused(make_run):
    make_run().fit(workers=0)
    with pytest.raises(InputError, match=r"other settings \(rate\)"):
        make_run(rate=1e-3).resume()


def test_training_lowers_the_loss_and_leaves_the_frozen_towers_alone(make_run):
    run = make_run(steps=30, cost_steps=10, rate=1e-2)
    before = _weights(run.model)
    run.fit(workers=0)
    log = [json.loads(line) for line in (run.out / LOG).read_text().splitlines()]
    assert "logits" not in log[9]
    assert np.mean([line["logits"] for line in log[-5:]]) < 0.8 * log[10]["logits"]
    after = _weights(run.model)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert not [n for n in changed if n.startswith(("towers.trunk.", "towers.text."))]
    parts = ("towers.residual.", "cost_embedding.", "escf.", "decoder.", "shortcut_scale")
    for part in parts:
        assert [n for n in changed if n.startswith(part)], part


def test_the_average_is_what_is_written_and_loads_again(data, tmp_path, make_model):
    start = tmp_path / "start.safetensors"
    save_model(make_model(lite=True, cost_shortcut=True), start)
    recipe = with_settings(SETTING, {"start": str(start)})
    sets = load_sets(data)
    averaged = train("tiny-lite", sets, tmp_path / "out", recipe, workers=0)
    written = load_model(tmp_path / "out" / WEIGHTS)
    for name, tensor in written.state_dict().items():
        if not name.startswith("towers.text."):  # stored as int8
            torch.testing.assert_close(
                tensor, averaged.state_dict()[name], atol=1e-3, rtol=1e-3, msg=name
            )
    with pytest.raises(InputError, match="is tiny-lite, not errseg-base"):
        train("errseg-base", sets, tmp_path / "out", recipe, workers=0)


def test_bfloat16_trains_towards_the_same(make_run):
    exact, rough = make_run("exact"), make_run("rough", precision="bfloat16")
    batch = [exact.objective.data[i] for i in range(2)]
    images = torch.stack([sample.image for sample in batch])
    for step in (0, 2):
        exact.step = rough.step = step
        torch.manual_seed(step)
        expected = exact.take_step([(images, batch)])
        torch.manual_seed(step)  # the same dropout
        found = rough.take_step([(images, batch)])
        for name in expected:
            assert found[name] == pytest.approx(expected[name], rel=0.03)
    assert all(p.dtype == torch.float32 for p in rough.trained)


def test_held_out_names_are_never_in_the_vocabulary_nor_in_a_label(make_run):
    run = make_run(held_out=("cat",))
    rng = np.random.default_rng(0)
    for index in range(8):
        sample = run.objective.data[index]
        assert run.objective.data.space.index["cat"] not in sample.present()
        words, shown = run.objective.classes.draw([sample], rng)
        assert set(words) == {"grass", "sky"}
        assert shown.shape == (1, 2)


def test_broader_names_join_the_vocabulary_and_are_right_where_their_kinds_are(make_run):
    run = make_run(broader=2, vocabulary=0, kept_classes=8)
    sample = next(s for s in map(run.objective.data.__getitem__, range(50)) if 0 in s.present())
    assert run.objective.data.space.names[0] == "cat"
    words, shown = run.objective.classes.draw([sample], np.random.default_rng(0))
    assert "animal" in words
    row = words.index("animal")
    assert shown[0, row]
    target, valid = run.objective.data.space.targets(sample.label, words, sample)
    cat = sample.label == 0
    assert target[row][cat].all()
    assert not target[row][~cat].any()
    assert valid[row].all()


def test_the_decoder_trains_on_the_embeddings_it_will_see(make_run, monkeypatch):
    """And the towers on those without ConSE, which would do the residual's work for it."""
    run = make_run(rate=1e-12)  # the step leaves the weights as they were
    towers = run.model.towers
    # Tiny towers are sure of nothing, so ConSE counts much.
    towers.config = dataclasses.replace(towers.config, conse_weight=50, residual_dropout=0.0)
    once = dataclasses.replace(towers.config, views=())
    run.step = run.recipe.losses.cost_steps
    images, seen = _decoded(run, monkeypatch)
    towers.config = once
    run.model.eval()
    expected = run.model.encode_image(images).dense16
    torch.testing.assert_close(seen.dense16, expected, rtol=0, atol=1e-5)
    towers.config = dataclasses.replace(once, conse_weight=0.0)
    alone = run.model.encode_image(images).dense16
    torch.testing.assert_close(seen.aligned16, alone, rtol=0, atol=1e-5)
    assert not torch.allclose(seen.dense16, alone, atol=1e-3)


def test_a_decoder_that_trains_alone_changes_only_how_the_towers_weigh_their_views(make_run):
    run = make_run(cost_steps=0, cost_loss=0.0, residual_rate=0.0)
    towers, decoder = _weights(run.model.towers), _weights(run.model.decoder)
    run.fit(workers=0)
    after = _weights(run.averaged().towers)
    changed = {name for name, tensor in towers.items() if not torch.equal(after[name], tensor)}
    assert changed == {"view_weights.weight", "view_weights.bias"}
    assert any(not torch.equal(run.model.decoder.state_dict()[n], t) for n, t in decoder.items())


def test_a_decoder_that_trains_alone_can_have_every_loss(make_run):
    run = make_run(cost_steps=0, residual_rate=0.0, anchor=0.1)
    batch = [run.objective.data[i] for i in range(2)]
    losses = run.take_step([(torch.stack([sample.image for sample in batch]), batch)])
    assert set(losses) == {"cost", "anchor", "logits"}


def test_a_decoder_that_trains_alone_sees_what_it_sees_at_inference(make_run, monkeypatch):
    run = make_run(cost_steps=0, cost_loss=0.0, residual_rate=0.0)
    torch.nn.init.normal_(run.model.towers.residual.weight)
    expected = run.averaged().eval()
    images, seen = _decoded(run, monkeypatch)
    expected = expected.encode_image(images)
    torch.testing.assert_close(seen.dense16, expected.dense16, rtol=0, atol=1e-5)
    torch.testing.assert_close(seen.dense32, expected.dense32, rtol=0, atol=1e-5)


def test_without_zoom_a_crop_of_a_square_photo_is_the_whole_photo(make_run, data):
    whole = []
    for path in sorted((data / "scenes" / "masks").glob("*.png")):
        mask = np.asarray(Image.open(path).resize((64, 64), Image.Resampling.NEAREST))
        whole += [mask, mask[:, ::-1]]

    def wholes(run):
        names = [("sky", "grass", "cat").index(name) for name in run.objective.data.space.names]
        labels = [np.array(names)[run.objective.data[index].label] for index in range(8)]
        return sum(any(np.array_equal(label, mask) for mask in whole) for label in labels)

    assert wholes(make_run(zoom=1.0)) == 8
    assert wholes(make_run("magnified", zoom=2.0)) < 8


def test_the_residuals_dropout_acts_in_training_only(make_run):
    run = make_run()
    batch = [run.objective.data[i] for i in range(2)]
    images = torch.stack([sample.image for sample in batch])
    torch.nn.init.normal_(run.model.towers.residual.weight)
    run.take_step([(images, batch)])
    noisy = [run.model.encode_image(images, learning=True).aligned16 for _ in range(2)]
    assert not torch.equal(*noisy)
    still = [run.averaged().eval().encode_image(images).dense16 for _ in range(2)]
    assert torch.equal(*still)


def test_a_vocabulary_can_hold_the_whole_lists_of_its_crops(make_run):
    run = make_run(vocabulary=1, whole_lists=True)
    image = torch.zeros(3, 64, 64, dtype=torch.uint8)
    label = torch.ones(64, 64, dtype=torch.long)
    sample = Sample(image, label, listed=frozenset(("cat", "grass", "sky")))
    words, shown = run.objective.classes.draw([sample], np.random.default_rng(0))
    assert words[0] == "grass"
    assert set(words) == {"cat", "grass", "sky"}
    assert shown.tolist() == [[True, False, False]]


def test_classes_present_are_kept_unless_they_are_more_than_p(make_run):
    run = make_run(kept_classes=2)
    label = torch.zeros(64, 64, dtype=torch.long)
    label[:20], label[20:40] = 1, 2
    image = torch.zeros(3, 64, 64, dtype=torch.uint8)
    crowded = Sample(image, label, listed=frozenset(("cat", "grass", "sky")))
    few = dataclasses.replace(crowded, label=label.clamp(max=1))
    words, shown = run.objective.classes.draw([crowded, few], np.random.default_rng(0))
    assert set(words) == {"cat", "grass", "sky"}
    assert shown.sum(dim=1).tolist() == [0, 2]


def test_prompts_can_carry_their_hypernyms(make_run):
    """Beside the bare name, which a share of 0 leaves alone."""
    bare, mixed, always = (make_run(expanded=share) for share in (0.0, 0.5, 1.0))
    assert bare.objective.classes.expanded == {}
    assert always.objective.classes.expanded["cat"] == "cat, animal"

    def draw(run):
        seeds = [np.random.default_rng(seed) for seed in range(30)]
        return torch.cat([run.objective.classes.embed(["cat"], rng) for rng in seeds])

    def banked(word):  # in either template, or in both
        first, second = always.objective.classes.bank[word]
        return F.normalize(torch.stack([first, second, (first + second) / 2]), dim=-1)

    plain, expanded = banked("cat"), banked("cat, animal")

    def is_one_of(rows, known):
        return ((rows[:, None] - known).abs().amax(dim=-1) < 1e-6).any(dim=1)

    assert is_one_of(draw(bare), plain).all()
    assert is_one_of(draw(always), expanded).all()
    assert 5 <= is_one_of(draw(mixed), plain).sum() <= 25
    assert is_one_of(draw(mixed), torch.cat([plain, expanded])).all()


def test_the_weights_carry_the_words_whose_masks_training_saw(make_run, monkeypatch):
    run = make_run(held_out=("grass",), imagenet_share=0.5, vocabulary=8)
    towers = run.model.config.towers
    monkeypatch.setattr(
        run.model,
        "config",
        dataclasses.replace(
            run.model.config, towers=dataclasses.replace(towers, trained_words=("emu",))
        ),
    )
    words = run.averaged().towers.config.trained_words
    assert {"cat", "sky", "emu"} <= set(words)
    assert not {"grass", "sea slug"} & set(words)
    assert list(words) == sorted(words)


def test_the_weights_carry_what_was_held_out_of_this_run_and_those_before(make_run, monkeypatch):
    run = make_run(held_out=("grass", "zebra"))
    before = dataclasses.replace(run.model.config, held_out=("deer", "cat"))
    monkeypatch.setattr(run.model, "config", before)
    held_out = run.averaged().config.held_out
    assert held_out == ("deer", "grass", "zebra")  # it has seen a cat now


def test_all_that_is_labelled_held_out_gets_a_sentence(make_run):
    with pytest.raises(InputError, match=r"No class is left .*\(cat, grass, sky\) is held out"):
        make_run(held_out=("cat", "grass", "sky"))
