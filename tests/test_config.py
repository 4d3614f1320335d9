"""The variants and their configurations."""

import dataclasses

import open_clip
import pytest
import timm
import torch

import errseg
from errseg import InputError
from errseg.config import MODELS, ClipConfig, HeadConfig, model_config


def test_list_models_names_every_variant_in_one_line():
    models = errseg.list_models()
    assert set(models) == {"errseg-lite", "errseg-base", "errseg-large"}
    assert all(line and "\n" not in line for line in models.values())


def test_an_unknown_name_gets_the_names_there_are():
    with pytest.raises(InputError, match=r"errseg-huge.*errseg-lite, errseg-base, errseg-large"):
        errseg.build_model("errseg-huge")


@pytest.mark.parametrize("config", MODELS, ids=lambda config: config.name)
def test_configurations_cannot_change(config):
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.input_size = 1
    assert hash(config) == hash(model_config(config.name))


@pytest.mark.parametrize("config", MODELS, ids=lambda config: config.name)
def test_widths_are_the_image_tower_s(config):
    with torch.device("meta"):
        trunk = timm.create_model(
            config.towers.trunk, features_only=True, out_indices=(-4, -3, -2, -1)
        )
    assert trunk.feature_info.reduction() == [4, 8, 16, 32]
    widths = list(config.towers.widths)
    if not isinstance(config.towers, ClipConfig):
        widths[-1] = trunk.feature_info.channels()[-1]  # ours is read behind the head's convolution
    assert trunk.feature_info.channels() == widths


@pytest.mark.parametrize(
    "config", [c for c in MODELS if isinstance(c.towers, ClipConfig)], ids=lambda c: c.name
)
def test_sizes_are_open_clip_s(config):
    towers, theirs = config.towers, open_clip.get_model_config(config.towers.open_clip_name)
    text, vision = theirs["text_cfg"], theirs["vision_cfg"]
    assert towers.embedding == theirs["embed_dim"]
    assert (towers.trunk, towers.projection) == (vision["timm_model_name"], vision["timm_proj"])
    assert (towers.text_width, towers.text_heads, towers.text_layers, towers.context_length) == (
        text["width"],
        text["heads"],
        text["layers"],
        text["context_length"],
    )
    assert (towers.open_clip_name, config.clip_weights) in open_clip.list_pretrained()


def test_head_refuses_sizes_that_do_not_fit():
    with pytest.raises(ValueError, match="width 130 is not a multiple of heads 4"):
        HeadConfig(width=130)
    with pytest.raises(ValueError, match="multiples of 8"):
        HeadConfig(decoder_widths=(64, 32, 12))


NAN = float("nan")
LITE, CLIP = model_config("errseg-lite"), model_config("errseg-base")
PARTS = {"model": LITE, "lite": LITE.towers, "clip": CLIP.towers, "head": LITE.head}
PARTS["calibration"] = LITE.calibration
WRONG = [
    ("model", "input_size", (0, -640, 10**6, 640.0, "x", True, None, NAN)),
    ("model", "name", ("<script>", "", "a\nb", "x" * 101, 5, None)),
    ("model", "description", ("<b>", "a\nb", "x" * 201, None)),
    ("model", "keep_aspect", (1, "yes", None)),
    ("model", "held_out", (5, "dog", [5], (5,), ("",), ("x" * 201,), ("a\nb",), ("a",) * 20_001)),
    ("model", "towers", (None, {}, LITE.head)),
    ("model", "head", (None, LITE.towers)),
    ("model", "calibration", (None, 0.5)),
    ("lite", "trunk", ("../../x", "hf-hub:x/y", "", None)),
    ("lite", "widths", ((1,), (0, 1, 1, 1), (1, 1, 1, 10**9), [24, 48, 120, 1280])),
    ("lite", "pixel_std", ((0, 1, 1), (-1.0, 1, 1), (1, NAN, 1), (1, 1))),
    ("lite", "pixel_mean", ((float("inf"), 0, 0), ("x", 0, 0))),
    ("lite", "templates", ((), "{}", ("no place",), ("{}" + "x" * 200,), ("{}",) * 101, ("{}\n",))),
    ("lite", "trained_words", (5, ("a", None), ("\ud800",))),
    ("lite", "views", (((1, 1),), ((NAN, True),), ((0, True),), (0.5,), ((0.5, True),) * 9)),
    ("lite", "context_length", (0, 10**9)),
    ("lite", "text_layers", (0, 3000)),
    ("lite", "text_heads", (0, 5, 7)),
    ("clip", "open_clip_name", ("hf-hub:a/b", None)),
    ("clip", "projection", ("none", "")),
    ("clip", "text_heads", (0, 3)),
    ("head", "width", (0, -64, 10**9, 2.5)),
    ("head", "layers", (0, 3000, 10**9)),
    ("head", "heads", (0, 3)),
    ("head", "feed_forward", (-5,)),
    ("head", "drop_path", (1.5, NAN)),
    ("head", "decoder_widths", ((8, 8), (8, 8, 9))),
    ("head", "crm", (0, "off")),
    ("calibration", "scale", (0, -1.0, float("inf"), NAN, 10**400)),
    ("calibration", "bias", (float("-inf"), "x")),
    ("calibration", "threshold", ("x", NAN, 1.1, -0.1)),
]


def changed(part, field, value):
    config = dataclasses.replace(PARTS[part], **{field: value})
    return dataclasses.replace(LITE, calibration=config) if part == "calibration" else config


@pytest.mark.parametrize(("part", "field", "values"), WRONG, ids=lambda value: str(value)[:20])
def test_what_a_field_can_not_hold_is_refused_by_its_name(part, field, values):
    for value in values:
        with pytest.raises(ValueError, match=rf"\b{field}\b") as refused:
            changed(part, field, value)
        assert len(str(refused.value)) < 200


def test_every_field_is_checked():
    """A field of a new type, or a number without a range, would raise another kind of error."""
    for part, config in PARTS.items():
        for field in dataclasses.fields(config):
            with pytest.raises(ValueError, match=field.name):
                changed(part, field.name, object())
