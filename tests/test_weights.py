"""Weights files: what is saved comes back, what is foreign is refused in one sentence."""

import dataclasses
import hashlib
import json
import shutil
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from errseg import InputError, build_model, load_model, save_model
from errseg.checkpoints import checksum, weights
from errseg.checkpoints.weights import load_for_training
from errseg.config import EMBEDDED, EMBEDDED_SHA256, Calibration, model_config

SECONDS = 2  # in which what is wrong with a file is said
PROMPTS = ["cat", "a photo of a dog", "sky", "grass", "red sofa"]


@pytest.fixture(scope="module", params=["clip", "lite"])
def saved(request, clip_model, lite_model, tmp_path_factory):
    """A model and the file it was saved to."""
    model = clip_model if request.param == "clip" else lite_model
    path = tmp_path_factory.mktemp("weights") / "deep" / "model.safetensors"
    save_model(model, path)
    return model, path


def segment(model, pixels):
    with torch.inference_mode():
        text = model.encode_text(PROMPTS)
        return text, model.decode(model.encode_image(pixels), text)


def test_a_saved_model_comes_back(saved, make_pixels):
    model, path = saved
    loaded = load_model(path)
    assert loaded.config == model.config
    assert not loaded.training
    assert all(parameter.dtype == torch.float32 for parameter in loaded.parameters())
    (text, out), (loaded_text, loaded_out) = (
        segment(m, make_pixels(1, 64, 96)) for m in (model, loaded)
    )
    assert (text * loaded_text).sum(dim=1).min() > 0.999
    # float16 keeps 11 bits, int8 rows (the lite text tower) 7.
    bound = (0.03 if model.config.name == "tiny-lite" else 0.01) * out.logits.abs().max()
    assert (loaded_out.logits - out.logits).abs().max() < bound


def test_what_was_loaded_is_saved_unchanged(saved, tmp_path):
    """Rounding happens once: a file loaded and saved again holds the very same weights."""
    _, path = saved
    loaded = load_model(path)
    save_model(loaded, tmp_path / "again.safetensors")
    again = load_model(tmp_path / "again.safetensors")
    for name, tensor in loaded.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], tensor, rtol=1e-6, atol=0)


def stored_in_bytes(model, name, tensor):
    """Lite's towers, but for the depth-wise kernels, whose rows are one channel's."""
    towers = ("towers.text.", "towers.trunk.")
    return model.config.name == "tiny-lite" and name.startswith(towers) and tensor.shape[1] > 1


def test_rounding_is_no_coarser_than_promised(saved):
    model, path = saved
    loaded = load_model(path).state_dict()
    for name, tensor in model.state_dict().items():
        if tensor.ndim < 2:
            assert torch.equal(loaded[name], tensor), name
        elif stored_in_bytes(model, name, tensor):
            rows, back = tensor.flatten(1), loaded[name].flatten(1)
            step = rows.abs().amax(dim=1, keepdim=True) / 127
            assert ((back - rows).abs() <= 0.51 * step).all(), name
        else:
            torch.testing.assert_close(loaded[name], tensor, rtol=2**-11, atol=1e-7)


def test_matrices_are_stored_small(saved):
    model, path = saved
    stored = load_file(path)
    for name, tensor in model.state_dict().items():
        if tensor.ndim >= 2:
            small = torch.int8 if stored_in_bytes(model, name, tensor) else torch.float16
            assert stored[name].dtype == small, name
    assert not list(path.parent.glob("*.partial"))


def test_the_tokenizer_travels_along(lite_model, tmp_path):
    save_model(lite_model, tmp_path / "model.safetensors")
    loaded = load_model(tmp_path / "model.safetensors")
    assert loaded.towers.text.tokenizer_json == lite_model.towers.text.tokenizer_json
    assert loaded.towers.prompt_lengths(["cats"]) == lite_model.towers.prompt_lengths(["cats"])


@pytest.mark.skipif(sys.platform != "linux", reason="the system's list of open files is Linux's")
def test_the_file_does_not_stay_in_memory_beside_the_network(saved, tmp_path):
    path = tmp_path / "looked for.safetensors"  # others may have loaded the file itself
    shutil.copy(saved[1], path)
    loaded = load_model(path)
    assert path.name not in Path("/proc/self/maps").read_text()
    assert loaded.weights_hash


def test_the_hash_is_the_file_s(saved, tmp_path):
    model, path = saved
    assert load_model(path).weights_hash == hashlib.sha256(path.read_bytes()).hexdigest()
    assert model.weights_hash == ""


def test_saving_leaves_the_model_alone(make_model, tmp_path):
    model = make_model(lite=True)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    save_model(model, tmp_path / "model.safetensors")
    assert all(torch.equal(tensor, before[n]) for n, tensor in model.state_dict().items())


def test_loaded_models_can_be_trained(saved, make_pixels):
    """Nothing of a loaded model is left without storage or cut from the gradient."""
    model = load_model(saved[1])
    text = model.encode_text(PROMPTS)
    out = model.decode(model.encode_image(make_pixels(1, 64, 64)), text)
    out.logits.sigmoid().mean().backward()
    assert model.decoder.head.weight.grad.abs().max() > 0


def refusal(path) -> str:
    """The one sentence a person gets."""
    with pytest.raises(InputError) as error:
        load_model(path)
    message = str(error.value)
    assert path.name in message
    assert "\n" not in message
    assert message.endswith(".")
    return message


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors"])
@pytest.mark.parametrize("content", [b"", b"not weights at all\n" * 50], ids=["empty", "text"])
def test_files_that_are_no_weights(tmp_path, suffix, content):
    path = tmp_path / f"model{suffix}"
    path.write_bytes(content)
    expected = "not a safetensors file" if suffix == ".safetensors" else "can't be read"
    assert expected in refusal(path)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_there_is_no_such_file(tmp_path, suffix):
    assert "There is no weights file" in refusal(tmp_path / f"missing{suffix}")
    folder = tmp_path / f"folder{suffix}"
    folder.mkdir()
    assert "holds no weights file." in refusal(folder)


def test_an_unknown_name():
    with pytest.raises(InputError, match="There is no model 'errseg-huge'; the models are"):
        load_model("errseg-huge")


@pytest.mark.parametrize("name", ["errseg-base", "errseg-large"])
def test_published_weights_do_not_ship(name):
    with pytest.raises(InputError, match=rf"{name} isn't on this machine .* errseg fetch {name}"):
        load_model(name)


class Unexpected:
    """A class that a weights file has no business holding."""


@pytest.mark.parametrize(
    "content",
    [
        {"state_dict": {"conv1.weight": torch.ones(3)}},
        {"model": {"backbone.conv1.weight": torch.ones(3)}, "iteration": 5},
        {"model": 3},
        [torch.ones(2)],
        torch.ones(2),
        {},
    ],
    ids=["state_dict", "other network", "no tensors", "list", "tensor", "nothing"],
)
def test_checkpoints_of_something_else(tmp_path, content):
    path = tmp_path / "resnet.pth"
    torch.save(content, path)
    assert "is not a released ERR-Seg checkpoint" in refusal(path)


def test_a_checkpoint_that_would_run_code(tmp_path):
    path = tmp_path / "model.pth"
    torch.save({"model": Unexpected()}, path)
    assert "can't be read" in refusal(path)


def test_a_released_checkpoint_cut_short(tmp_path):
    path = tmp_path / "model.pth"
    torch.save({"model": {"sem_seg_head.clip_model.text_projection": torch.ones(640, 640)}}, path)
    path.write_bytes(path.read_bytes()[:-1000])
    assert "can't be read" in refusal(path)


def test_a_released_checkpoint_of_no_variant(tmp_path):
    path = tmp_path / "model.pth"
    torch.save({"model": {"sem_seg_head.clip_model.text_projection": torch.ones(9, 512)}}, path)
    assert "text embeddings 512 wide" in refusal(path)


@pytest.fixture
def edited(clip_model, tmp_path):
    """``edited(edit)``: a saved model whose tensors and metadata ``edit`` has changed.

    As an earlier file, without a checksum, which would notice any change.
    """

    def make(edit):
        path = tmp_path / "model.safetensors"
        save_model(clip_model, path)
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata()
        del metadata["checksum"]
        tensors = load_file(path)
        edit(tensors, metadata)
        save_file(tensors, path, metadata)
        return path

    return make


def test_a_safetensors_file_without_configuration(edited):
    assert "no ERR-Seg configuration" in refusal(edited(lambda _, metadata: metadata.clear()))


def test_a_safetensors_file_cut_short(edited):
    path = edited(lambda *_: None)
    for size in (4, 100, path.stat().st_size - 1):
        path.write_bytes(path.read_bytes()[:size])
        said = refusal(path)
        assert "not a safetensors file" in said
        assert f"cut off: {size:,} bytes of at least" in said or size < 8
        path = edited(lambda *_: None)


@pytest.mark.parametrize(
    "change",
    [
        lambda config: config["head"].update(new_switch=True),
        lambda config: config["towers"].update(new_width=3),
        lambda config: config.update(new_field=1),
        lambda config: config.pop("head"),
    ],
    ids=["head", "towers", "model", "missing"],
)
def test_a_configuration_of_another_version(edited, change):
    def edit(_, metadata):
        config = json.loads(metadata["config"])
        change(config)
        metadata["config"] = json.dumps(config)

    assert "written for another version" in refusal(edited(edit))


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("input_size", "1e6"),
        ("input_size", '"x"'),
        ("name", '"<script>"'),
        ("calibration", '{"threshold": NaN}'),
        ("calibration", '{"scale": Infinity}'),
        ("layers", "1000000000"),
        ("layers", "9" * 5000),
        ("heads", "5"),
        ("heads", "0"),
        ("feed_forward", "-5"),
        ("widths", "[1]"),
        ("templates", "[]"),
        ("templates", json.dumps(["{}" * 10**5])),
        ("templates", "[" * 10_000 + "]" * 10_000),
        ("templates", "[" * 300 + "]" * 300),
        ("pixel_std", "[0, 1, 1]"),
    ],
    ids=lambda value: value[:16],
)
def test_a_configuration_that_asks_for_what_cannot_be(edited, field, text):
    def edit(_, metadata):
        config, value = json.loads(metadata["config"]), "here"
        part = next(p for p in (config, config["towers"], config["head"]) if field in p)
        part[field] = value
        metadata["config"] = json.dumps(config).replace(f'"{value}"', text)

    start = time.process_time()
    message = refusal(edited(edit))
    assert "holds a configuration that can't be" in message
    assert len(message) < 400
    assert time.process_time() - start < SECONDS


def test_a_configuration_of_endless_length(edited):
    path = edited(lambda _, metadata: metadata.update(config=" " * 2_000_000))
    assert "configuration of 2,000,000 characters" in refusal(path)


def test_an_image_tower_that_is_none(edited, monkeypatch):
    def edit(_, metadata):
        metadata["config"] = metadata["config"].replace("test_convnext", "no_such_net")

    assert "an image tower unknown here: no_such_net" in refusal(edited(edit))

    def build(config, kind):
        raise RuntimeError("mat1 and mat2")

    monkeypatch.setattr(weights, "build_model", build)
    assert "a network that can't be built (RuntimeError)" in refusal(edited(lambda *_: None))


@pytest.fixture
def with_tokenizer(lite_model, tmp_path):
    """``with_tokenizer(text)``: a file of the tiny lite model with another tokenizer, or none."""

    def make(text):
        path = tmp_path / "model.safetensors"
        save_model(lite_model, path)
        with safe_open(path, framework="pt") as file:
            metadata = {"config": file.metadata()["config"]}
        save_file(load_file(path), path, metadata | ({} if text is None else {"tokenizer": text}))
        return path

    return make


def test_a_tokenizer_that_is_none(with_tokenizer, lite_model):
    sound = lite_model.towers.text.tokenizer_json
    assert load_model(with_tokenizer(sound)).towers.text.tokenizer_json == sound
    for text in (None, ""):
        assert "has no tokenizer" in refusal(with_tokenizer(text))
    for text in ("{", "{}", sound[:-20], sound.replace('"[UNK]"', '"[OTHER]"', 1)):
        assert "has a broken tokenizer" in refusal(with_tokenizer(text))
    large = build_model("errseg-lite").towers.text.own_tokenizer_json()
    nothing = json.dumps(json.loads(sound) | {"post_processor": None})
    for text in (large, nothing):
        assert "tokenizer of another network" in refusal(with_tokenizer(text))


def test_what_nobody_knows_in_a_file_is_refused(edited):
    """Such as the checksum's own name with a bit flipped."""
    path = edited(lambda _, metadata: metadata.update(chebksum="0"))
    assert "something unknown: chebksum" in refusal(path)


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """A copy of the embedded file that stands in its place, to be damaged."""
    place = tmp_path / "assets" / "errseg-lite" / "model.safetensors"
    place.parent.mkdir(parents=True)
    place.write_bytes(EMBEDDED["errseg-lite"].read_bytes())
    monkeypatch.setitem(EMBEDDED, "errseg-lite", place)
    return place


def flip(path, place, bit=0):
    with path.open("r+b") as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ 1 << bit]))


def test_a_flipped_bit_in_the_embedded_file_is_noticed(shipped):
    assert load_model("errseg-lite").weights_hash == EMBEDDED_SHA256["errseg-lite"]
    sound = shipped.read_bytes()
    middle = len(sound) // 2
    flipped = sound[:middle] + bytes([sound[middle] ^ 1]) + sound[middle + 1 :]
    again = "git checkout -- assets/errseg-lite/model.safetensors."
    for damaged, sentence, remedy in (
        (flipped, "not the file that ships (SHA-256", again),
        (sound[:-1], "cut off: 38,279,663 bytes of at least 38,279,664", again),
        (b"version https://git-lfs.github.com/spec/v1", "a Git LFS pointer", "git lfs pull."),
    ):
        shipped.write_bytes(damaged)
        for given in ("errseg-lite", shipped):
            with pytest.raises(InputError) as refused:
                load_model(given)
            assert sentence in str(refused.value)
            assert str(refused.value).endswith(remedy)


def test_a_damaged_copy_of_the_embedded_file_is_noticed(tmp_path):
    """It is from before there were checksums, and known by its header, that damaged as well."""
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(EMBEDDED["errseg-lite"].read_bytes())
    assert load_model(copy).weights_hash == EMBEDDED_SHA256["errseg-lite"]
    digit = copy.read_bytes().index(b"0.42")
    for place in (copy.stat().st_size // 2, digit + 3):
        flip(copy, place)
        assert "copy.safetensors is not the file that ships" in refusal(copy)
        flip(copy, place)
    load_model(copy)


def test_a_checkpoint_of_a_known_name_has_its_known_hash(clip_model, tmp_path, monkeypatch):
    path = tmp_path / "errseg_x.safetensors"
    save_model(clip_model, path)
    known = {"errseg_x.safetensors": hashlib.sha256(path.read_bytes()).hexdigest()}
    monkeypatch.setattr(checksum, "RELEASED_SHA256", known)
    assert load_model(path).weights_hash == known["errseg_x.safetensors"]
    known["errseg_x.safetensors"] = "0" * 64
    message = refusal(path)
    assert "not the file that was released" in message
    assert "instead of 000000000000...); download it again" in message


def test_a_checksum_tells_names_types_and_shapes_apart():
    tensors, metadata = {"a": torch.zeros(2, 3), "b": torch.ones(1)}, {"config": "{}"}
    first = checksum.content_checksum(tensors, metadata)
    assert checksum.content_checksum(dict(reversed(tensors.items())), metadata) == first
    others = [
        ({"a": tensors["b"], "b": tensors["a"]}, metadata),
        ({**tensors, "a": torch.zeros(3, 2)}, metadata),
        ({**tensors, "a": torch.zeros(2, 3, dtype=torch.int32)}, metadata),
        ({**tensors, "c": torch.zeros(0)}, metadata),
        (tensors, {"config": "{ }"}),
        (tensors, {"confi": "g{}"}),
        (tensors, {**metadata, "tokenizer": ""}),
    ]
    found = {checksum.content_checksum(*other) for other in others}
    assert len(found | {first}) == len(others) + 1


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '"text"', "null"])
def test_a_configuration_that_is_none(edited, text):
    path = edited(lambda _, metadata: metadata.update(config=text))
    assert "written for another version" in refusal(path)


def test_tensors_that_differ_are_named(edited):
    def edit(tensors, _):
        del tensors["decoder.head.weight"]
        tensors["decoder.extra"] = torch.ones(2)
        tensors["decoder.head.bias"] = torch.ones(7)

    with pytest.raises(InputError) as error:
        load_model(edited(edit))
    for words in (
        "tiny-clip",
        "1 missing: decoder.head.weight (1, 8, 1, 1)",
        "1 unknown: decoder.extra (2,)",
        "1 of another shape: decoder.head.bias (7,) (expected (1,))",
    ):
        assert words in str(error.value)


def test_weights_to_go_on_from_take_today_s_settings(tmp_path):
    preset = model_config("errseg-lite")
    towers = dataclasses.replace(preset.towers, conse_weight=0.1)
    head = dataclasses.replace(preset.head, text_guidance_dropout=0.9)
    other = {"input_size": 256, "calibration": Calibration(scale=2.0, threshold=0.3)}
    old = build_model(dataclasses.replace(preset, towers=towers, head=head, **other))
    save_model(old, tmp_path / "old.safetensors")
    model = load_for_training(tmp_path / "old.safetensors")
    assert model.config == preset
    assert model.towers.config == preset.towers
    weight = model.towers.residual.weight
    torch.testing.assert_close(weight, old.towers.residual.weight, atol=1e-3, rtol=1e-3)
