"""What words paint alone: a predictor whose answers are known, and figures worked out by hand."""

import functools
import json
from types import SimpleNamespace

import numpy as np
import pytest
from photo_sets import write_photo_set

from errseg.__main__ import main
from errseg.datasets.folders import load_sets
from errseg.measuring.alone import measure_absent, measure_present
from errseg.measuring.alone_report import as_dict, as_text

CLASSES = ("cat", "sky", "dog")
PHOTO = np.zeros((64, 64, 3), np.uint8)
# A cat in the sky, and a cat of which three quarters of the photo have no label.
WHOLE = np.repeat([[0] * 16 + [1] * 48], 64, axis=0)
PART = np.repeat([[0] * 16 + [255] * 48], 64, axis=0)
PAINTED = {"dog": 32, "zebra": 8, "cat": 8, "sky": 64}  # columns that a word gets, from the left


def predict(photo, words, options):
    labels = np.full(photo.shape[:2], -1)
    labels[:, : max(PAINTED[word] for word in words)] = 0
    return SimpleNamespace(labels=labels)


@pytest.fixture
def sets(tmp_path):
    write_photo_set(tmp_path / "pets", CLASSES, [(PHOTO, WHOLE), (PHOTO, PART)])
    return load_sets(tmp_path)


def test_a_word_is_asked_where_it_surely_is_not(sets):
    """The set lists dogs, so both photos lack one; a zebra may stand where there is no label."""
    absent = measure_absent(predict, sets, ["dog", "zebra", "cat", "animal"])
    assert absent.shares == {"dog": 32 / 64, "zebra": 8 / 64}
    assert (absent.questions, absent.often) == (3, 1.0)
    assert absent.false_paint == pytest.approx((32 + 8) / 2 / 64)
    assert measure_absent(predict, sets, ["dog"], photos=1).questions == 1


def test_short_lists_are_asked_together(sets):
    words = ["dog", "zebra", "horse", "cow", "sheep", "bear"]
    absent = measure_absent(lambda *asked: predict(asked[0], ["zebra"], None), sets, words)
    assert absent.lists == {3: 8 / 64, 6: 8 / 64}
    asked = []
    measure_absent(lambda *one: asked.append(one[1]) or predict(PHOTO, ["dog"], None), sets, words)
    assert [len(one) for one in asked if len(one) > 1] == [3, 6]
    assert all(len(set(one)) == len(one) for one in asked)


def test_what_is_shown_is_asked_alone(sets):
    (present,) = measure_present(predict, sets)
    # The cat twice, half of it found; the sky once, with all of the cat.
    assert (present.name, present.questions) == ("pets", 3)
    assert present.found == pytest.approx((8 / 16 + 1 + 8 / 16) / 3)
    assert present.noticed == 1.0
    assert present.spilled == pytest.approx((0 + 1) / 2)  # nothing else is labelled in the second
    assert next(measure_present(predict, sets, limit=1)).questions == 2


def test_the_report_says_all_of_it(sets):
    measured = measure_absent(predict, sets, ["dog", "zebra"]), [*measure_present(predict, sets)]
    text = as_text(*measured)
    assert "31.25% of the pixels, the mean over 2 words (3 questions, of which 100.0%" in text
    assert "| pets | 3 | 66.7% | 100.0% | 50.0% |" in text
    found = json.loads(json.dumps(as_dict(*measured)))
    assert found["absent"]["shares"] == {"dog": 0.5, "zebra": 0.125}
    assert found["absent"]["lists"] == {"3": None, "6": None}
    assert found["present"][0]["questions"] == 3


def test_the_command_measures_a_model(sets, lite_weights, tmp_path, monkeypatch, capsys):
    file = tmp_path / "alone.json"
    asked = ("alone", "--data", tmp_path, "--model", lite_weights, "--input-size", "128")
    few = functools.partial(measure_absent, words=("dog", "horse", "cow"))
    monkeypatch.setattr("errseg.measuring.alone.measure_absent", few)
    assert main([*map(str, asked), "--limit", "1", "--json", str(file)]) == 0
    out = capsys.readouterr().out
    assert "False paint: one absent word alone gets" in out
    assert "| pets | 2 |" in out
    assert json.loads(file.read_text())["absent"]["questions"] > 0
    assert main([*map(str, asked), "--no-present", "--threshold", "1"]) == 0
    assert "alone gets 0.00% of the pixels" in capsys.readouterr().out
