"""Nothing found is an answer too: what came nearest, and how to go on."""

import math

import numpy as np

from errseg.words.hints import Hint
from errseg.words.vocabulary import BACKGROUND_WORDS, Vocabulary, parse_classes

NOTHING = 0.001  # share of the pixels up to which a photo counts as without any of the words
SHOWN = 0.01  # share of the pixels that a lower threshold should show
NEAREST = 3  # classes that are named
_STEP = 100  # a threshold is offered in hundredths
_FEW_SURROUNDINGS = 3  # with fewer of the everyday ones in a vocabulary more are offered
_MOST_LOOKED_AT = 2**18  # pixels: enough to tell a share of one in a hundred


def ways_on(
    vocabulary: Vocabulary,
    labels: np.ndarray,
    scores: np.ndarray,
    class_scores: np.ndarray,
    kept: tuple[int, ...],
    threshold: float,
) -> tuple[Hint, ...]:
    """Say what to do where no pixel reached the threshold; nothing where some did.

    Args:
        vocabulary: what was looked for, T classes.
        labels: (H, W) int, -1 where no class reaches the threshold.
        scores: (H, W) float in [0, 1], of the best class.
        class_scores: (P, h, w) float in [0, 1], of the kept classes.
        kept: the indices of the kept classes, P.
        threshold: in [0, 1].
    """
    if float((labels >= 0).mean()) > NOTHING:
        return ()
    best = class_scores.reshape(len(kept), -1).max(axis=1)
    order = np.argsort(-best, kind="stable")[:NEAREST]
    nearest = ", ".join(f"{vocabulary.names[kept[i]]} ({best[i]:.2f})" for i in order)
    what = "Almost nothing" if (labels >= 0).any() else "Nothing"
    begin = f"{what} reaches the threshold of {threshold:.2f}; nearest by score: {nearest}"
    lower = _threshold_that_shows(scores)
    found = []
    if 0 < lower < threshold:
        begin += f". A threshold of {lower:.2f} would show some of it"
        found.append(Hint(f"{begin}.", f"threshold {lower:.2f}", threshold=lower))
    else:
        found.append(Hint(f"{begin}."))
    if more := _surroundings(vocabulary):
        added = parse_classes([*more])
        few = ", ".join(more[:NEAREST])
        said = f"Words are told apart more surely beside surroundings, such as {few}."
        found.append(Hint(said, "add surroundings", vocabulary.extend(added).text))
    return tuple(found)


def _threshold_that_shows(scores: np.ndarray) -> float:
    """Find the highest threshold, in hundredths, that `SHOWN` of the pixels reach."""
    flat = scores.ravel()[:: max(1, scores.size // _MOST_LOOKED_AT)]
    return math.floor(float(np.quantile(flat, 1 - SHOWN)) * _STEP) / _STEP


def _surroundings(vocabulary: Vocabulary) -> tuple[str, ...]:
    """Name everyday surroundings that a vocabulary lacks, if it has few of them."""
    own = {word.casefold() for prompt in vocabulary.classes for word in prompt.synonyms}
    missing = tuple(word for word in BACKGROUND_WORDS if word not in own)
    return missing if len(BACKGROUND_WORDS) - len(missing) < _FEW_SURROUNDINGS else ()
