"""Answers beside each other."""

import dataclasses

import numpy as np
import pytest
from demo_answers import NASTY
from test_view import decode

from errseg.demo.backend.answers import Answer
from errseg.demo.backend.side_by_side import colored_alike, comparison_view
from errseg.demo.backend.sweep import Step, overlays
from errseg.demo.backend.view import NO_CLASS
from errseg.pictures.colors import class_color
from errseg.pictures.export import legend, result_colors


def test_a_name_has_one_colour_in_all_answers(answer):
    """Also where another of its neighbours is present, or the words stand in another order."""
    names = [f"part {i}" for i in range(12)]
    labels = np.arange(800).reshape(20, 40) % 12
    one = dataclasses.replace(answer.result, classes=(*names,), labels=labels)
    other = dataclasses.replace(one, classes=(*names[::-1],), labels=labels // 6)
    first, second = colored_alike([dataclasses.replace(answer, result=r) for r in (one, other)])
    assert first.colors == second.colors[::-1]
    assert len(set(first.colors)) == 12
    for shown in (first, second):
        assert {e.color for e in shown.legend} <= set(first.colors)
        assert all(e.color == shown.colors[e.index] for e in shown.legend)
    assert [e.name for e in second.legend] == ["part 11", "part 10"]
    assert answer.colors != first.colors  # copies


def pair(answer):
    """Two answers on a black photo, in which the first class has different colours."""
    names = [f"part {i}" for i in range(200)]
    rival = next(name for name in names[1:] if class_color(name) == class_color(names[0]))
    photo, labels = np.zeros_like(answer.photo), np.zeros((20, 40), np.int64)
    rivalled = labels.copy()
    rivalled[:, 20:] = 1
    rivalled[10:] = 1
    answers = []
    for own in (labels, rivalled):
        result = dataclasses.replace(answer.result, classes=(names[0], rival), labels=own)
        colors = result_colors(result)
        answers.append(Answer(photo, result, colors, legend(result, colors), answer.request))
    assert answers[0].colors[0] == class_color(names[0]) != answers[1].colors[0]
    return answers


def corners(pictures):
    """A pixel of each picture that has no name plate and is the first class in all."""
    return [np.asarray(picture)[0, 0].tolist() for picture in pictures]


def test_a_comparison_is_colored_by_what_is_shown(answer):
    """Not by what was answered: the raw cost maps are other labels."""
    answers = pair(answer)
    assert len(set(map(tuple, corners(one.overlay for one in answers)))) == 2
    shown = [one.result.labels for one in answers]
    own = [one.colors[0] for one in answers]
    for labels, color in ((shown, own[0]), ([shown[1]] * 2, own[1])):
        sides = comparison_view(answers, labels, ["one", "other"])["sides"]
        assert [tuple(side["colors"][0]) for side in sides] == [color, color]


def test_a_comparison_tells_every_pixel_of_both_sides(answer):
    own = answer.result.labels
    other = np.where(own == 1, 3, own)
    data = comparison_view([answer, answer], [own, other], ["masks", "others"])
    for side, shown in zip(data["sides"], (own, other), strict=True):
        pixels = decode(side["labels"]).astype(int)
        labels = pixels[..., 0] + 256 * pixels[..., 1]
        assert np.array_equal(np.where(labels == NO_CLASS, -1, labels), shown)
        areas = {index: np.mean(shown == index) for index in np.unique(shown) if index >= 0}
        assert dict(side["legend"]) == pytest.approx(areas, abs=1e-4)
        assert side["names"] == {index: NASTY[index] for index in areas}
        assert side["none"] == pytest.approx(0.05)
    assert [side["title"] for side in data["sides"]] == ["masks", "others"]
    assert decode(data["photo"]).shape == (20, 40, 3)


def test_the_steps_of_a_sweep_have_the_same_colors(answer):
    steps = [Step(value, one, 0.1, 0.0) for value, one in enumerate(pair(answer), start=1)]
    first, second = corners(overlays(steps))
    assert first == second
