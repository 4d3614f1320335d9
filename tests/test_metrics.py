import math

import numpy as np
import pytest

from errseg.measuring.metrics import CalibrationError, ConfusionMatrix, Rejection


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
    calibration = CalibrationError(bins=5)
    scores, right = [], []
    for predicted, label in _photos(rng):
        score = rng.random(label.shape).astype(np.float32)
        score[0, 0] = 1.0
        calibration.update(score, predicted, label)
        counted = (label >= 0) & (predicted >= 0)
        scores += score[counted].tolist()
        right += (predicted == label)[counted].tolist()
    error = 0.0
    reliability = calibration.reliability()
    for b in range(5):
        inside = [i for i, s in enumerate(scores) if min(int(s * 5), 4) == b]
        accuracy = np.mean([right[i] for i in inside])
        confidence = np.mean([scores[i] for i in inside])
        error += len(inside) / len(scores) * abs(accuracy - confidence)
        assert reliability.count[b] == len(inside)
        assert reliability.accuracy[b] == pytest.approx(accuracy)
        assert reliability.confidence[b] == pytest.approx(confidence)
    assert calibration.expected_calibration_error() == pytest.approx(error)


def test_scores_that_tell_the_truth_have_no_calibration_error():
    calibration = CalibrationError()
    label = np.zeros((10, 10), int)
    predicted = np.zeros((10, 10), int)
    predicted[:, :3] = 1  # 70 % right
    calibration.update(np.full((10, 10), 0.7), predicted, label)
    assert calibration.expected_calibration_error() == pytest.approx(0, abs=1e-9)
    assert np.isnan(calibration.reliability().accuracy).sum() == 14


def test_calibration_refuses_logits():
    with pytest.raises(ValueError, match="between 0 and 1"):
        CalibrationError().update(np.array([[3.0]]), np.array([[0]]), np.array([[0]]))


def test_a_threshold_refuses_what_scores_less():
    rng = np.random.default_rng(0)
    left_out, right = rng.random(500) ** 2, rng.random(800) ** 0.5
    rejection = Rejection()
    for part in np.split(left_out, 5):
        rejection.add_left_out(part)
    rejection.add_right(right.reshape(20, 40))
    for threshold in (0.0, 0.25, 0.5, 1.0):
        assert rejection.refused(threshold) == pytest.approx((left_out < threshold).mean())
        assert rejection.lost(threshold) == pytest.approx((right < threshold).mean())
    threshold = rejection.threshold(lost=0.1)
    assert (right < threshold).mean() <= 0.1 < (right < threshold + 0.01).mean()


def test_nothing_measured_is_no_share():
    assert np.isnan(Rejection().refused(0.5))
    assert np.isnan(Rejection().lost(0.5))
