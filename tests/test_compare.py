"""Two settings on one photo."""

import numpy as np
import pytest

from errseg.demo.backend.request import check_request
from errseg.demo.page.compare import RAW, Side, changed_part, labels_of


def test_raw_cost_maps_are_the_first_votes(answer):
    raw = labels_of(answer, RAW)
    ranking = answer.result.ranking[0]
    assert raw.shape == answer.result.labels.shape
    for y, x in ((0, 0), (19, 39), (7, 22)):
        assert raw[y, x] == ranking[y * 4 // 20, x * 8 // 40]
    own = answer.result.labels
    assert (own < 0).any()
    assert np.array_equal(raw < 0, own < 0)  # the threshold holds for both sides
    assert changed_part(answer, own, answer, own) == 0
    assert changed_part(answer, own, answer, np.full_like(own, -1)) == pytest.approx(0.95)


def test_another_model_brings_its_own_threshold_unless_one_was_chosen():
    side = Side("words", {"kept_classes": "kept", "votes_per_pixel": "votes"}, "show", "model")
    values = {"words": "", "kept": 1, "votes": 2, "model": "b.pth"}
    for asked, expected in ((0.4, None), (0.7, 0.7)):
        request = check_request("photo.jpg", "cat", threshold=asked, beta=0.5)
        assert side.request(request, values, advised=0.4).options.threshold == expected
        assert (
            side.request(request, {**values, "model": ""}, advised=0.4).options.threshold == asked
        )
        options = side.request(request, values, advised=0.4).options
        assert (options.kept_classes, options.votes_per_pixel, options.beta) == (1, 2, 0.5)
