"""The folded trunk gives the trunk's own maps, owns nothing, and follows weights that change."""

import copy

import pytest
import timm
import torch
from safetensors.torch import load_file

from errseg.checkpoints.weights import load_model, save_model
from errseg.network import folded, fused
from errseg.network.folded import FoldedTrunk
from errseg.network.lite import PYRAMID_BLOCKS


@pytest.fixture
def towers(make_model):
    return make_model(lite=True).towers


def both(towers, photos):
    """What the folded trunk says, and what timm's own does."""
    last, stages = towers.trunk.forward_intermediates(photos)
    own = [maps for maps in stages if maps.shape[1] in towers.config.widths[:3]]
    return towers.folded(photos, PYRAMID_BLOCKS), (*own, last)


def assert_same(towers, photos):
    found, own = both(towers, photos)
    for ours, theirs in zip(found, own, strict=True):
        size = theirs.abs().max().item()
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5 * size)
        assert theirs.std() > 1e-3 * size


@torch.no_grad()
@pytest.mark.parametrize(("height", "width"), [(64, 96), (65, 97), (70, 83), (94, 67)])
def test_it_gives_the_trunk_s_maps_whatever_the_sides(towers, randn, height, width):
    """Even and odd sides, at every stride, pad in different ways."""
    assert_same(towers, randn(2, 3, height, width))


@torch.no_grad()
@pytest.mark.parametrize("largest", [60_000, 300_000])
@pytest.mark.parametrize(("height", "width"), [(128, 96), (135, 70)])
def test_large_maps_are_made_in_strips_without_seams(
    towers, randn, monkeypatch, height, width, largest
):
    monkeypatch.setattr(folded, "LARGEST", largest)
    assert_same(towers, randn(1, 3, height, width))
    block = towers.folded.stages[1][0]
    assert block._rows_at_once(torch.empty(1, 16, height // 2, width // 2)) < height // 2


@torch.no_grad()
def test_without_onednn_it_gives_the_same(towers, randn, monkeypatch):
    photos = randn(1, 3, 64, 96)
    assert_same(towers, photos)
    monkeypatch.setattr(fused, "fuses", lambda x: False)
    assert_same(towers, photos)  # with kernels that lie as oneDNN wants them
    assert_same(copy.deepcopy(towers), photos)


@torch.no_grad()
def test_it_follows_weights_that_change(towers, randn):
    photos = randn(1, 3, 64, 96)
    assert_same(towers, photos)
    norm, convolution = towers.trunk.bn1, towers.trunk.blocks[2][0].conv_dw
    for tensor in (norm.running_mean, norm.running_var, norm.weight, norm.bias, convolution.weight):
        tensor.mul_(1.5).add_(0.01)
        assert_same(towers, photos)
    convolution.weight = torch.nn.Parameter(0.5 * convolution.weight)
    assert_same(towers, photos)
    towers.load_state_dict({n: 0.9 * t for n, t in towers.state_dict().items()}, assign=True)
    assert_same(towers, photos)
    twin = copy.deepcopy(towers)
    twin.trunk.bn1.weight.mul_(2.0)
    assert_same(twin, photos)
    assert_same(towers, photos)


def test_it_follows_weights_that_do_not_tell_when_they_change(make_model, randn):
    with torch.inference_mode():
        towers, photos = make_model(lite=True).towers, randn(1, 3, 64, 96)
        assert_same(towers, photos)
        towers.trunk.bn1.weight.mul_(2.0)
        assert_same(towers, photos)


@torch.no_grad()
def test_it_has_nothing_to_save_and_nothing_to_train(make_model, tmp_path):
    model = make_model(lite=True)
    assert not [name for name in model.state_dict() if "folded" in name]
    assert not [*model.towers.folded.parameters(), *model.towers.folded.buffers()]
    files = [tmp_path / name for name in ("before.safetensors", "after.safetensors")]
    save_model(model, files[0], exact=True)
    loaded = load_model(files[0])
    loaded.encode_image(torch.zeros(1, 3, 64, 64, dtype=torch.uint8))  # folds
    save_model(loaded, files[1], exact=True)
    before, after = map(load_file, files)
    assert before.keys() == after.keys()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())


def test_who_learns_learns_through_the_trunk_itself(make_model, make_pixels, randn):
    model, pixels = make_model(lite=True), make_pixels(1, 64, 96)
    learnt = model.encode_image(pixels)
    learnt.dense16.square().mean().backward()
    assert model.towers.trunk.bn1.weight.grad.abs().max() > 0
    with torch.no_grad():
        folded = model.encode_image(pixels)
        torch.testing.assert_close(folded.dense16, learnt.dense16, rtol=0, atol=1e-5)
        assert not torch.equal(folded.pyramid[3], learnt.pyramid[3])  # another way to the same
        photos = randn(2, 3, 128, 128)
        before = model.towers._pyramid(photos)[3]
        model.train()  # statistics are the batch's
        assert not torch.allclose(model.towers._pyramid(photos)[3], before, atol=1e-3)


@pytest.mark.parametrize("name", ["efficientnet_lite0", "tf_efficientnet_b0"])
def test_other_trunks_stay_as_they_are(name):
    """One pads both sides alike, the other squeezes and excites."""
    with torch.device("meta"):
        assert FoldedTrunk.of(timm.create_model(name)) is None
        assert FoldedTrunk.of(timm.create_model("tf_efficientnet_lite0")) is not None


@pytest.mark.slow
@torch.no_grad()
def test_the_shipped_model_says_the_same(make_pixels):
    model, pixels = load_model("errseg-lite"), make_pixels(1, 512, 736)
    text = model.encode_text(["cat", "dog", "sky", "grass", "sea", "wall"])

    def scores():
        return model.decode(model.encode_image(pixels), text).kept_logits.sigmoid()

    folded = scores()
    model.towers.folded = None
    assert 0 < (folded - scores()).abs().max() < 1e-4
