"""The configuration in a weights file: what comes with it, and with no other."""

import dataclasses

import pytest
from safetensors import safe_open

from errseg.checkpoints.stored_config import HELD_OUT_FILE, config_from_metadata
from errseg.checkpoints.weights import load_model, save_model
from errseg.config import EMBEDDED, model_config

SHIPPED = EMBEDDED["errseg-lite"]


def shipped_metadata():
    with safe_open(SHIPPED, framework="numpy") as file:
        return file.metadata()


def test_the_shipped_weights_come_with_what_was_held_out_of_their_training():
    config = config_from_metadata(shipped_metadata(), SHIPPED)
    assert len(config.held_out) == 28
    assert {"rhinoceros", "deer", "mud", "fog"} <= set(config.held_out)
    assert not set(config.held_out) & set(config.towers.trained_words)


@pytest.mark.parametrize("name", ["errseg-lite", "errseg-base", "errseg-large"])
def test_no_variant_is_held_from_anything_by_its_name(name):
    assert model_config(name).held_out == ()


def test_weights_elsewhere_get_nothing_of_the_shipped_ones(tmp_path):
    assert config_from_metadata(shipped_metadata(), tmp_path / SHIPPED.name).held_out == ()


def test_own_weights_carry_what_was_held_out_of_their_own_training(tmp_path, make_model):
    model = make_model(lite=True)
    for held_out in ((), ("cat", "sofa")):
        model.config = dataclasses.replace(model.config, held_out=held_out)
        save_model(model, tmp_path / "own.safetensors")
        # Not even a list beside them says otherwise.
        (tmp_path / HELD_OUT_FILE).write_text("deer\n")
        assert load_model(tmp_path / "own.safetensors").config == model.config
