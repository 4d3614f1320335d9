"""Two settings on one photo."""

import dataclasses

import numpy as np
import pytest

from errseg.demo.backend.models import Models
from errseg.demo.backend.request import check_request
from errseg.demo.page.compare import (
    COST,
    CRM,
    FINAL,
    RAW,
    VOTES,
    Side,
    changed_part,
    check_kind,
    labels_of,
    preset_changes,
    titles_of,
)
from errseg.demo.page.events import served
from errseg.demo.page.layout import create_demo
from errseg.errors import InputError


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


def test_presets_change_one_thing():
    request = check_request("photo.jpg", "cat, dog, sky", kept_classes=2, votes_per_pixel=5)
    assert preset_changes(CRM, request) == ({}, {"kept_classes": 3})
    assert preset_changes(COST, request) == ({}, {"show": RAW})
    assert preset_changes(VOTES, request) == ({"votes_per_pixel": 1}, {"votes_per_pixel": 3})
    with pytest.raises(InputError, match="CRM keeps all 3 classes"):
        preset_changes(CRM, request.changed(kept_classes=9))


def test_titles_say_what_is_shown(answer):
    other = dataclasses.replace(answer.result.settings, model="b.pth", votes_per_pixel=7)
    other = dataclasses.replace(answer, result=dataclasses.replace(answer.result, settings=other))
    assert titles_of([answer, answer], [FINAL, RAW]) == ["masks, P = 2 of 4, K = 2", RAW]
    assert titles_of([answer, other], [FINAL, FINAL]) == [
        "masks, P = 2 of 4, K = 2, errseg-lite",
        "masks, P = 2 of 4, K = 7, b.pth",
    ]


@pytest.mark.parametrize("kind", [float("inf"), [3], {}, None, "3", ""])
def test_a_side_shows_one_of_two_things(kind):
    assert [check_kind(known) for known in (FINAL, RAW)] == [FINAL, RAW]
    with pytest.raises(InputError, match="A side shows masks or raw cost maps"):
        check_kind(kind)


@pytest.fixture
def presets(lite_weights, photo_file):
    """The presets' handlers, what the boxes hold, and the components by their ids."""
    page = create_demo(Models(lite_weights, "cpu", "float32")).page
    handlers = [f for f in page.fns.values() if f.name == "compare_preset"]
    by_id = {box.elem_id: box for box in (*handlers[0].inputs, *handlers[0].outputs)}
    given = {box: box.value for box in handlers[0].inputs}
    filled = {"photo": {"path": served(photo_file)}, "classes": "cat, dog, sky, grass", "kept": 2}
    filled |= {"votes": 2, "input-size": 128, "threshold": 0.0, "compare-a-classes": "sofa"}
    given |= {by_id[f"errseg-{name}"]: value for name, value in filled.items()}
    return [handler.fn for handler in handlers], given, by_id


def test_a_preset_fills_both_sides_in_and_compares(presets):
    (crm, cost, votes), given, by_id = presets
    for preset, kept, voted in (
        (crm, (2, 4), (2, 2)),
        (cost, (2, 2), (2, 2)),
        (votes, (2, 2), (1, 3)),
    ):
        first, answer = preset(given)
        for side, own_kept, own_votes in zip("ab", kept, voted, strict=True):
            assert first[by_id[f"errseg-compare-{side}-classes"]] == ""  # the question's words
            slider = first[by_id[f"errseg-compare-{side}-kept"]]
            assert slider["value"] == own_kept <= slider["maximum"]
            assert first[by_id[f"errseg-compare-{side}-votes"]] == own_votes
        assert "data-view" in answer[by_id["errseg-compare"]]
        assert "of the pixels" in answer[by_id["errseg-compare-outcome"]]


def test_a_preset_without_two_sides_says_so(presets):
    (crm, *_), given, by_id = presets
    (step,) = crm({**given, by_id["errseg-kept"]: 4})
    assert "CRM keeps all 4 classes" in " ".join(map(str, step.values()))
