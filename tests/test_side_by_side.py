"""Answers beside each other."""

import dataclasses

import numpy as np

from errseg.demo.backend.side_by_side import colored_alike


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


def test_what_is_shown_counts_not_what_was_answered(answer):
    names = ("twin a", "twin b", "dog", "sky")
    result = dataclasses.replace(answer.result, classes=names)
    asked = dataclasses.replace(answer, result=result)
    shown = np.full((20, 40), 3)
    (alone,) = colored_alike([asked], [shown])
    (again,) = colored_alike(
        [dataclasses.replace(asked, result=dataclasses.replace(result, labels=shown))]
    )
    assert alone.colors == again.colors
