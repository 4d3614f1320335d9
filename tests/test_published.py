"""Released checkpoints: names, strict loading, telling the variants apart."""

import zlib

import open_clip
import pytest
import torch
from golden_weights import KEY_LISTS, released_shapes, rule_state_dict

from errseg import InputError, build_model, load_model
from errseg.checkpoints import weights
from errseg.checkpoints.stored_config import file_hash
from errseg.network.published import published_name

VARIANTS = tuple(KEY_LISTS)


def published(model) -> dict[str, torch.Tensor]:
    """A copy of a model's tensors under the released names."""
    return {published_name(name): t.clone() for name, t in model.state_dict().items()}


@pytest.mark.parametrize("variant", VARIANTS)
def test_names_and_shapes_are_the_released_ones(variant):
    with torch.device("meta"):
        model = build_model(variant)
    ours = {published_name(name): tuple(t.shape) for name, t in model.state_dict().items()}
    assert len(ours) == len(model.state_dict())
    assert ours == released_shapes(variant)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_released_file_is_recognised_and_loaded(variant, tmp_path):
    # Every tensor is one number of its own, stored once and repeated by its strides, so that the
    # file has the released file's structure and takes no 700 MB.
    def number(name: str) -> float:
        return zlib.crc32(name.encode()) / 2**32

    tensors = {
        name: torch.tensor(number(name)).expand(shape)
        for name, shape in released_shapes(variant).items()
    }
    path = tmp_path / "released.pth"
    torch.save({"model": tensors, "iteration": 5}, path)
    model = load_model(path)
    assert model.config.name == variant
    assert not model.training
    assert model.weights_hash == file_hash(path)
    for name, tensor in model.state_dict().items():
        assert (tensor == number(published_name(name))).all(), name


def test_a_released_file_gives_the_same_results(monkeypatch, tmp_path, clip_model, make_pixels):
    # The tiny model stands in for a variant; it is told apart by its text width like the others.
    monkeypatch.setattr(weights, "MODELS", (*weights.MODELS, clip_model.config))
    path = tmp_path / "tiny.pth"
    torch.save({"model": published(clip_model), "iteration": 5}, path)
    loaded = load_model(path)
    pixels, prompts = make_pixels(1, 64, 96), ["cat", "a dog", "sky"]
    with torch.inference_mode():
        expected, found = (
            m.decode(m.encode_image(pixels), m.encode_text(prompts)) for m in (clip_model, loaded)
        )
    assert torch.equal(expected.logits, found.logits)


@pytest.fixture
def target(make_model):
    """A model to load into, and its weights before."""
    model = make_model()
    return model, {name: tensor.clone() for name, tensor in model.state_dict().items()}


@pytest.fixture
def tensors(target):
    """A complete checkpoint for it, all ones."""
    return {name: torch.ones_like(tensor) for name, tensor in published(target[0]).items()}


NAME = "sem_seg_head.decoder.head.weight"


def test_a_complete_checkpoint_replaces_every_tensor(target, tensors):
    model, _ = target
    assert model.load_published(tensors) is model
    assert all((tensor == 1).all() for tensor in model.state_dict().values())


def remove(tensors):
    del tensors[NAME]


def add(tensors):
    tensors["sem_seg_head.decoder.extra"] = torch.ones(2)


def reshape(tensors):
    tensors[NAME] = torch.ones(1, 99, 1, 1)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (remove, ["1 missing", NAME, "(1, 8, 1, 1)"]),
        (add, ["1 unknown", "sem_seg_head.decoder.extra", "(2,)"]),
        (reshape, ["1 of another shape", NAME, "(1, 99, 1, 1)", "expected (1, 8, 1, 1)"]),
    ],
)
def test_a_damaged_checkpoint_is_refused_and_changes_nothing(target, tensors, damage, words):
    model, before = target
    damage(tensors)
    with pytest.raises(InputError) as error:
        model.load_published(tensors)
    for word in ("tiny-clip", *words):
        assert word in str(error.value)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_a_foreign_checkpoint_is_refused_in_few_words(target):
    model, before = target
    foreign = {f"backbone.layer{i}.weight": torch.ones(3) for i in range(200)}
    with pytest.raises(InputError, match=r"200 unknown: backbone\.layer0\.weight") as error:
        model.load_published(foreign)
    assert f"{len(before)} missing" in str(error.value)
    assert len(str(error.value)) < 1500
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


@pytest.mark.slow
def test_large_runs_with_released_tensors(make_pixels):
    """The MLP projection and the 16-layer text tower, against open_clip's own forward passes."""
    model = build_model("errseg-large").load_published(rule_state_dict("errseg-large"))
    config, clip = model.config.towers, model.towers.clip
    prompts = ["A photo of a cat in the scene", "A photo of a potted plant in the scene", "sky"]
    # At 32 x 32 the stride-32 grid is one cell, so CLIP's pooled embedding is the dense one.
    pixels, cell = make_pixels(1, 64, 96), make_pixels(1, 32, 32)
    mean, std = (torch.tensor(x).view(3, 1, 1) for x in (config.pixel_mean, config.pixel_std))
    with torch.inference_mode():
        text = model.encode_text(prompts)
        expected_text = clip.encode_text(open_clip.tokenize(prompts), normalize=True)
        dense32 = model.towers.encode_image(cell).dense32.flatten(1)
        expected_image = clip.encode_image((cell - mean) / std, normalize=True)
        out = model.decode(model.encode_image(pixels), text, kept_classes=2)
    torch.testing.assert_close(text, expected_text, rtol=0, atol=1e-5)
    torch.testing.assert_close(dense32, expected_image, rtol=0, atol=1e-5)
    assert out.logits.shape == (1, 3, 16, 24)
    assert out.logits.isfinite().all()
    assert out.kept_logits.std() > 0.01
