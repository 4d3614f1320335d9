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
