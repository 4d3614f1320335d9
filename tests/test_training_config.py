"""Settings of training: which models have a use for them."""

import dataclasses

import pytest

from errseg.config import model_config
from errseg.errors import InputError
from errseg.training.config import LITE, PUBLISHED, TrainConfig, check_settings


@pytest.mark.parametrize(
    ("model", "settings", "sentence"),
    [
        ("errseg-base", {"anchor": 0.1, "trunk_rate": 0.1}, "no use for trunk-rate, anchor"),
        ("errseg-large", {"expanded": 0.1}, "errseg-large has no use for expanded"),
        ("errseg-base", {"residual_rate": 0.0}, "no use for residual-rate"),
        ("errseg-lite", {"clip_rate": 0.1}, "errseg-lite has no use for clip-rate"),
    ],
)
def test_settings_of_other_towers_are_refused(model, settings, sentence):
    config = dataclasses.replace(TrainConfig(), **settings)
    with pytest.raises(InputError, match=sentence):
        check_settings(config, model_config(model))


def test_the_presets_suit_their_models():
    check_settings(PUBLISHED, model_config("errseg-base"))
    check_settings(LITE, model_config("errseg-lite"))
    assert LITE.held_out == PUBLISHED.held_out == ()
