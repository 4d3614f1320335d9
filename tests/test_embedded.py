"""The weights that ship: the very file, and what it says about an example photo."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from errseg import Predictor, load_model, suggest_classes
from errseg.checkpoints.stored_config import file_hash
from errseg.commands.embed import offered_words
from errseg.config import EMBEDDED, EMBEDDED_SHA256
from errseg.demo.backend.examples import load_examples
from errseg.inference.text_embeddings import VocabularyEmbedder
from errseg.pictures.export import legend, result_colors
from errseg.words.vocabulary import (
    BACKGROUND_WORDS,
    load_vocabulary,
    named_vocabularies,
    parse_classes,
)

ROOT = Path(__file__).resolve().parent.parent
WEIGHTS = EMBEDDED["errseg-lite"]
SHA256 = EMBEDDED_SHA256["errseg-lite"]
SHIPPED_AT_MOST = 41 * 10**6
"""Bytes: weights of 38.3 MB, 0.9 MB of text embeddings (1,153 words, two bytes for each of 384
numbers, none derivable but by the text tower), 0.3 MB of priors, 1.4 MB of WordNet, pictures and
tables."""
# Share of the photo by class, measured once with these weights.
CAT = {"cat": 0.965, "wall": 0.035, "blanket": 0.0, "pillow": 0.0, "dog": 0.0}
TOLERANCE = 0.03


@pytest.fixture(scope="module")
def predictor():
    return Predictor(load_model("errseg-lite"))


def test_the_weights_are_those_of_the_model_card():
    assert file_hash(WEIGHTS) == SHA256
    assert SHA256[:12] in (WEIGHTS.parent / "README.md").read_text(encoding="utf-8")


def test_what_ships_stays_small():
    files = [path for path in (ROOT / "assets").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < SHIPPED_AT_MOST


@pytest.mark.parametrize("name", named_vocabularies())
def test_no_named_vocabulary_has_a_word_to_read(predictor, name):
    assert predictor.unread(load_vocabulary(name)) == []


def test_the_examples_words_and_the_surroundings_are_there(predictor):
    words = [example.classes for example in load_examples()] + [", ".join(BACKGROUND_WORDS)]
    assert [predictor.unread(parse_classes(text)) for text in words] == [[]] * len(words)


def test_the_text_that_ships_is_what_the_text_tower_says(predictor):
    """A sample of rows, computed anew: their directions, within what 16 bits hold."""
    words = parse_classes([*offered_words().names[:: len(offered_words()) // 24], "capybara"])
    found, _ = predictor.embed(words)
    computed, _ = VocabularyEmbedder(predictor.model, use_shipped=False)(words)
    torch.testing.assert_close(found, computed, rtol=0, atol=2**-11)
    assert ((found != computed).any(dim=1)[:-1]).all()  # these ship, in 16 bits
    assert torch.equal(found[-1], computed[-1])  # this one doesn't


def test_nobody_sees_whether_the_text_shipped(predictor):
    photo, words = ROOT / "examples/coffee.jpg", load_vocabulary("ade150")
    shipped = predictor(photo, words)
    computing = Predictor(predictor.model)
    computing._text = VocabularyEmbedder(predictor.model, use_shipped=False)
    computed = computing(photo, words)
    assert (shipped.labels == computed.labels).mean() > 0.999
    assert shipped.kept == computed.kept
    assert abs(shipped.scores - computed.scores).max() < 0.01


def test_a_cat_a_cup_and_a_flower_are_found_without_a_word(predictor):
    for photo, name in (("cat", "cat"), ("coffee", "cup"), ("flower", "flower")):
        found = suggest_classes(predictor, ROOT / f"examples/{photo}.jpg")
        assert name in {suggestion.name for suggestion in found}


def test_a_golden_result(predictor):
    result = predictor(ROOT / "examples/cat.jpg", "cat, dog, blanket, pillow, wall", threshold=0)
    areas = {entry.name: entry.area for entry in legend(result, result_colors(result))}
    for name, area in CAT.items():
        assert areas.get(name, 0) == pytest.approx(area, abs=TOLERANCE), name


def test_a_cat_of_300_pixels_in_12_megapixels_is_found_by_looking_there(predictor):
    """As the page reads it: of 150 in 2048 pixels the network sees some 50, and finds nothing."""
    field = Image.open(ROOT / "examples/china.jpg").resize((2048, 1536))
    field.paste(Image.open(ROOT / "examples/cat.jpg").resize((150, 100)), (1330, 970))
    words, place = "temple, tree, sky, person, cat", (1405 / 2048, 1020 / 1536)
    whole = predictor(field, words, tiles=1).labels
    looked = predictor(field, words, closer_at=place)
    cat = slice(970, 1070), slice(1330, 1480)
    assert (whole[cat] == 4).mean() < 0.1
    assert (looked.labels[cat] == 4).mean() > 0.9
    left, top, right, bottom = looked.closer_box
    outside = np.ones(whole.shape, bool)
    outside[round(top * 1536) : round(bottom * 1536), round(left * 2048) : round(right * 2048)] = 0
    assert outside.mean() > 0.5
    assert np.array_equal(looked.labels[outside], whole[outside])


def test_the_threshold_is_the_model_s_own_unless_another_is_given(predictor):
    """A word for nothing in the photo then gets little of it: the rest is none of these."""
    advised = predictor(ROOT / "examples/flower.jpg", "airplane, bus, sofa")
    assert advised.settings.threshold == predictor.model.config.calibration.threshold > 0
    asked = predictor(ROOT / "examples/flower.jpg", "airplane, bus, sofa", threshold=0)
    assert (asked.labels >= 0).all()
    assert (advised.labels == -1).mean() > 0.9


@pytest.mark.parametrize(
    ("photo", "word", "least", "most"),
    [
        ("cat", "cat", 0.7, 1.0),
        ("flower", "flower", 0.8, 1.0),
        ("coffee", "cup", 0.2, 0.5),
        ("cat", "pizza", 0.0, 0.05),
        ("flower", "dog", 0.0, 0.05),
        ("coffee", "airplane", 0.0, 0.05),
        ("cat", "dog", 0.0, 0.05),
        ("cat", "lion", 0.0, 0.05),
    ],
)
def test_one_word_by_itself_takes_what_it_names_and_no_more(predictor, photo, word, least, most):
    result = predictor(ROOT / f"examples/{photo}.jpg", word)
    assert least <= (result.labels == 0).mean() <= most
