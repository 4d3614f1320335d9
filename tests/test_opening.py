"""The stored opening belongs to its weights."""

import json

import pytest
from test_view import decode

from errseg.demo.backend import view
from errseg.demo.backend.examples import load_examples, opening_request
from errseg.demo.page import opening
from errseg.pictures.colors import class_colors, ink_color


def test_a_stored_opening_is_shown_for_its_own_weights_only(
    answer, attention, tmp_path, monkeypatch
):
    example = load_examples()[0]

    class Stored:
        device = "cpu"

        def __init__(self, *arguments):
            assert arguments[-1] == opening_request(example)

        def opening(self):
            return answer, attention

    monkeypatch.setattr(opening, "Service", Stored)
    weights, file = tmp_path / "model.safetensors", tmp_path / "opening.json"
    weights.write_bytes(b"first")
    monkeypatch.setattr(opening, "EMBEDDED", {"errseg-lite": weights})
    assert opening.load_opening(example, "errseg-lite", file) is None
    opening.write_opening(example, "errseg-lite", file)
    stored = opening.load_opening(example, "errseg-lite", file)
    assert stored.ranking == view.ranking(answer)
    assert decode(stored.masks["photo"]).shape == (427, 640, 3)
    assert "CPU" in stored.timing
    assert opening.load_opening(example, "model.pth", file) is None
    weights.write_bytes(b"second")
    assert opening.load_opening(example, "errseg-lite", file) is None


@pytest.mark.skipif(not opening.FILE.is_file(), reason="no opening is stored")
def test_the_stored_opening_is_of_the_embedded_weights():
    example = load_examples()[0]
    assert opening.load_opening(example, "errseg-lite"), (
        "The stored opening is stale; run: python -m errseg.demo.page.opening"
    )


@pytest.mark.skipif(not opening.FILE.is_file(), reason="no opening is stored")
def test_the_stored_opening_has_the_colours_that_an_answer_would_have():
    masks = json.loads(opening.FILE.read_text(encoding="utf-8"))["masks"]
    areas = {index: area for index, area, _ in masks["legend"]}
    names = masks["names"]
    colors = class_colors(names, [areas.get(index, 0) for index in range(len(names))])
    stored = {int(index): tuple(color) for index, color in masks["colors"].items()}
    assert areas.keys() <= stored.keys()
    assert stored == {index: colors[index] for index in stored}
    assert masks["inks"] == {str(i): list(ink_color(colors[i])) for i in areas}
