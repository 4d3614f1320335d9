"""One knob over several values."""

import dataclasses

import numpy as np
import pytest
from demo_answers import NASTY
from test_view import decode

from errseg.demo.backend.sweep import K, P, Step, check_values
from errseg.demo.backend.sweep_view import LONGEST_SIDE, sweep_view
from errseg.demo.backend.view import NO_CLASS


def test_sweep_values_are_read_as_typed():
    assert check_values("P", "8, 2,2 ,50", 6) == ("P", [2, 6])
    assert check_values("K", [3, 1], 6) == ("K", [1, 3])


def swept(answer):
    """Two steps: one class is kept, and two."""
    few = dataclasses.replace(
        answer.result, kept=(0,), labels=np.where(answer.result.labels == 1, 0, -1)
    )
    one = dataclasses.replace(answer, result=few)
    return [Step(1, one, 0.25, 0.0), Step(2, answer, 0.125, 0.3)]


def test_the_browser_gets_all_answers_of_a_sweep_at_once(answer):
    steps = swept(answer)
    data = sweep_view(P, steps)
    for sent, step in zip(data["steps"], steps, strict=True):
        pixels = decode(sent["labels"]).astype(int)
        labels = pixels[..., 0] + 256 * pixels[..., 1]
        own = step.answer.result.labels
        assert np.array_equal(np.where(labels == NO_CLASS, -1, labels), own)
        areas = {index: np.mean(own == index) for index in np.unique(own) if index >= 0}
        assert sent["areas"] == pytest.approx(areas, abs=1e-4)
        assert areas.keys() <= data["colors"].keys()
        assert (sent["value"], sent["kept"]) == (step.value, len(step.answer.result.kept))
    assert [step["changed"] for step in data["steps"]] == [None, 0.3]
    # P moves the line in one list, K changes the scores.
    assert data["lists"] == [[[0, 40], [1, 20], [2, 3.5], [3, 0]]]
    assert data["names"] == dict(enumerate(NASTY))
    assert data["classes"] == 4
    assert len(sweep_view(K, steps)["lists"]) == 2


def test_a_sweep_of_a_large_photo_stays_small(answer):
    labels = np.repeat(np.repeat(answer.result.labels, 100, axis=0), 100, axis=1)
    photo = np.zeros((*labels.shape, 3), np.uint8)
    result = dataclasses.replace(answer.result, labels=labels, scores=np.ones(labels.shape))
    large = dataclasses.replace(answer, photo=photo, result=result)
    data = sweep_view(P, [Step(2, large, 0.1, 0.0)])
    assert decode(data["steps"][0]["labels"]).shape == (LONGEST_SIDE // 2, LONGEST_SIDE, 3)
    assert decode(data["photo"]).shape == (LONGEST_SIDE // 2, LONGEST_SIDE, 3)
