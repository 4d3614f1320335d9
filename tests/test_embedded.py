"""The weights that ship: the very file, and what it says about an example photo."""

from pathlib import Path

import pytest

from errseg import Predictor, load_model
from errseg.checkpoints.stored_config import file_hash
from errseg.config import EMBEDDED, EMBEDDED_SHA256
from errseg.pictures.export import legend, result_colors

ROOT = Path(__file__).resolve().parent.parent
WEIGHTS = EMBEDDED["errseg-lite"]
SHA256 = EMBEDDED_SHA256["errseg-lite"]
SHIPPED_AT_MOST = 40 * 10**6  # bytes
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


def test_a_golden_result(predictor):
    result = predictor(ROOT / "examples/cat.jpg", "cat, dog, blanket, pillow, wall", threshold=0)
    areas = {entry.name: entry.area for entry in legend(result, result_colors(result))}
    for name, area in CAT.items():
        assert areas.get(name, 0) == pytest.approx(area, abs=TOLERANCE), name


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
    ],
)
def test_one_word_by_itself_takes_what_it_names_and_no_more(predictor, photo, word, least, most):
    result = predictor(ROOT / f"examples/{photo}.jpg", word)
    assert least <= (result.labels == 0).mean() <= most
