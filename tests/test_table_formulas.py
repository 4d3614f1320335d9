"""What the tables are made of, against loops and by hand: recall, similarity, a clock."""

import math
import time

import numpy as np
import pytest
import torch

from errseg.measuring.tables import timing
from errseg.measuring.tables.knobs import CRMSetting, Recall, settings_of
from errseg.measuring.tables.photos import LabelledPhoto
from errseg.measuring.tables.similarity import compare

# Twenty names, all of words that the tiny tokenizer knows: the paper's P for them is 16.


def test_table_4_of_two_lists_worked_out_by_hand():
    angles = {"Cat": 0, "cat": 0, "dog": 30, "hound": 10, "sea": 90, "sky": 50, "ocean": 75}

    def embed(names):
        radians = torch.tensor([math.radians(angles[name]) for name in names])
        return torch.stack([radians.cos(), radians.sin()], dim=1)

    found = compare(("a", ("Cat", "dog", "sea")), ("b", ("cat", "hound", "sky", "ocean")), embed)
    # The nearest: cat at 0 degrees, hound and sky at 20, ocean at 15.
    cosines = [1, math.cos(math.radians(20)), math.cos(math.radians(15))]
    assert (found.of, found.among, found.classes) == ("a", "b", 3)
    assert found.equal == pytest.approx(1 / 3)
    assert found.nearest == pytest.approx(sum(cosines) / 3)
    assert found.above == pytest.approx({0.95: 2 / 3, 0.9: 1, 0.85: 1, 0.8: 1, 0.7: 1})


def test_a_knob_s_values_stay_within_the_vocabulary():
    default = CRMSetting(16)
    assert list(settings_of("P", 20, default)) == [4, 8, 16, 20]
    assert settings_of("P", 20, default)[8] == CRMSetting(8, 3, 0.1)
    assert list(settings_of("P", 3, CRMSetting(3))) == [3]
    assert list(settings_of("K", 7, default)) == [1, 2, 3, 5, 7]
    assert settings_of("K", 7, default)[5] == CRMSetting(16, 5, 0.1)
    assert settings_of("beta", 20, default)[0.5] == CRMSetting(16, 3, 0.5)
    for knob in ("P", "K", "beta"):
        assert default in settings_of(knob, 100, default).values()


def test_recall_against_a_loop():
    rng, recall = np.random.default_rng(1), Recall()
    shares, right, labelled = [], 0, 0
    for _ in range(4):
        label, kept = rng.integers(-1, 9, (5, 6)), set(rng.choice(9, 4, replace=False).tolist())
        recall.update(sorted(kept), LabelledPhoto(np.zeros((5, 6, 3), np.uint8), label))
        seen = {int(v) for v in label.flat if v >= 0}
        shares.append(len(seen & kept) / len(seen))
        right += sum(int(v) in kept for v in label.flat)
        labelled += sum(v >= 0 for v in label.flat)
    recall.update([0], LabelledPhoto(np.zeros((2, 2, 3), np.uint8), np.full((2, 2), -1)))
    assert recall.of_classes == pytest.approx(sum(shares) / 4)
    assert recall.of_pixels == pytest.approx(right / labelled)
    assert math.isnan(Recall().of_classes)


def test_what_is_timed_takes_turns(monkeypatch):
    order, now = [], [0.0]
    seconds = iter([5, 1, 7, 2, 3, 4])  # a, b, c, then c, b, a
    monkeypatch.setattr(timing, "seconds_now", lambda device: now[0])

    def call(name):
        order.append(name)
        now[0] += next(seconds)

    taken = timing.fastest_in_turn(
        {name: lambda name=name: call(name) for name in "abc"}, torch.device("cpu")
    )
    assert "".join(order) == "abccba"
    assert taken == {"a": 4, "b": 1, "c": 2}
    assert timing.median_ratio([2, 9, 4], [1, 3, 4]) == 2


def test_other_programs_do_not_count_where_one_thread_computes(monkeypatch):
    cpu = torch.device("cpu")
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    started = timing.seconds_now(cpu)
    time.sleep(0.2)
    assert timing.seconds_now(cpu) - started < 0.1
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    started = timing.seconds_now(cpu)
    time.sleep(0.2)
    assert timing.seconds_now(cpu) - started >= 0.2
