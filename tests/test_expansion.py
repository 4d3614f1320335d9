"""Words that a text tower spells out get what they are behind them; words that it knows don't."""

import math

import pytest

from errseg import build_model
from errseg.words.expansion import expand_name, with_hypernyms

PIECES = {"cat": 1, "red": 1, "fish": 1, "animal": 1, "catfish": 2, "rodent": 3, "gnawer": 2}


def pieces(name: str) -> float:
    """Of a name's most split word, by a small table; other words can't be spelt."""
    return max((PIECES.get(word, math.inf) for word in name.lower().split()), default=math.inf)


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("catfish", "catfish, fish, animal"),
        ("Red catfish", "Red catfish, fish, animal"),
        ("capybara", "capybara, gnawer, animal"),  # its rodents are in too many pieces
        ("cat", "cat"),
        ("red cat", "red cat"),
        ("catfish cat", "catfish cat"),  # its head noun is known
        ("zzz", "zzz"),  # not in WordNet
        ("猫", "猫"),
        ("", ""),
    ],
)
def test_words_in_pieces_get_their_hypernyms(name, read):
    assert expand_name(name, pieces) == read


@pytest.mark.parametrize("name", ["catfish", "Catfish", "Red catfish"])
def test_words_whose_masks_training_saw_stay_as_they_are(name):
    assert expand_name(name, pieces, trained_words=("catfish",)) == name
    assert expand_name(name, pieces, trained_words=("cat",)) != name


def test_a_known_word_may_be_given_its_hypernyms_too():
    assert with_hypernyms("cat", pieces) == "cat, animal"
    assert with_hypernyms("zzz", pieces) == "zzz"


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("capybara", "capybara, rodent, animal"),
        ("alpaca", "alpaca, llama, animal"),
        ("walruses", "walruses, aquatic mammal, animal"),
        ("potted plant", "potted plant"),
        ("traffic light", "traffic light"),
        ("T-shirt", "T-shirt"),
    ],
)
def test_the_embedded_tokenizer_tells_which_words_it_knows(name, read):
    assert expand_name(name, build_model("errseg-lite").towers.text.pieces) == read
