"""What is sent to the browser: every number of the answer, and no HTML of a visitor's."""

import base64
import dataclasses
import html as standard_html
import io
import json
import re

import numpy as np
import pytest
from demo_answers import NASTY
from live_attention import tiles
from packed_arrays import unpack, unpack_runs
from PIL import Image

from errseg.demo.backend import view
from errseg.demo.backend.answers import Answer
from errseg.demo.backend.packing import runs
from errseg.demo.page import html
from errseg.demo.page.hints import as_shown
from errseg.pictures.export import legend, result_colors
from errseg.words.hints import Hint


def decode(uri: str) -> np.ndarray:
    picture = Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1])))
    return np.asarray(picture.convert("RGB") if picture.mode == "P" else picture)


def test_nothing_a_visitor_typed_is_sent_as_html(answer, attention):
    sent = [view.masks(answer), view.ranking(answer), view.attention(attention)]
    page = "".join(map(view.as_html, sent))
    page += html.notes(answer, "cpu", 0.1) + html.message("<b>") + html.line("lint", NASTY[0])
    page += html.table([NASTY[:2]], NASTY[:1])
    for raw in ("<img", "<script", "<b>"):
        assert raw not in page
    text = re.fullmatch(r'<div data-view="([^"]*)" hidden></div>', view.as_html(sent[0]))[1]
    assert json.loads(standard_html.unescape(text))["names"] == list(NASTY)


def test_a_hint_is_data_and_is_not_said_twice(answer):
    hint = Hint(f"{NASTY[0]}: sky?", "sky", "sky, tree")
    shown = as_shown([hint])
    assert "<img" not in shown
    text = re.fullmatch(r'<div data-view="([^"]*)" hidden></div>', shown)[1]
    assert json.loads(standard_html.unescape(text))["hints"] == [
        {"sentence": hint.sentence, "label": "sky", "words": "sky, tree", "threshold": None}
    ]
    told = (*answer.result.notices, "Also.", hint.sentence)
    result = dataclasses.replace(answer.result, notices=told, hints=(hint,))
    page = html.notes(dataclasses.replace(answer, result=result), "cpu", 0.1)
    assert "Also." in page
    assert "sky?" not in page
    assert "<details" not in page
    said = [f"Notice {number}." for number in range(6)]
    result = dataclasses.replace(answer.result, notices=said)
    shown, folded = html.notes(dataclasses.replace(answer, result=result), "cpu", 0.1).split(
        "<details"
    )
    assert (shown.count("Notice"), folded.count("Notice")) == (2, 4)
    assert "and 4 more" in folded


def test_what_to_do_where_nothing_was_found_is_the_first_hint():
    hints = (Hint("A slip."), Hint("Nothing was found.", "threshold 0.10", threshold=0.1))
    text = re.fullmatch(r'<div data-view="([^"]*)" hidden></div>', as_shown(hints))[1]
    first, second = json.loads(standard_html.unescape(text))["hints"]
    assert (first["threshold"], second["sentence"]) == (0.1, "A slip.")


def test_the_browser_gets_every_pixel_s_label_votes_and_scores(answer):
    data = view.masks(answer)
    labels = unpack_runs(data["labels"])
    assert np.array_equal(np.where(labels == view.NO_CLASS, -1, labels), answer.result.labels)
    assert np.array_equal(unpack(data["ranking"]).round(), answer.result.ranking)
    maps = data["maps"]
    height, width = maps["grid"]
    mosaic = decode(maps["picture"]) / 255
    for place, own in enumerate(answer.result.class_scores):
        top, left = place // maps["columns"] * height, place % maps["columns"] * width
        tile = mosaic[top : top + height, left : left + width]
        np.testing.assert_allclose(tile, own, atol=0.002)
    assert decode(data["photo"]).shape == (20, 40, 3)
    assert data["none"] == pytest.approx(0.05)


def test_the_ranking_has_every_class_in_order(answer):
    data = view.ranking(answer)
    assert [row["index"] for row in data["rows"]] == [0, 1, 2, 3]
    assert [row["rank"] for row in data["rows"]] == [1, 2, 3, 4]
    assert data["kept"] == 2
    assert data["rows"][2]["votes"] == [0, 30]
    assert data["areas"] == [[0, 0.7], [1, 0.25]]


def with_threshold(answer, threshold):
    """The same answer as another threshold gives it."""
    settings = dataclasses.replace(answer.result.settings, threshold=threshold)
    labels = np.where(answer.result.scores < threshold, -1, answer.result.labels)
    result = dataclasses.replace(answer.result, labels=labels, settings=settings)
    colors = result_colors(result)
    return Answer(answer.photo, result, colors, legend(result, colors), answer.request)


def with_beta(answer, beta):
    """The same answer as another knob of the network might give it."""
    settings = dataclasses.replace(answer.result.settings, beta=beta)
    result = answer.result
    scores, ranking = result.class_scores[:, ::-1], result.ranking[:, ::-1]
    turned = {"class_scores": scores, "ranking": ranking, "labels": result.labels[::-1]}
    result = dataclasses.replace(result, settings=settings, **turned)
    return dataclasses.replace(answer, result=result)


@pytest.mark.parametrize(
    ("whole_of", "changes_of", "changed", "needed"),
    [
        (view.masks, lambda a: view.masks_changes(a, True), with_threshold, "of"),
        (view.masks, lambda a: view.masks_changes(a, False), with_beta, "subject"),
        (view.ranking, view.ranking_changes, with_threshold, "of"),
    ],
)
def test_changes_make_of_what_is_there_what_would_be_sent_whole(
    answer, whole_of, changes_of, changed, needed
):
    other = changed(answer, 0.9)
    sent = changes_of(other)
    assert sent["needs"] == {needed: whole_of(answer)[needed]}
    assert {**whole_of(answer), **sent["changes"]} == whole_of(other) != whole_of(answer)
    assert "photo" not in sent["changes"]


@pytest.mark.parametrize("side", [1, 300])
def test_labels_are_told_in_runs(side):
    labels = np.random.default_rng(0).integers(0, 3, (side, side)) * 30_000
    assert np.array_equal(unpack_runs(runs(labels)), labels)
    plain = np.full((side, side), 7)  # one run is longer than 16 bits count
    assert np.array_equal(unpack_runs(runs(plain)), plain)
    assert len(runs(plain)["runs"]) < 20


def test_changes_belong_to_one_photo_vocabulary_and_setting(answer):
    result = answer.result
    settings = dataclasses.replace(result.settings, beta=0.3)
    others = (
        dataclasses.replace(answer, photo=answer.photo[::-1]),
        dataclasses.replace(answer, result=dataclasses.replace(result, classes=NASTY[::-1])),
        dataclasses.replace(answer, result=dataclasses.replace(result, settings=settings)),
    )
    assert answer.key not in {other.key for other in others}
    assert [other.subject == answer.subject for other in others] == [False, False, True]


def test_a_photo_is_told_from_what_it_was_before(answer):
    photo = answer.photo.copy()

    def subject():
        return dataclasses.replace(answer, photo=photo).subject

    first = subject()
    assert first == answer.subject
    photo[0, 0] ^= 1
    changed = subject()
    assert changed != first
    photo.flags.writeable = False  # from now on it is remembered
    assert subject() == subject() == changed


def test_a_label_picture_is_the_same_with_few_labels_and_with_many():
    few, many = (np.arange(600).reshape(20, 30) % count - 1 for count in (256, 300))
    for labels in (few, many, np.full((2, 3), -1), few + 900):
        pixels = decode(view.label_picture(labels)).astype(int)
        values = pixels[..., 0] + 256 * pixels[..., 1]
        assert np.array_equal(np.where(values == view.NO_CLASS, -1, values), labels)


def test_attention_keeps_its_values(attention):
    data = view.attention(attention)
    np.testing.assert_allclose(unpack(data["costs"][0]), attention.costs.stride16, atol=1e-4)
    mean = attention.attention.classes_mean.mean(dim=(0, 1)).numpy()
    np.testing.assert_allclose(unpack(data["between"]), mean, atol=1e-4)
    assert data["layers"] == {"spatial": 2, "classes": 2}
    assert data["heads"] == 2
    assert data["grids"] == {"query": [4, 8], "key": [2, 4], "classes": [2, 4]}
    assert np.array_equal(tiles(data["winners"], 1)[0], attention.winners)
    assert data["unavailable"] is None
    [part] = view.queries(attention)
    assert [one["index"] for one in part["classes"]] == [1, 0]
    assert [len(part["classes"]) for part in view.queries(attention, most=1)] == [1, 1]


def test_attention_says_why_it_is_not_told_without_crm(attention):
    every = dataclasses.replace(attention, kept=(0, 1, 2, 3))
    assert view.attention(every)["unavailable"] == (
        "All 4 classes are kept here, so CRM changes nothing."
    )
    many = dataclasses.replace(attention, classes=tuple(map(str, range(172))))
    assert "up to 171 classes; here are 172" in view.attention(many)["unavailable"]


def test_the_line_below_a_result_says_what_computed_it(answer):
    assert "on CPU, errseg-lite in float32; photo 40 x 20" in html.notes(answer, "cpu", 0.1)


def test_a_large_photo_is_shown_smaller(answer):
    assert view._shown_size(3000, 4000) == (view.LONGEST_SHOWN, 960)
    assert view._shown_size(20, 40) == (40, 20)
