"""What the browser is sent to compute attention from is the network's, within the rounding."""

import json

import numpy as np
import pytest
import torch
from live_attention import average_rows, class_rows, spatial_rows, vectors
from packed_arrays import unpack

from errseg.demo.backend import live_attention, view
from errseg.demo.backend.models import Models
from errseg.demo.backend.request import check_request
from errseg.demo.backend.service import Service
from errseg.errors import InputError
from errseg.network.attention import attend_from

PROMPTS = ["cat", "dog", "sky", "grass", "tree", "road", "sofa"]
WITHIN = 0.01  # of a row's largest weight


def equal_rows(found, expected):
    """Whether weights differ by less than 1 % of the largest of their row."""
    largest = expected.max(axis=-1, keepdims=True)
    assert (np.abs(found - expected) <= WITHIN * largest).all()


@torch.no_grad()
def everywhere(model, pixels, places, cell=(0, 0)):
    features, text = model.encode_image(pixels), model.encode_text(PROMPTS)
    return attend_from(model, features, text[None], cell, everywhere=places)


@pytest.fixture(params=["clip", "lite"])
def model(request, make_model):
    return make_model(lite=request.param == "lite")


@pytest.mark.parametrize("reduced", [1, 2])
def test_rows_of_every_cell_are_those_read_cell_by_cell(make_model, make_pixels, reduced):
    model = make_model(spatial_reduction=reduced, class_reduction=reduced)
    pixels, places = make_pixels(1, 96, 128), [4, 1]
    of = everywhere(model, pixels, places).everywhere
    sent = [live_attention.live_class(place, of, i, None) for i, place in enumerate(places)]
    heads, layers = model.config.head.heads, model.config.head.layers
    means = np.zeros_like(of.average.numpy())
    for cell in np.ndindex(6, 8):
        one = everywhere(model, pixels, [], cell)
        assert one.everywhere is None
        means += one.spatial[:, places].numpy() / 48
        pooled = min(cell[0] // reduced, 6 // reduced - 1) * (8 // reduced) + cell[1] // reduced
        for i, place in enumerate(places):
            rows = spatial_rows(sent[i]["spatial"])[:, :, cell[0] * 8 + cell[1]]
            equal_rows(rows, one.spatial[:, place].flatten(2).numpy())
            between = class_rows(sent[i]["classes"], layers, heads, len(PROMPTS))[:, :, pooled]
            equal_rows(between, one.classes[:, :, place].numpy())
    np.testing.assert_allclose(of.average, means, rtol=1e-4, atol=1e-6)
    for i in range(len(places)):
        np.testing.assert_allclose(average_rows(sent[i]["spatial"]), means[:, i], atol=1e-5)


@pytest.mark.parametrize(("grid", "channels"), [((4, 4), 16), ((3, 4), 12)])
def test_sharp_attention_stays_within_the_rounding(grid, channels):
    """Exponents as large as errseg-lite's, in 3 heads; keys far from zero cost nothing."""
    generator = torch.Generator().manual_seed(0)
    query = 5 * torch.randn(2, 1, 5, 6, 48, generator=generator)
    key = 3 * torch.randn(2, 1, *grid, 48, generator=generator) + 100
    of = live_attention_of(query, key, heads=3)
    parts = live_attention.live_class(7, of, 0, None)["spatial"]
    assert parts["query"]["channels"] == channels  # no more than there are keys
    product = query[:, 0].flatten(1, 2).unflatten(-1, (3, 16)).transpose(1, 2).double()
    product = product @ key[:, 0].flatten(1, 2).unflatten(-1, (3, 16)).permute(0, 2, 3, 1).double()
    equal_rows(spatial_rows(parts), (product / 4).softmax(-1).numpy())
    assert np.abs(vectors(parts["query"], parts)).max() < 32768 * live_attention.STEP


def live_attention_of(query, key, heads):
    from errseg.network.attention import Everywhere

    layers, n, height, width = key.shape[:4]
    return Everywhere(query, key, torch.rand(layers, n, heads, height, width), torch.empty(0))


@pytest.mark.parametrize("off", ["sfm", "cfm"])
def test_a_module_that_is_off_is_not_told(make_model, make_pixels, off):
    of = everywhere(make_model(**{off: False}), make_pixels(1, 96, 128), [0]).everywhere
    told = live_attention.live_class(3, of, 0, of)
    there, gone = ("classes", "spatial") if off == "sfm" else ("spatial", "classes")
    assert told["index"] == 3
    assert told[there]
    assert told[gone] is None


def test_answers_are_parted_between_classes():
    live = [{"index": i, "x": "a" * 80} for i in range(5)]
    parts = live_attention.in_answers(live, most=250)
    assert [[one["index"] for one in part] for part in parts] == [[0, 1], [2, 3], [4]]
    assert all(len(json.dumps(part)) < 260 for part in parts)
    assert live_attention.in_answers(live[:2], most=1) == [live[:1], live[1:2]]
    assert live_attention.in_answers([], most=1) == []


@pytest.fixture
def service(lite_weights):
    return Service(Models(lite_weights, "cpu", "float32"))


def test_without_crm_the_first_layer_is_left_out(service, photo_file):
    request = check_request(photo_file, ", ".join(PROMPTS), input_size=128, kept_classes=3)
    kept = service.attention(request, None).kept
    answer = service.attention(request, None, without_crm=True, everywhere=kept[::-1])
    assert [one["index"] for one in answer.live] == list(kept[::-1])
    of = answer.everything.spatial  # from the photo's middle
    rows, columns = answer.costs.stride16.shape[1:]
    cell = int(32 * rows / 64) * columns + int(48 * columns / 96)
    for told in answer.live:
        assert told["without"]["first"] == 1
        rows = spatial_rows(told["without"])[:, :, cell]
        equal_rows(rows, of[1:, told["index"]].flatten(2).numpy())
        first = spatial_rows(told["spatial"])[0, :, cell]
        equal_rows(first, of[0, told["index"]].flatten(1).numpy())  # it is the same there
    [part] = view.queries(answer)
    assert part["of"] == answer.key
    for sent, of, among in (
        (view.attention(answer)["between"], answer.attention, range(3)),
        (part["between_without"], answer.everything, kept),
    ):
        mean = of.classes_mean.mean(dim=(0, 1)).numpy()
        np.testing.assert_allclose(unpack(sent), mean[np.ix_(among, among)], atol=1e-4)


def test_only_kept_classes_can_be_asked_for(service, photo_file):
    request = check_request(photo_file, ", ".join(PROMPTS), input_size=128, kept_classes=3)
    kept = service.attention(request, None).kept
    dropped = next(index for index in range(len(PROMPTS)) if index not in kept)
    for index in (dropped, -1, 99):
        with pytest.raises(InputError, match=f"CRM kept no class number {index} here"):
            service.attention(request, None, everywhere=[kept[0], index])
    few = service.attention(request, None, everywhere=kept, characters=1)
    assert [one["index"] for one in few.live] == [kept[0]]  # one at least


def test_the_key_tells_questions_apart_and_not_pixels_or_precisions(service, photo_file):
    request = check_request(photo_file, ", ".join(PROMPTS), input_size=128, kept_classes=3)
    keys = [service.attention(request, pixel).key for pixel in ((0, 0), (9, 9))]
    keys.append(service.attention(request.changed(precision="bfloat16"), (0, 0)).key)
    other = service.attention(request.changed(kept_classes=2), (0, 0)).key
    assert len({*keys}) == 1
    assert other not in keys
