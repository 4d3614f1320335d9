"""What all cells attend to: against the network as drawn and loops over every pair of cells."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from errseg.errors import InputError
from errseg.inference import attended
from errseg.inference.attended import FAR, figure2
from errseg.inference.photo import network_size, resize_photo
from errseg.inference.predictor import Predictor
from errseg.measuring import as_drawn
from errseg.options import Options
from errseg.words.vocabulary import parse_classes

WORDS = parse_classes(["cat", "dog", "sky", "grass", "tree", "road", "sofa"])
SIZE = (90, 130)  # H, W of the photo: another aspect than the network's input
OPTIONS = Options(kept_classes=4, input_size=128)


@pytest.fixture(params=["clip", "lite"])
def model(request, make_model):
    model = make_model(lite=request.param == "lite")
    with torch.no_grad():  # so that attention is far from even, and classes matter to each other
        for layer in model.escf:
            for attention in (layer.sfm.attention, layer.cfm.attention):
                for part in ("query", "key", "value", "out"):
                    getattr(attention, part).weight.mul_(4)
    return model


@pytest.fixture
def photo(make_pixels):
    return make_pixels(1, *SIZE)[0].permute(1, 2, 0).numpy()


@torch.inference_mode()
def drawn_attention(model, photo, kept_classes):
    """The network as drawn: kept classes, SFM's and CFM's attention with the heads' mean."""
    predictor = Predictor(model)
    text, _ = predictor.embed(WORDS)
    size = network_size(SIZE, model.config, OPTIONS.input_size)
    pixels = torch.from_numpy(resize_photo(photo, size, model.config)).permute(2, 0, 1)[None]
    encoded = as_drawn.encode_image(model, pixels)
    out = as_drawn.decode(model, *encoded, text, kept_classes=kept_classes, keep_attention=True)
    spatial = [weights[0].mean(dim=1) for weights in out.spatial_attention]
    return out.kept[0].tolist(), spatial, [w[0] for w in out.class_attention], size


def cell_labels(label, rows, columns):
    """The share of each cell of a grid that a class has, {class: (rows, columns)}, by loops."""
    shares = {int(index): np.zeros((rows, columns)) for index in np.unique(label)}
    height, width = label.shape
    for i in range(rows):
        for j in range(columns):
            part = label[
                i * height // rows : -(-(i + 1) * height // rows),
                j * width // columns : -(-(j + 1) * width // columns),
            ]
            for index in shares:
                shares[index][i, j] = (part == index).mean()
    return shares


def looks(weights, kept, label, size):
    """Distance, own and own_far over all cells, by loops; a layer's weights (P, cells, sources)."""
    rows, columns = size[0] // 16, size[1] // 16
    shares = cell_labels(label, rows, columns)
    sums, count, evenly = np.zeros(3), 0, np.zeros(3)
    for i in range(rows):
        for j in range(columns):
            own = max(sorted(shares, reverse=True), key=lambda index: shares[index][i, j])
            if own not in kept:
                continue
            count += 1
            for a in range(rows // 2):
                for b in range(columns // 2):
                    weight = weights[kept.index(own), i * columns + j, a * (columns // 2) + b]
                    y = ((i + 0.5) / rows - (a + 0.5) / (rows // 2)) * SIZE[0]
                    x = ((j + 0.5) / columns - (b + 0.5) / (columns // 2)) * SIZE[1]
                    distance = math.hypot(y, x) / math.hypot(*SIZE)
                    cover = shares[own][2 * a : 2 * a + 2, 2 * b : 2 * b + 2].mean()
                    figures = np.array([distance, cover, cover * (distance > FAR)])
                    sums += float(weight) * figures
                    evenly += figures / (rows // 2) / (columns // 2)
    return sums / count, evenly / count, count


def test_figures_are_those_of_every_pair_of_cells(model, photo, monkeypatch):
    monkeypatch.setattr(attended, "WEIGHTS_AT_ONCE", 100)  # in many parts
    label = np.full((64, 96), -1)
    label[:30], label[30:, :50], label[40:, 60:] = 2, 0, 5
    predictor = Predictor(model)
    found = figure2(predictor, photo, WORDS, OPTIONS, label)
    for own, kept_classes in ((found.with_crm, 4), (found.without_crm, len(WORDS))):
        kept, spatial, class_attention, size = drawn_attention(model, photo, kept_classes)
        if kept_classes == 4:
            those = kept
            masked = np.where(np.isin(label, those), label, -1)
            assert found.present == tuple(sorted({*masked.ravel().tolist()} - {-1}))
        assert own.classes == len(kept)
        for layer, weights in enumerate(spatial):
            figures, evenly, count = looks(weights, kept, masked, size)
            assert dataclasses.astuple(own.sfm[layer]) == pytest.approx(figures, rel=1e-3)
            assert dataclasses.astuple(found.evenly) == pytest.approx(evenly, rel=1e-4)
            assert found.cells == count
        places = [kept.index(index) for index in found.present]
        for layer, weights in enumerate(class_attention):  # (cells, heads, P, P)
            expected = weights[:, :, places][..., places].sum(dim=-1).mean().item()
            assert own.on_present[layer] == pytest.approx(expected, rel=1e-3)
        assert own.evenly_on_present == len(places) / len(kept)
    # No class knows of another before the first CFM.
    first, same = (dataclasses.astuple(one.sfm[0]) for one in (found.with_crm, found.without_crm))
    assert first == pytest.approx(same, rel=1e-4)
    assert found.with_crm.sfm[1] != found.without_crm.sfm[1]


def test_without_labels_a_pixel_has_the_class_with_the_highest_score(model, photo):
    predictor = Predictor(model)
    out = predictor.segment(photo, WORDS, OPTIONS)
    winners = out.kept[0][out.kept_logits[0].argmax(dim=0)].numpy()
    assert figure2(predictor, photo, WORDS, OPTIONS) == figure2(
        predictor, photo, WORDS, OPTIONS, winners
    )


def test_where_all_classes_are_kept_there_is_one_side(model, photo):
    found = figure2(Predictor(model), photo, WORDS, OPTIONS.changed(kept_classes=7))
    assert found.without_crm is None
    assert found.with_crm.classes == len(WORDS)


def test_what_shows_no_class_that_is_kept_has_no_figures(model, photo):
    found = figure2(Predictor(model), photo, WORDS, OPTIONS, np.full((20, 30), -1))
    assert found.cells == 0
    assert found.present == ()
    for figure in (found.evenly.distance, found.with_crm.sfm[1].own, found.with_crm.on_present[0]):
        assert math.isnan(figure)


def test_a_layer_that_is_off_has_no_figures(make_model, photo):
    for off, (looks_of, shares) in {"sfm": (0, 2), "cfm": (2, 0)}.items():
        predictor = Predictor(make_model(lite=True, **{off: False}))
        found = figure2(predictor, photo, WORDS, OPTIONS)
        assert (len(found.with_crm.sfm), len(found.without_crm.on_present)) == (looks_of, shares)
    predictor = Predictor(make_model(lite=True, sfm=False, cfm=False))
    with pytest.raises(InputError, match="neither SFM nor CFM"):
        figure2(predictor, photo, WORDS, OPTIONS)
