"""Settings of training: the two recipes, how one is changed, and which models they are for."""

import dataclasses

import pytest

from errseg.config import model_config
from errseg.errors import InputError
from errseg.training.config import (
    FINE_TUNING,
    LITE,
    PUBLISHED,
    fits,
    settings_of,
    with_settings,
)


@pytest.mark.parametrize(
    ("recipe", "settings", "sentence"),
    [
        (
            PUBLISHED,
            {"anchor": 0.1, "trunk_rate": 0.1},
            "published .* no use for anchor, trunk-rate",
        ),
        (PUBLISHED, {"residual_rate": 0.0}, "no use for residual-rate"),
        (LITE, {"clip_rate": 0.1}, "errseg-lite's recipe has no use for clip-rate"),
        (LITE, {"shortest_edge": 500}, "no use for shortest-edge"),
    ],
)
def test_settings_of_the_other_recipe_are_refused(recipe, settings, sentence):
    with pytest.raises(InputError, match=sentence):
        with_settings(recipe, settings)


def test_the_published_recipe_is_the_published_configuration():
    """configs/convnextB_640.yaml of the authors' code, and golden/README.md."""
    assert settings_of(PUBLISHED) == {
        **{"steps": 80_000, "batch": 4, "accumulate": 1, "precision": "auto", "start": ""},
        **{"fresh_head": False, "seed": 0, "save_every": 500},
        **{"kept_classes": 32, "votes_per_pixel": 3, "beta": 0.1},
        **{"rate": 2e-4, "weight_decay": 1e-4, "warm_up": 1000, "warm_up_from": 0.001},
        **{"clip_gradient": 0.0, "average": 0.0, "clip_rate": 0.01},
        **{"crop": 640, "shortest_edge": 640, "longest_edge": 2560, "category_area": 1.0},
        **{"colours": True, "flip": 0.5, "held_out": ()},
    }


@pytest.mark.parametrize("recipe", [PUBLISHED, LITE, FINE_TUNING])
def test_a_change_reaches_its_setting_and_no_other(recipe):
    before = settings_of(recipe)
    for name, value in before.items():
        other = ("cat",) if isinstance(value, tuple) else f"{value}x"
        if not isinstance(value, (tuple, str)):
            other = not value if isinstance(value, bool) else value + 1
        assert settings_of(with_settings(recipe, {name: other})) == before | {name: other}
    assert settings_of(recipe) == before


def test_recipes_are_frozen_and_for_their_own_towers():
    with pytest.raises(dataclasses.FrozenInstanceError):
        PUBLISHED.optimiser.rate = 1.0
    lite, base, large = (
        model_config(f"errseg-{size}").towers for size in ("lite", "base", "large")
    )
    assert fits(LITE, lite)
    assert not fits(LITE, base)
    assert fits(PUBLISHED, large)
    assert not fits(PUBLISHED, lite)
