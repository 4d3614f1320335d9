"""What holds of every result, whatever the photo, the words and what was asked before."""

import io
import json

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from PIL import Image

from errseg.inference.predictor import Predictor
from errseg.options import Options
from errseg.pictures.export import as_dict, result_colors
from errseg.pictures.overlay import palette_mask

# A tiny model answers in some 20 ms; no example is tried twice or shrunk for minutes.
EXAMPLES = settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
CLOSE = 1e-4  # of scores, which lie in [0, 1]
WORDS = [
    "cat",
    "dog | red dog",
    "sky",
    "grass",
    "tree",
    "road",
    "sofa | red sofa",
    "fish",
    "animal",
]
VOCABULARIES = st.lists(st.sampled_from(WORDS), min_size=1, unique=True)
NONE = 255  # of a palette mask: no class


@st.composite
def photos(draw):
    """A photo of smooth blobs, of any shape from 16 pixels a side."""
    height, width = draw(st.integers(16, 90)), draw(st.integers(16, 90))
    coarse = np.random.default_rng(draw(st.integers(0, 99))).integers(0, 256, (4, 4, 3), np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


@st.composite
def options(draw, size=9):
    return Options(
        kept_classes=draw(st.integers(1, size)),
        votes_per_pixel=draw(st.integers(1, 4)),
        beta=draw(st.floats(0, 1)),
        threshold=draw(st.sampled_from([0.0]) | st.floats(0, 1)),
        input_size=128,
    )


@pytest.fixture(scope="module")
def model(make_model):
    model = make_model(lite=True, cost_shortcut=True)
    with torch.no_grad():
        model.shortcut_bias.sub_(4)  # scores from 0.2 to 0.8: some pixels have no class
    return model


@pytest.fixture(scope="module")
def predictor(model):
    """Shared by all examples of a test, so it has been asked other things before."""
    return Predictor(model)


def unrolled(rle: dict) -> np.ndarray:
    """Decode run lengths the slow way: pixel by pixel, down the columns."""
    height, width = rle["size"]
    mask, place, value = np.zeros((height, width), bool), 0, False
    for count in rle["counts"]:
        for _ in range(count):
            mask[place % height, place // height] = value
            place += 1
        value = not value
    assert place == height * width
    return mask


@EXAMPLES
@given(photo=photos(), words=VOCABULARIES, options=options())
def test_every_form_of_a_result_says_the_same(predictor, photo, words, options):
    result = predictor(photo, words, options)
    assert result.labels.shape == result.scores.shape == photo.shape[:2]
    assert -1 <= result.labels.min() <= result.labels.max() < len(words)
    assert ((result.labels >= 0) == (result.scores >= options.threshold)).all()

    colors, file = result_colors(result), io.BytesIO()
    palette_mask(result.labels, colors)[0].save(file, "PNG")
    with Image.open(file) as mask:
        assert np.array_equal(np.array(mask), np.where(result.labels < 0, NONE, result.labels))

    described = json.loads(json.dumps(as_dict(result, colors, masks=True)))
    height, width = photo.shape[:2]
    assert described["photo"] == {"width": width, "height": height}
    for entry in described["classes"]:
        own = result.labels == entry["index"]
        assert entry["area"] == pytest.approx(own.mean(), abs=1e-6)
        assert ("rle" in entry) == own.any()
        if "rle" in entry:
            assert np.array_equal(unrolled(entry["rle"]), own)


def kept_names(result) -> set[str]:
    return {result.classes[index] for index in result.kept}


def assert_same(one, other) -> None:
    """Whatever the order of the classes is."""
    assert kept_names(one) == kept_names(other)
    places = [other.classes.index(name) for name in one.classes]
    np.testing.assert_allclose(one.crm_scores, other.crm_scores[places], atol=CLOSE)
    np.testing.assert_allclose(one.scores, other.scores, atol=CLOSE)
    ours = {one.classes[i]: maps for i, maps in zip(one.kept, one.class_scores, strict=True)}
    theirs = {other.classes[i]: m for i, m in zip(other.kept, other.class_scores, strict=True)}
    for name, maps in ours.items():
        np.testing.assert_allclose(maps, theirs[name], atol=CLOSE)
    names = [np.array([*r.classes, ""])[r.labels] for r in (one, other)]
    # Where two classes are equally likely, or one is just as likely as the threshold.
    assert (names[0] == names[1]).mean() > 0.99


def has_a_tie(result) -> bool:
    """Whether CRM had to choose between classes of one score, of which it takes the first."""
    dropped = np.delete(result.crm_scores, result.kept)
    return dropped.size > 0 and dropped.max() >= result.crm_scores[[*result.kept]].min() - CLOSE


@EXAMPLES
@given(photo=photos(), words=VOCABULARIES, options=options(), data=st.data())
def test_the_order_of_the_words_changes_nothing(predictor, photo, words, options, data):
    one = predictor(photo, words, options)
    assume(not has_a_tie(one))
    assert_same(one, predictor(photo, data.draw(st.permutations(words)), options))


@EXAMPLES
@given(photo=photos(), words=VOCABULARIES, options=options())
def test_what_was_asked_before_changes_nothing(model, predictor, photo, words, options):
    predictor(photo, WORDS, kept_classes=len(WORDS), input_size=128)  # what it remembers most of
    assert_same(predictor(photo, words, options), Predictor(model)(photo, words, options))
