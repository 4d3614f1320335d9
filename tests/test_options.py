"""The options of a question, the same at every door."""

import dataclasses

import pytest

from errseg.device import PRECISIONS
from errseg.options import Options, knobs


def test_options_are_told_apart_and_changed_by_name():
    options = Options(kept_classes=8)
    assert options.changed(beta=0.5) == Options(kept_classes=8, beta=0.5)
    assert options.changed(threshold=0.3).of_network == options.of_network
    for name in knobs().keys() - {"threshold"}:
        assert options.changed(**{name: "other"}).of_network != options.of_network
    with pytest.raises(dataclasses.FrozenInstanceError):
        options.beta = 1
    with pytest.raises(TypeError, match=r"no option p, q; the options are kept_classes, votes_pe"):
        options.changed(q=1, beta=0.2, p=2)


def test_every_option_says_what_all_doors_need():
    assert [field.name for field in dataclasses.fields(Options)] == list(knobs())
    for name, knob in knobs().items():
        assert getattr(Options(), name) == knob.default
        assert knob.help
        assert knob.title or knob.kind in (bool, str)
    links = [knob.link for knob in knobs().values() if knob.link]
    assert len(links) == len({*links, "example", "classes", "model"}) - 3
    assert all(name in knobs()["precision"].help for name in PRECISIONS)
