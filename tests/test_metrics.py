"""The measures against loops over pixels, and figures done by hand."""

import math

import numpy as np
import pytest
import torch

from errseg.measuring.metrics import (
    CalibrationError,
    ConfusionMatrix,
    ScoreCounts,
    leave_one_out,
)


def _photos(rng, count=3, classes=4):
    for _ in range(count):
        label = rng.integers(-1, classes, size=(7, 9))
        label[label == 2] = 1  # class 2 is never labelled
        yield rng.integers(-1, classes, size=(7, 9)), label


def test_iou_and_accuracy_equal_a_loop_over_pixels():
    rng = np.random.default_rng(0)
    photos = list(_photos(rng))
    matrix = ConfusionMatrix(4)
    hits, unions, labelled = [0] * 4, [0] * 4, [0] * 4
    right = total = 0
    for predicted, label in photos:
        matrix.update(predicted, label)
        for guess, truth in zip(predicted.ravel(), label.ravel(), strict=True):
            if truth == -1:
                continue
            total += 1
            right += guess == truth
            for c in range(4):
                hits[c] += guess == c and truth == c
                unions[c] += guess == c or truth == c
                labelled[c] += truth == c
    expected = [h / u if n else math.nan for h, u, n in zip(hits, unions, labelled, strict=True)]
    np.testing.assert_allclose(matrix.iou(), expected)
    assert math.isnan(matrix.iou()[2])
    assert matrix.miou() == pytest.approx(np.mean([expected[c] for c in (0, 1, 3)]))
    assert matrix.pixel_accuracy() == pytest.approx(right / total)


def test_pixels_given_to_no_class_are_misses():
    matrix = ConfusionMatrix(2)
    matrix.update(np.array([[0, -1, 1, 1]]), np.array([[0, 0, 1, -1]]))
    np.testing.assert_allclose(matrix.iou(), [0.5, 1.0])
    assert matrix.pixel_accuracy() == pytest.approx(2 / 3)


def test_a_class_that_never_occurs_costs_the_others_but_has_no_iou():
    matrix = ConfusionMatrix(3)
    matrix.update(np.array([[0, 2, 2, 1]]), np.array([[0, 0, 1, 1]]))
    assert matrix.miou() == pytest.approx(0.5)


def test_nothing_counted_is_nan_not_zero():
    matrix = ConfusionMatrix(2)
    matrix.update(np.zeros((2, 2), int), np.full((2, 2), -1))
    assert math.isnan(matrix.miou())
    assert math.isnan(matrix.pixel_accuracy())
    assert math.isnan(CalibrationError().expected_calibration_error())


@pytest.mark.parametrize(
    ("predicted", "label"),
    [(np.zeros((2, 2), int), np.zeros((2, 3), int)), (np.array([[2]]), np.array([[0]]))],
)
def test_confusion_matrix_refuses_what_does_not_fit(predicted, label):
    with pytest.raises(ValueError, match="predicted"):
        ConfusionMatrix(2).update(predicted, label)


def test_calibration_equals_a_loop_over_bins():
    rng = np.random.default_rng(1)
    calibration = CalibrationError()
    scores, right = [], []
    for predicted, label in _photos(rng):
        score = rng.random(label.shape).astype(np.float32)
        score[0, 0] = 1.0
        calibration.update(score, predicted, label)
        counted = (label >= 0) & (predicted >= 0)
        scores += score[counted].tolist()
        right += (predicted == label)[counted].tolist()
    error = 0.0
    for b in range(15):
        inside = [i for i, s in enumerate(scores) if min(int(s * 15), 14) == b]
        if not inside:
            continue
        accuracy = np.mean([right[i] for i in inside])
        confidence = np.mean([scores[i] for i in inside])
        error += len(inside) / len(scores) * abs(accuracy - confidence)
    assert calibration.expected_calibration_error() == pytest.approx(error)


def test_scores_that_tell_the_truth_have_no_calibration_error():
    error = CalibrationError()
    label = np.zeros((10, 10), int)
    predicted = np.zeros((10, 10), int)
    predicted[:, :3] = 1  # 70 % right
    error.update(np.full((10, 10), 0.7), predicted, label)
    assert error.expected_calibration_error() == pytest.approx(0, abs=1e-9)


def test_calibration_refuses_logits():
    with pytest.raises(ValueError, match="between 0 and 1"):
        CalibrationError().update(np.array([[3.0]]), np.array([[0]]), np.array([[0]]))


def test_a_threshold_rejects_what_scores_less():
    rng = np.random.default_rng(0)
    scores = rng.random(500) ** 2
    counts = ScoreCounts()
    for part in np.split(scores, 5):
        counts.add(part.reshape(10, 10))
    for threshold in (0.0, 0.25, 0.5, 1.0):
        assert counts.share_below(threshold) == pytest.approx((scores < threshold).mean())


def test_nothing_measured_is_no_share():
    assert np.isnan(ScoreCounts().share_below(0.5))


def test_the_mean_can_be_over_some_classes():
    matrix = ConfusionMatrix(3)
    matrix.update(np.array([[0, 1, 1, 2]]), np.array([[0, 0, 1, 2]]))
    among = np.array([True, False, True])
    assert matrix.miou(among) == pytest.approx((1 / 2 + 1) / 2)
    assert math.isnan(matrix.miou(among & False))


def test_one_of_the_classes_that_a_photo_shows_is_left_out():
    text = torch.eye(4)
    label = np.array([[1, -1, 3], [3, 3, -1]])
    rng = np.random.default_rng(0)
    drawn = set()
    for _ in range(20):
        left_out, rest = leave_one_out(text, label, rng)
        drawn.add(left_out)
        assert torch.equal(rest, text[[place for place in range(4) if place != left_out]])
    assert drawn == {1, 3}


def test_nothing_is_left_out_of_one_word_or_of_an_empty_photo():
    rng = np.random.default_rng(0)
    assert leave_one_out(torch.eye(1), np.array([[0]]), rng) is None
    assert leave_one_out(torch.eye(4), np.array([[-1]]), rng) is None
