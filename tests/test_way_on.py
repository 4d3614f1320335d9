"""Nothing found says what came nearest, and how to go on."""

import numpy as np

from errseg.inference.way_on import ways_on
from errseg.words.vocabulary import parse_classes

WORDS = parse_classes("dog, cat, sky")


def ways(best, threshold, words=WORDS, found=0.0):
    """Ask about a photo of 100 x 100 pixels, 5 % of which reach the best score."""
    scores = np.full((100, 100), 0.05, np.float32)
    scores[:5] = best
    labels = np.full((100, 100), -1)
    labels.ravel()[: round(found * labels.size)] = 0
    class_scores = np.stack([np.full((4, 4), value, np.float32) for value in (0.02, best)])
    return ways_on(words, labels, scores, class_scores, (0, 1), threshold)


def test_the_nearest_classes_and_a_threshold_that_shows_them():
    lower, more = ways(best=0.308, threshold=0.38)
    assert lower.sentence == (
        "Nothing reaches the threshold of 0.38; nearest by score: cat (0.31), dog (0.02). "
        "A threshold of 0.30 would show some of it."
    )
    assert lower.threshold == 0.3
    assert more.words.startswith("dog, cat, sky, wall, floor")
    assert more.words.count("sky") == 1


def test_surroundings_are_offered_where_there_are_few():
    assert len(ways(0.3, 0.38, parse_classes("dog, cat, sky, tree, wall"))) == 1


def test_no_threshold_is_offered_that_is_none():
    first, *_ = ways(best=0.004, threshold=0.04)
    assert first.threshold is None
    assert "nearest by score" in first.sentence


def test_what_is_found_needs_no_way_on():
    assert ways(0.3, 0.2, found=0.05) == ()
    assert "Almost nothing" in ways(0.3, 0.2, found=0.0005)[0].sentence
