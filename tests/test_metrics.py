"""The measures against loops over pixels, torchmetrics, and figures done by hand."""

import math

import numpy as np
import pytest
import torch
from torchmetrics.classification import MulticlassAccuracy, MulticlassJaccardIndex

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


@pytest.mark.parametrize("lost", [False, True], ids=["all classified", "some lost"])
def test_every_measure_equals_torchmetrics(lost):
    """Ignored pixels, classes that no pixel has, pixels that get no class."""
    classes, rng = 6, np.random.default_rng(3)
    matrix, guesses, truths = ConfusionMatrix(classes), [], []
    for size in ((40, 30), (7, 90), (1, 1)):
        label = rng.choice([-1, 0, 1, 3, 4], size, p=[0.2, 0.5, 0.15, 0.1, 0.05])  # no 2, no 5
        predicted = np.where(rng.random(size) < 0.6, label, rng.integers(0, classes, size))
        predicted[predicted == 5] = 4  # 5 is predicted nowhere either, 2 is
        predicted[predicted == -1] = 0
        if lost:
            predicted[rng.random(size) < 0.1] = -1
        matrix.update(predicted, label)
        guesses.append(torch.from_numpy(predicted).flatten())
        truths.append(torch.from_numpy(label).flatten())
    guess, truth = torch.cat(guesses), torch.cat(truths)
    guess[guess == -1] = classes  # to torchmetrics "none" is one class more

    def measured(measure, average):
        metric = measure(classes + 1, average=average, ignore_index=-1, validate_args=True)
        return metric(guess, truth).numpy()

    occurring = [0, 1, 3, 4]
    iou = measured(MulticlassJaccardIndex, "none")[occurring]
    accuracy = measured(MulticlassAccuracy, "none")[occurring]
    np.testing.assert_allclose(matrix.iou()[occurring], iou, rtol=1e-6)
    assert np.isnan(matrix.iou()[[2, 5]]).all()
    assert matrix.miou() == pytest.approx(iou.mean())
    assert matrix.mean_class_accuracy() == pytest.approx(accuracy.mean())
    assert matrix.pixel_accuracy() == pytest.approx(measured(MulticlassAccuracy, "micro").item())
    weighted = measured(MulticlassJaccardIndex, "weighted").item()
    assert matrix.frequency_weighted_iou() == pytest.approx(weighted)


def test_pixels_given_to_no_class_are_misses():
    matrix = ConfusionMatrix(2)
    matrix.update(np.array([[0, -1, 1, 1]]), np.array([[0, 0, 1, -1]]))
    np.testing.assert_allclose(matrix.iou(), [0.5, 1.0])
    assert matrix.pixel_accuracy() == pytest.approx(2 / 3)
    assert matrix.mean_class_accuracy() == pytest.approx((1 / 2 + 1) / 2)
    assert matrix.frequency_weighted_iou() == pytest.approx((2 * 1 / 2 + 1 * 1) / 3)


def test_a_class_that_never_occurs_costs_the_others_but_has_no_iou():
    matrix = ConfusionMatrix(3)
    matrix.update(np.array([[0, 2, 2, 1]]), np.array([[0, 0, 1, 1]]))
    assert matrix.miou() == pytest.approx(0.5)
    assert matrix.mean_class_accuracy() == pytest.approx(0.5)


def test_nothing_counted_is_nan_not_zero():
    matrix = ConfusionMatrix(2)
    matrix.update(np.zeros((2, 2), int), np.full((2, 2), -1))
    assert math.isnan(matrix.miou())
    assert math.isnan(matrix.pixel_accuracy())
    assert math.isnan(matrix.frequency_weighted_iou())
    assert math.isnan(matrix.mean_class_accuracy())
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


@pytest.mark.parametrize("edge", range(1, 15))
def test_scores_on_both_sides_of_a_bin_s_edge_don_t_make_up_for_each_other(edge):
    """One is wrong, so surer than it should be; the other is right, so less sure."""
    below, above = edge / 15 - 1e-3, edge / 15 + 1e-3
    error = CalibrationError()
    error.update(np.array([[below, above]]), np.array([[1, 0]]), np.array([[0, 0]]))
    expected = (below + (1 - above)) / 2
    assert error.expected_calibration_error() == pytest.approx(expected, abs=1e-7)


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


def test_a_score_at_the_threshold_is_not_rejected():
    counts = ScoreCounts()
    counts.add(np.array([0.0, 0.25, 0.2501, 1.0]))
    shares = [counts.share_below(t) for t in (0.0, 0.25, 0.2501, 0.2502, 1.0)]
    assert shares == [0, 1 / 4, 2 / 4, 3 / 4, 3 / 4]


def test_sums_merged_are_the_sums_of_all():
    """To the bit, in whatever order."""
    rng = np.random.default_rng(4)
    photos = [(*photo, rng.random((7, 9)).astype(np.float32)) for photo in _photos(rng, count=6)]

    def summed(*chosen):
        sums = ConfusionMatrix(4), CalibrationError(), ScoreCounts()
        for predicted, label, scores in chosen:
            sums[0].update(predicted, label)
            sums[1].update(scores, predicted, label)
            sums[2].add(scores)
        return sums

    def figures(matrix, error, counts):
        shares = [counts.share_below(t) for t in np.linspace(0, 1, 11)]
        return matrix.counts.tolist(), error.expected_calibration_error(), shares

    expected = figures(*summed(*photos))
    for order in ((0, 1, 2), (2, 0, 1)):
        parts = [summed(*photos[rank::3]) for rank in order]
        merged = parts[0]
        for part in parts[1:]:
            for mine, theirs in zip(merged, part, strict=True):
                mine.merge(theirs)
        assert figures(*merged) == expected


def test_a_photo_of_many_pixels_adds_up_without_rounding():
    """One score over and over: the error is the score itself, however often it was added."""
    error, photo = CalibrationError(), np.zeros((1000, 1000), np.int64)
    for _ in range(10):
        error.update(np.full(photo.shape, np.float32(0.1)), photo, photo + 1)
    assert error.expected_calibration_error() == pytest.approx(np.float32(0.1), abs=2**-28)


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
