"""A closer look at one place: a tile around it, and all else as ever."""

import argparse
import json

import gradio as gr
import numpy as np
import pytest
import torch
from command_line import refused
from encoded_part import encode_part
from PIL import Image
from test_page import Visitor, data_of

from errseg.commands.options import add_question_options, asked_options
from errseg.config import model_config
from errseg.demo.backend.budget import Budget
from errseg.demo.backend.links import command, query_string, read_link
from errseg.demo.backend.models import Models
from errseg.demo.backend.price import Prices
from errseg.demo.backend.request import check_request
from errseg.demo.backend.service import Service
from errseg.demo.page.events import served
from errseg.demo.page.layout import create_demo
from errseg.demo.serve.doors import API
from errseg.demo.serve.messages import checked_message
from errseg.errors import InputError
from errseg.inference.closer import WHOLE_SHARE, blend
from errseg.inference.photo import network_size
from errseg.inference.predictor import Predictor
from errseg.inference.tiles import MOST_ENLARGED, SEEN_WHOLLY, chosen_tiles
from errseg.options import Options, check_place

WORDS = "cat, dog, sky, grass, tree, road, sofa"
LITE = model_config("errseg-lite")
PLACE = (0.7, 0.4)


@pytest.fixture
def photo(make_pixels):
    return make_pixels(1, 600, 800)[0].permute(1, 2, 0).numpy()


@pytest.mark.parametrize("size", [(1536, 2048), (3000, 4000), (300, 2048), (480, 640)])
@pytest.mark.parametrize("place", [(0.0, 1.0), (0.5, 0.5), (0.31, 0.88)])
def test_the_tile_lies_in_the_photo_around_the_place(size, place):
    tiles = chosen_tiles(size, LITE, closer_at=place)
    assert tiles.is_one
    (box,) = tiles.boxes(size)
    whole = network_size(size, LITE)
    for side, span, at, seen, all_seen in zip(
        size, box, place[::-1], tiles.size, whole, strict=True
    ):
        assert 0 <= span.start <= at * side <= span.stop <= side
        if span.start and span.stop < side:
            assert (span.start + span.stop) / 2 == pytest.approx(at * side, abs=side / 100)
        enlarged = seen / (span.stop - span.start)
        assert enlarged <= MOST_ENLARGED * 1.1  # grids of whole cells
        assert enlarged > 1.2 * all_seen / side
    assert np.prod(tiles.size) == pytest.approx(LITE.input_size**2, rel=0.05)
    # As large as the page has it: the same part of the photo.
    if max(size) > 2048:
        smaller = tuple(side * 2048 // max(size) for side in size)
        assert chosen_tiles(smaller, LITE, closer_at=place) == tiles


def test_a_photo_without_more_to_show_has_no_tile():
    assert chosen_tiles((300, 451), LITE, closer_at=PLACE) is None
    assert chosen_tiles((300, 451), LITE, input_size=256, closer_at=PLACE).is_one
    assert chosen_tiles((300, 451), LITE, 1, 256, PLACE).is_one
    with pytest.raises(InputError, match="at one place or everywhere, in 3 x 3 tiles"):
        chosen_tiles((300, 451), LITE, 3, 256, PLACE)


def test_the_tile_s_window_falls_towards_the_rest_of_the_photo_and_not_at_its_rim():
    tiles = chosen_tiles((1536, 2048), LITE, closer_at=(0.5, 0.0))  # at the upper rim
    whole, part = torch.full((1, 2, 5, 7), 3.0), torch.full((1, 2, 4, 6), 3.0)
    torch.testing.assert_close(blend(whole, [part], tiles), torch.full((1, 2, *tiles.grid), 3.0))
    window = blend(torch.zeros(1, 1, 5, 7), [torch.ones(1, 1, 4, 6)], tiles)[0, 0]
    (top, bottom), (left, right) = next(tiles.places())
    assert top == 0
    middle = (left + right) // 2
    assert window[0, middle] == window.max() == pytest.approx(1 - WHOLE_SHARE)
    for rim in (window[bottom - 1, middle], window[5, left], window[5, right - 1]):
        assert 0 < rim < window.max() / 20
    outside = window.clone()
    outside[top:bottom, left:right] = 0
    assert not outside.any()


def test_outside_the_tile_all_is_the_whole_look_s(tiled_model, photo):
    predictor = Predictor(tiled_model)
    whole = predictor(photo, WORDS, tiles=1)
    closer = predictor(photo, WORDS, closer_at=PLACE)
    tiles = chosen_tiles(photo.shape[:2], tiled_model.config, closer_at=PLACE)
    (box,) = tiles.boxes(photo.shape[:2])
    outside = np.ones(photo.shape[:2], bool)
    outside[box] = False
    assert outside.mean() > 0.5
    for name in ("labels", "scores"):
        before, now = getattr(whole, name), getattr(closer, name)
        np.testing.assert_array_equal(now[outside], before[outside])
        assert (now[box] != before[box]).mean() > 0.02
    # Inside it is the blend of both looks, with the same classes.
    text, _ = predictor.embed(check_request("photo", WORDS).vocabulary)
    with torch.inference_mode():
        size = network_size(photo.shape[:2], tiled_model.config)
        parts = (photo, size), (photo[box], tiles.size)
        seen = [encode_part(tiled_model, *part) for part in parts]
        looks = [tiled_model.decode(features, text, len(text)).kept_logits for features in seen]
    expected = blend(looks[0], looks[1:], tiles).sigmoid()[0]
    np.testing.assert_allclose(closer.class_scores, expected, atol=1e-5)
    assert (closer.settings.tiles, closer.settings.closer_at) == (1, PLACE)
    assert closer.settings.tile_size == tiles.size
    assert "closer around the place 70 % from its left and 40 % from its top" in closer.notices[0]
    left, top, right, bottom = closer.closer_box
    assert left < PLACE[0] < right
    assert top < PLACE[1] < bottom
    # Hovering, attention and the threshold go on from it.
    assert predictor.attention(photo, WORDS, (5, 5), closer_at=PLACE).classes.shape[-1] == 7
    higher = predictor(photo, WORDS, closer_at=PLACE, threshold=float(np.median(closer.scores)))
    np.testing.assert_array_equal(higher.scores, closer.scores)
    assert predictor(photo, WORDS, closer_at=(0.2, 0.4)).closer_box != closer.closer_box


def test_where_it_shows_no_more_the_whole_look_answers_and_says_so(
    tiled_model, make_pixels, photo_file
):
    small = make_pixels(1, 90, 120)[0].permute(1, 2, 0).numpy()
    predictor = Predictor(tiled_model)
    whole, asked = predictor(small, WORDS), predictor(small, WORDS, closer_at=PLACE)
    np.testing.assert_array_equal(asked.scores, whole.scores)
    assert asked.notices == (SEEN_WHOLLY,)
    assert asked.settings == whole.settings


@pytest.mark.parametrize(
    "place", ["0.5", "0.5,0.5,0.5", "a,b", (1.01, 0), (-0.1, 0), "nan,0", 3, [1]]
)
def test_a_place_that_is_none_gets_a_sentence(tiled_model, photo, place, capsys):
    for ask in (
        lambda: check_place(place),
        lambda: check_request("photo.jpg", "cat", closer_at=place),
        lambda: Predictor(tiled_model)(photo, "cat", closer_at=place),
    ):
        with pytest.raises(InputError, match=r"is X,Y in parts of the photo's width and height"):
            ask()
    if isinstance(place, str):
        asked = "segment", "a.jpg", "--classes", "cat", "--out", "b", f"--closer-at={place}"
        assert "such as 0.5,0.25, not " in refused(capsys, *asked)


def test_a_place_is_told_and_read_at_every_door():
    assert check_place(" ") is check_place(None) is None
    assert check_place("0.123456, 1") == check_place([0.12346, 1]) == (0.1235, 1.0)
    request = check_request("photo.jpg", "cat", "errseg-lite", closer_at="0.123456,1")
    request = request.changed(threshold=0.4)
    told = command(request, "photo.jpg").split()
    assert told[told.index("--closer-at") + 1] == "0.1235,1"
    parser = argparse.ArgumentParser()
    add_question_options(parser)
    assert asked_options(parser.parse_args(["--closer-at", "0.1235,1"])).closer_at == (0.1235, 1.0)
    assert asked_options(parser.parse_args([])).closer_at is None
    query = query_string(request, None, "errseg-lite")
    assert query.endswith("&closer=0.1235,1")
    link = read_link(dict(pair.split("=") for pair in query[1:].split("&")), ())
    assert Options(**link.options).closer_at == (0.1235, 1.0)
    assert "closer" not in query_string(request.changed(closer_at=None), None, "errseg-lite")


def test_a_look_at_a_place_has_its_price_and_is_refused_with_what_would_fit(lite_weights, photo):
    service = Service(Models(lite_weights, "cpu", "float32"))
    prices, shape = Prices(service.models.predictor), (1536, 2048)
    request = check_request("photo.jpg", WORDS, input_size=256)
    plain, here, two = (
        prices.answer(request.changed(**look), shape)
        for look in ({"tiles": 1}, {"closer_at": PLACE}, {"tiles": 2})
    )
    assert plain.seconds < here.seconds < 2 * plain.seconds
    assert here.seconds < two.seconds
    assert here.bytes > plain.bytes
    small = {"input_size": 1024, "closer_at": PLACE}
    assert prices.answer(request.changed(**small), (300, 400)) == prices.answer(
        request.changed(input_size=1024), (300, 400)
    )


@pytest.fixture
def demo(lite_weights):
    return create_demo(Models(lite_weights, "cpu", "float32"))


def test_programs_that_know_fewer_inputs_get_the_defaults_of_the_others(demo):
    values = [None, "cat", 8, 3, 0.5, 2, "0.5,0.5"]
    for count, expected in ((7, values), (6, [*values[:6], ""]), (5, [*values[:5], "auto", ""])):
        sent = json.dumps({"data": values[:count]}).encode()
        seen = json.loads(checked_message(f"{API}/call/segment", sent, demo.page))
        assert seen["data"] == expected
    with pytest.raises(InputError, match="needs 7 values in a list"):
        checked_message(f"{API}/call/segment", json.dumps({"data": values[:4]}).encode(), demo.page)


@pytest.fixture
def visitor(demo, photo, tmp_path):
    path = tmp_path / "large.png"
    Image.fromarray(photo).save(path)
    boxes = {"photo": {"path": served(path)}, "classes": WORDS, "threshold": 0.0}
    visitor = Visitor(demo.page, **boxes, input_size=128, precision="auto", tiles=3)
    visitor.service = demo.service
    return visitor


def look(visitor, at):
    """Press the button below the picture, or the one that takes the look away."""
    handler = visitor.events["look_closer"].fn
    event = gr.EventData(None, {"at": at})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(visitor.events["look_closer"], "fn", lambda given: handler(given, event))
        return visitor.press("look_closer")


def sent_masks(step):
    """What a step changes in the masks panel, or all of it."""
    data = data_of(step["errseg-masks"])
    return data.get("changes", data)


def test_the_page_looks_closer_at_the_cross_and_takes_it_back(visitor):
    filled, masks, *_ = look(visitor, "0.7,0.4")
    assert (filled["errseg-closer-at"], filled["errseg-tiles"]) == ("0.7,0.4", "auto")
    data = sent_masks(masks)
    left, top, right, bottom = data["closer"]
    assert left < 0.7 < right
    assert top < 0.4 < bottom
    assert data["question"]["link"]["query"].endswith("&closer=0.7,0.4")
    assert visitor.shown.pixel == (560, 240)  # attention is that of the place
    # It stays with other knobs and thresholds, until somebody takes it away.
    (step,) = visitor.turn(threshold=0.3)
    assert "changes" in data_of(step["errseg-masks"])
    assert sent_masks(visitor.turn(kept_classes=3)[0])["closer"] == data["closer"]
    filled, masks, *_ = look(visitor, "")
    assert filled["errseg-closer-at"] == ""
    assert sent_masks(masks)["closer"] is None
    assert visitor.shown.request.options.closer_at is None
    # One that is too dear says what would fit.
    price = visitor.service.models.loaded_for(visitor.shown.request).prices.answer(
        visitor.shown.request, (600, 800)
    )
    visitor.service.budget = Budget(seconds=1.01 * price.seconds, bytes=price.bytes)
    assert visitor.press()  # the whole look isn't
    handler = visitor.events["look_closer"].fn
    steps = list(handler(dict(visitor.given), gr.EventData(None, {"at": "0.2,0.2"})))
    said = " ".join(str(value) for step in steps for value in step.values())
    assert "Look closer: whole would fit" in said
