"""Proposition 1, measured: against the network as drawn, and against attention written out."""

import dataclasses
import math

import pytest
import torch
from test_tables import MANY, photos_of, write

from errseg.config import STRIDES
from errseg.datasets.folders import load_sets
from errseg.inference.attended import share_on
from errseg.inference.photo import load_image, network_size, resize_photo
from errseg.inference.predictor import Predictor
from errseg.measuring import as_drawn
from errseg.measuring.tables.photos import Asked
from errseg.measuring.tables.proposition import measure_proposition
from errseg.words.vocabulary import parse_classes

KEPT = 16  # the paper's P for twenty classes


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    many = {str(index): name for index, name in enumerate(MANY)}
    write(root, "many", many, [[[0, 7], [15, 15]], [[3, 3], [19, 255]]])
    write(root, "few", {"1": "cat", "2": "dog"}, [[[1, 1], [2, 2]]])
    return load_sets(root)


@pytest.fixture(scope="module", params=["lite", "clip"])
def model(request, make_model):
    model = make_model(lite=request.param == "lite")
    model.config = dataclasses.replace(model.config, input_size=192)
    with torch.no_grad():  # what CFM does should matter to the layer after it
        for layer in model.escf:
            for part in ("query", "key", "value", "out"):
                getattr(layer.cfm.attention, part).weight.mul_(5)
    return model


def share(weights, rows, columns):
    """Attention (cells, heads, P, P) from some classes to some, (cells, heads, rows), by loops."""
    return torch.stack([sum(weights[:, :, row, c] for c in columns) for row in rows], dim=-1)


@torch.inference_mode()
def test_shares_are_those_of_the_network_as_drawn(model, sets):
    predictor = Predictor(model)
    (found,) = measure_proposition(predictor, sets, Asked())
    assert (found.name, found.classes, found.kept, found.photos) == ("many", 20, KEPT, 2)
    text, _ = predictor.embed(parse_classes(list(MANY)))
    with_all, same, own = ([[], []] for _ in range(3))
    for path, label in photos_of(sets[1]):
        photo = load_image(path)
        size = network_size(photo.shape[:2], model.config)
        pixels = torch.from_numpy(resize_photo(photo, size, model.config)).permute(2, 0, 1)[None]
        encoded = as_drawn.encode_image(model, pixels)
        all_classes, few = (
            as_drawn.decode(model, *encoded, text, kept_classes=p, keep_attention=True)
            for p in (20, KEPT)
        )
        kept = few.kept[0].tolist()
        present = [c for c in sorted(set(label[label >= 0].tolist())) if c in kept]
        places = [kept.index(c) for c in present]
        for layer in range(2):
            whole, part = all_classes.class_attention[layer][0], few.class_attention[layer][0]
            with_all[layer].append(share(whole, present, present))
            own[layer].append(share(part, places, places))
            # A softmax over fewer keys is the whole one's weights on them, brought to sum to one.
            on_kept = share(whole, present, kept)
            same[layer].append(share(whole, present, present) / on_kept)
    for layer, row in enumerate(found.layers):
        for shares, figure in (
            (with_all, row.with_all),
            (same, row.same_input),
            (own, row.with_kept),
        ):
            expected = sum(photo.mean().item() for photo in shares[layer]) / 2
            assert figure == pytest.approx(expected, abs=1e-5)
        pairs = list(zip(own[layer], with_all[layer], strict=True))
        grown = sum((a >= b - 1e-5).sum().item() for a, b in pairs)
        assert row.grew == pytest.approx(grown / sum(a.numel() for a, _ in pairs), abs=0.01)
        photos = [a.mean() >= b.mean() for a, b in pairs]
        assert row.photos_grew == sum(photos) / 2
        # What the proposition says of one input is certain.
        assert row.grew_same_input == 1
        assert row.same_input >= row.with_all
    assert abs(found.layers[1].with_kept - found.layers[1].same_input) > 1e-4
    assert found.layers[0].with_kept == pytest.approx(found.layers[0].same_input, abs=1e-6)
    assert found.layers[0].grew == 1


def test_a_share_is_that_of_a_softmax_written_out(randn):
    query, key, present, heads = randn(3, 5, 8), randn(3, 5, 8), [1, 4], 2
    found = share_on(query, key, present, heads)
    assert found.shape == (3, 2, 2)
    for cell in range(3):
        for head in range(heads):
            part = slice(4 * head, 4 * head + 4)
            for row, at in enumerate(present):
                logits = [float(query[cell, at, part] @ k) / 2 for k in key[cell, :, part]]
                weights = [math.exp(logit) for logit in logits]
                expected = (weights[1] + weights[4]) / sum(weights)
                assert found[cell, head, row].item() == pytest.approx(expected, abs=1e-6)


def test_photos_that_show_nothing_that_is_kept_do_not_count(make_model, tmp_path):
    many = {str(index): name for index, name in enumerate(MANY)}
    write(tmp_path, "bare", many, [[[255, 255], [255, 255]]])
    model = make_model(lite=True)
    model.config = dataclasses.replace(model.config, input_size=4 * STRIDES[-1])
    (found,) = measure_proposition(Predictor(model), load_sets(tmp_path), Asked())
    assert found.photos == 0
    assert len(found.layers) == 2
    assert all(math.isnan(value) for value in dataclasses.astuple(found.layers[1]))
