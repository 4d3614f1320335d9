"""The published training step against what the published code computed (golden/README.md)."""

import numpy as np
import pytest
import torch
from golden_weights import GOLDEN, rule_state_dict
from photo_sets import write_set
from torch.nn import functional as F

from errseg.datasets.folders import load_sets
from errseg.distributed import Processes
from errseg.errors import InputError
from errseg.network.model import build_model
from errseg.training.config import PUBLISHED
from errseg.training.published import (
    PublishedTraining,
    keep_as_published,
    published_loss,
    trained_parameters,
)

NOISE = 1e-6  # of the largest norm: below it a gradient is rounding


@pytest.fixture(scope="module")
def golden():
    return dict(np.load(GOLDEN / "golden_train_b_voc20.npz"))


@pytest.fixture(scope="module")
def step(golden):
    """The model after a backward pass, its loss, and the classes it kept."""
    model = build_model("errseg-base").load_published(
        rule_state_dict("errseg-base", int(golden["seed"]))
    )
    trained = trained_parameters(model)
    for name, parameter in model.released_parameters().items():
        parameter.requires_grad_(name in trained)
    kept, decode = [], model.decode

    def watched(*given, **named):
        out = decode(*given, **named)
        kept.append(out.kept)
        return out

    model.decode = watched
    images, labels = (torch.from_numpy(golden[name]) for name in ("image", "target"))
    loss = published_loss(
        model, images, labels.long(), golden["classes"].tolist(), int(golden["P"])
    )
    loss.backward()
    return model, loss.item(), kept[0]


def test_the_loss_is_the_published_one(golden, step):
    assert step[1] == pytest.approx(float(golden["loss"]), rel=1e-5)


def test_the_same_classes_are_kept(golden, step):
    kept = torch.zeros(golden["kept"].shape, dtype=torch.bool).scatter(1, step[2], True)
    assert kept.tolist() == golden["kept"].tolist()


def test_the_same_parameters_train(golden, step):
    assert set(trained_parameters(step[0])) == set(golden["names"].tolist())


def test_every_gradient_is_the_published_one(golden, step):
    found = {n: p.grad for n, p in step[0].released_parameters().items() if p.grad is not None}
    names, norms = golden["names"].tolist(), golden["norms"]
    assert set(found) == set(names)
    for name, norm in zip(names, norms, strict=True):
        bound = 1e-3 * max(norm, NOISE * norms.max())
        assert abs(found[name].norm().item() - norm) <= bound, name
    for key in (key for key in golden if key.startswith("grad:")):
        ours = found[key.removeprefix("grad:")].flatten()[::97][:200].numpy()
        scale = np.abs(golden[key]).max()
        np.testing.assert_allclose(ours, golden[key], rtol=1e-3, atol=1e-3 * scale, err_msg=key)


def test_rates_and_weight_decay_are_the_published_ones(step):
    """Norms and embeddings don't decay; biases of other layers and ConvNeXt's gammas do."""
    trained = trained_parameters(step[0])
    clip, decoder = "sem_seg_head.clip_model.", "sem_seg_head.decoder."
    trunk = f"{clip}visual.trunk.stages.2.blocks.3."
    for name, expected in {
        f"{trunk}gamma": (0.01, 1e-4),
        f"{trunk}mlp.fc2.weight": (0.01, 1e-4),
        f"{clip}transformer.resblocks.0.attn.in_proj_weight": (0.01, 1e-4),
        f"{decoder}head.bias": (1.0, 1e-4),
        f"{decoder}aggregator_layers.0.spatial_fusion.sa.norm1.weight": (1.0, 0.0),
        f"{decoder}aggregator_layers.0.spatial_fusion.sa.attention.norm_k.bias": (1.0, 0.0),
        f"{decoder}up_decoder1.textual_fusion.1.weight": (1.0, 0.0),
        f"{decoder}up_decoder1.textual_fusion.0.weight": (1.0, 1e-4),
    }.items():
        assert trained[name] == expected, name
    assert {factor for name, (factor, _) in trained.items() if name.startswith(clip)} == {0.01}
    assert {factor for name, (factor, _) in trained.items() if name.startswith(decoder)} == {1.0}
    for frozen in (f"{trunk}mlp.fc2.bias", f"{trunk}norm.weight", f"{clip}visual.head.proj.weight"):
        assert frozen in step[0].released_parameters()
        assert frozen not in trained


def test_the_highest_indices_fall_out_not_the_lowest_scores():
    scores = torch.tensor([[1.0, 9, 2, 8, 3, 7, 4, 6], [1, 2, 3, 4, 5, 6, 7, 8]])
    present = torch.zeros(2, 8, dtype=torch.bool)
    present[0, 0] = present[1, 7] = present[1, 6] = True
    assert keep_as_published(scores, 4, present).tolist() == [[0, 1, 3, 5], [4, 5, 6, 7]]
    present[0] = True  # more than P
    assert keep_as_published(scores, 3, present)[0].tolist() == [0, 1, 2]
    assert keep_as_published(scores, 20, present).tolist() == [list(range(8))] * 2


@pytest.mark.parametrize("kept_classes", [2, 4, 7])
def test_the_loss_is_over_all_classes_at_the_labels_size(clip_model, make_pixels, kept_classes):
    """Against the definition, with every channel written out."""
    classes = ["cat, kitten", "dog", "sky", "grass", "tree", "road", "red sofa"]
    pixels, labels = make_pixels(2, 64, 96), torch.full((2, 64, 96), 255)
    labels[0, :30], labels[0, 30:40, :20], labels[1, :, 50:] = 1, 4, 6
    labels[1, :20, :20] = 0
    loss = published_loss(clip_model, pixels, labels, classes, kept_classes)
    with torch.no_grad():
        prompts = [f"A photo of a {name.split(',')[0]} in the scene" for name in classes]
        features = clip_model.encode_image(pixels)
        present = torch.tensor([[(row == index).any() for index in range(7)] for row in labels])
        out = clip_model.decode(
            features,
            clip_model.encode_text(prompts),
            kept_classes,
            select=lambda scores, count: keep_as_published(scores, count, present),
        )
        logits = F.interpolate(out.logits, (64, 96), mode="bilinear")
        targets = torch.stack([labels == index for index in range(7)], dim=1).float()
        expected = F.binary_cross_entropy_with_logits(logits, targets)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_a_real_step_of_a_run_moves_them_and_nothing_else(golden, step, tmp_path):
    """AdamW as a run sets it up, on errseg-base and the gradients above; the last test, for it."""
    write_set(tmp_path, "scenes", {"1": "road", "2": "cat", "3": "sky"}, exhaustive=True)
    model = step[0]
    alone = Processes(torch.device("cpu"))
    objective = PublishedTraining(model, load_sets(tmp_path), PUBLISHED, alone)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    torch.optim.AdamW(objective.groups(), lr=1e-2).step()
    released = model.released_parameters()
    trained = {id(released[name]) for name in golden["names"].tolist()}
    ours = {name: id(parameter) for name, parameter in model.named_parameters()}
    moved = {name for name, tensor in model.state_dict().items() if not tensor.equal(before[name])}
    assert moved == {name for name, key in ours.items() if key in trained}


@pytest.mark.parametrize("wrong", [2, 254, -1])
def test_a_label_that_is_no_class_is_refused(clip_model, make_pixels, wrong):
    labels = torch.zeros(1, 64, 64, dtype=torch.int64)
    labels[0, 3, 5] = wrong
    with pytest.raises(
        InputError, match=f"labelled {wrong}; of 2 classes labels are 0 to 1, and 255"
    ):
        published_loss(clip_model, make_pixels(1, 64, 64), labels, ["cat", "dog"])
