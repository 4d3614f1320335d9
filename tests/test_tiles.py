"""A closer look at large photos: tiles without seams, the same answer as ever for ordinary ones."""

import numpy as np
import pytest
import torch
from encoded_part import encode_part

from errseg.config import model_config
from errseg.demo.backend.photos import LONGEST_SIDE
from errseg.demo.backend.price import Prices
from errseg.demo.backend.request import check_request
from errseg.errors import InputError
from errseg.inference import tiles as tiles_module
from errseg.inference.closer import blend
from errseg.inference.photo import network_size, resize_photo
from errseg.inference.predictor import Predictor
from errseg.inference.tiles import LEAST_TILED, Tiles, chosen_tiles, said_of
from errseg.options import Options, check_tiles

WORDS = "cat, dog, sky, grass, tree, road, sofa"
LITE = model_config("errseg-lite")
LARGE = (1536, 2048)


@pytest.fixture
def photo(make_pixels):
    return make_pixels(1, 300, 400)[0].permute(1, 2, 0).numpy()


@pytest.fixture
def large_begins_at(monkeypatch):
    """Let "auto" look closer at photos of so many pixels."""
    return lambda pixels: monkeypatch.setattr(tiles_module, "LEAST_TILED", pixels)


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("size", [LARGE, (3000, 4000), (16, 900), (1000, 333)])
def test_tiles_cover_a_photo_and_overlap(size, count):
    tiles = chosen_tiles(size, LITE, count)
    covered = np.zeros(size, int)
    boxes = list(tiles.boxes(size))
    assert len(boxes) == count**2
    for box in boxes:
        covered[box] += 1
    assert covered.min() == 1
    assert covered.max() == 4
    heights, widths = ({box[axis].stop - box[axis].start for box in boxes} for axis in (0, 1))
    for lengths, side in ((heights, size[0]), (widths, size[1])):
        assert max(lengths) - min(lengths) <= 1
        assert min(lengths) > side / count


@pytest.mark.parametrize("count", [2, 3])
def test_the_weights_of_whole_and_tiles_sum_to_one_everywhere(count):
    tiles = chosen_tiles(LARGE, LITE, count)
    parts = list(tiles.places())
    whole = torch.full((1, 2, 5, 7), 3.5)
    constant = [torch.full((1, 2, 4, 6), 3.5)] * len(parts)
    torch.testing.assert_close(
        blend(whole, constant, tiles), torch.full((1, 2, *tiles.grid), 3.5), rtol=0, atol=1e-6
    )
    # One tile alone: its window falls to zero towards its neighbours, and to the photo's rim not.
    ones = [torch.full((1, 1, 4, 6), float(place == 0)) for place in range(len(parts))]
    window = blend(torch.zeros(1, 1, 5, 7), ones, tiles)[0, 0]
    (_, down), (_, across) = parts[0]
    assert window[0, 0] == window.max() > 0.5
    assert 0 < window[0, across - 1] < window.max() / 20
    assert not window[down:].any()
    assert not window[:, across:].any()
    steps = window.diff(dim=1).abs().max() / window.max()
    assert steps < 1.01 / (across - parts[1][1][0])  # a straight line over the overlap


def test_a_tile_says_what_it_shows_where_it_lies():
    """Logits that are the places themselves come out as places, whole and tiles alike."""
    tiles = chosen_tiles(LARGE, LITE, 3)
    height, width = tiles.grid

    def ramp(start, stop, cells):
        return (torch.arange(cells) + 0.5) / cells * (stop - start) + start

    def places(rows, columns, size):
        down, across = ramp(*rows, size[0]), ramp(*columns, size[1])
        return torch.stack([down[:, None].expand(size), across.expand(size)])[None]

    parts = [places(*spans, tuple(side // 4 for side in tiles.size)) for spans in tiles.places()]
    whole = places((0, height), (0, width), (height // 2, width // 2))
    blended, expected = blend(whole, parts, tiles), places((0, height), (0, width), tiles.grid)
    # At its rim a resized grid repeats its last cell.
    torch.testing.assert_close(blended, expected, rtol=0, atol=0.5)
    inner = (slice(None), slice(None), slice(4, -4), slice(4, -4))
    assert (blended - expected)[inner].abs().mean() < 0.01


def test_auto_looks_closer_at_large_photos_only():
    assert LONGEST_SIDE == tiles_module.LONGEST_COUNTED
    for size in ((1080, 1920), (300, 451), (1440, 1440), (683, 2048), (2000, 6000)):
        assert chosen_tiles(size, LITE) is None
    for size in (LARGE, (3000, 4000), (4000, 3000), (1500, 1500), (1152, 2048)):
        assert isinstance(chosen_tiles(size, LITE), Tiles)
        assert chosen_tiles(size, LITE, 1) is None
    # The network's least input can't be reduced.
    assert chosen_tiles(LARGE, LITE, input_size=128) is None
    assert len(list(chosen_tiles(LARGE, LITE, 3, 128).places())) == 9


@pytest.mark.parametrize("name", ["errseg-lite", "errseg-base", "errseg-large"])
def test_auto_sees_no_more_than_three_photos_of_the_network_s_size_beside_the_whole(name):
    config = model_config(name)
    for size in (LARGE, (4000, 3000), (1152, 2048), (2000, 2000)):
        for side in (None, 256, 640, 1024):
            tiles = chosen_tiles(size, config, input_size=side)
            height, width = network_size(size, config, side)
            seen = len(list(tiles.places())) * tiles.size[0] * tiles.size[1]
            assert seen < 2.8 * height * width
            part = tiles.rows[0][1] / tiles.grid[0]
            assert 1.2 < tiles.size[0] / height / part < 1.6  # it is a closer look
    assert chosen_tiles(LARGE, config, 2).size == network_size(LARGE, config)


def test_ordinary_photos_are_answered_as_ever(tiled_model, photo, monkeypatch):
    automatic = Predictor(tiled_model)(photo, WORDS, kept_classes=4)
    monkeypatch.setattr(Predictor, "_look_closer", lambda *_: pytest.fail("it looked closer"))
    whole = Predictor(tiled_model)(photo, WORDS, kept_classes=4, tiles=1)
    for name in ("labels", "scores", "crm_scores", "votes", "ranking", "class_scores"):
        np.testing.assert_array_equal(getattr(automatic, name), getattr(whole, name))
    assert automatic.notices == whole.notices == ()
    assert automatic.settings == whole.settings
    assert (whole.settings.tiles, whole.settings.tile_size) == (1, None)


def test_a_closer_look_is_the_blend_of_whole_and_tiles(tiled_model, photo):
    result = Predictor(tiled_model)(photo, WORDS, kept_classes=4, tiles=2)
    tiles = chosen_tiles(photo.shape[:2], tiled_model.config, 2)
    size = network_size(photo.shape[:2], tiled_model.config)
    text, _ = Predictor(tiled_model).embed(check_request("photo", WORDS).vocabulary)
    parts = (photo, size), *((photo[box], tiles.size) for box in tiles.boxes((300, 400)))
    with torch.inference_mode():
        looks = [encode_part(tiled_model, *part) for part in parts]
        alone = [tiled_model.decode(features, text, len(text)) for features in looks]
        votes = sum(out.votes for out in alone)
        kept = torch.tensor([result.kept])
        same = [tiled_model.decode(f, text, 4, select=lambda *_: kept).kept_logits for f in looks]
        expected = blend(same[0], same[1:], tiles).sigmoid()[0]
    np.testing.assert_array_equal(result.votes, votes[0])
    np.testing.assert_allclose(result.crm_scores, result.votes @ [1, 0.1, 0.01], rtol=1e-5)
    assert set(result.kept) == set(np.argsort(-result.crm_scores, kind="stable")[:4])
    np.testing.assert_allclose(result.class_scores, expected, atol=1e-5)
    np.testing.assert_array_equal(result.ranking, alone[0].ranking[0])
    assert result.labels.shape == (300, 400)
    assert (result.settings.tiles, result.settings.tile_size) == (2, tiles.size)
    assert result.notices == (
        "The photo was looked at closer, in 2 x 2 tiles beside the whole; attention and cost maps "
        "are the whole photo's. Things smaller than a tenth of its width may be missed; 3 x 3 "
        "tiles look closer still.",
    )
    assert "missed" not in said_of(3)
    assert {"encode", "tiles", "decode", "label"} <= set(result.timings)


def test_a_class_that_only_a_tile_sees_is_kept(tiled_model, photo, monkeypatch):
    """CRM of the whole photo alone would drop it."""
    from errseg.inference import closer

    dog = 1
    count = closer.count_votes
    votes = iter([0, 0, 0, 0, 10**6])

    def made_up(ranking, classes):
        own = count(ranking, classes)
        own[:, dog] = next(votes)
        return own

    monkeypatch.setattr(closer, "count_votes", made_up)
    assert dog in Predictor(tiled_model)(photo, WORDS, kept_classes=1, tiles=2).kept


def test_whole_auto_and_tiles_are_remembered_apart(tiled_model, photo, large_begins_at):
    large_begins_at(100_000)
    predictor = Predictor(tiled_model)
    asked = {tiles: predictor(photo, WORDS, tiles=tiles) for tiles in ("auto", 1, 2, 3)}
    sizes = {tiles: result.settings.tile_size for tiles, result in asked.items()}
    assert sizes["auto"] < sizes[2] == sizes[3]
    assert sizes[1] is None
    scores = {result.class_scores.tobytes() for result in asked.values()}
    assert len(scores) == 4
    for tiles, result in asked.items():
        again = predictor(photo, WORDS, tiles=str(tiles))
        np.testing.assert_array_equal(again.class_scores, result.class_scores)
    # A change that the network doesn't see in the whole photo, but in a tile.
    other = photo.copy()
    monkey = resize_photo(
        photo, network_size(photo.shape[:2], tiled_model.config), tiled_model.config
    )
    other[5, 5] ^= 1
    seen = resize_photo(
        other, network_size(photo.shape[:2], tiled_model.config), tiled_model.config
    )
    if np.array_equal(seen, monkey):
        assert predictor._read(other, WORDS, None, {"tiles": 2}).key != (
            predictor._read(photo, WORDS, None, {"tiles": 2}).key
        )


def test_attention_and_thresholds_follow_the_classes_that_were_kept(tiled_model, photo):
    predictor = Predictor(tiled_model)
    options = Options(kept_classes=3, tiles=2)
    result = predictor(photo, WORDS, options)
    attention = predictor.attention(photo, WORDS, (50, 60), options)
    assert attention.classes.shape[-1] == 3
    higher = predictor(photo, WORDS, options, threshold=float(np.median(result.scores)))
    assert higher.kept == result.kept
    np.testing.assert_array_equal(higher.labels >= 0, result.scores >= np.median(result.scores))


@pytest.mark.parametrize("tiles", [0, 4, -1, 2.5, "many", None, True, [2], "", float("nan")])
def test_other_numbers_of_tiles_get_a_sentence(tiled_model, photo, tiles):
    for ask in (
        lambda: check_tiles(tiles),
        lambda: check_request("photo.jpg", "cat", tiles=tiles),
        lambda: Predictor(tiled_model)(photo, "cat", tiles=tiles),
    ):
        with pytest.raises(InputError, match=r"Tiles are auto, 1, 2 or 3, not"):
            ask()


def test_tiles_come_as_numbers_or_text():
    assert [check_tiles(value) for value in ("auto", " AUTO", 1, "2", 3.0)] == ["auto"] * 2 + [
        1,
        2,
        3,
    ]


def test_a_closer_look_has_its_price(make_model):
    prices = Prices(Predictor(make_model(lite=True)))
    request = check_request("photo.jpg", WORDS, input_size=256)
    plain, auto, two, three = (
        prices.answer(request.changed(tiles=tiles), LARGE) for tiles in (1, "auto", 2, 3)
    )
    assert plain.seconds < auto.seconds < 4 * plain.seconds
    assert auto.seconds < two.seconds < three.seconds
    assert plain.bytes <= auto.bytes <= two.bytes <= three.bytes
    dear = request.changed(input_size=640, tiles=3)
    assert prices.answer(dear, LARGE).bytes > prices.answer(dear.changed(tiles=1), LARGE).bytes
    assert prices.answer(request, (1080, 1920)) == prices.answer(
        request.changed(tiles=1), (1080, 1920)
    )
    again = prices.answer(request, LARGE, encoded=True)
    assert again.seconds < auto.seconds
    assert LEAST_TILED > 1080 * 1920
