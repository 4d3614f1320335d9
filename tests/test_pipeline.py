"""The strip of stages: each stage's best classes, computed here anew from what the network says."""

import numpy as np
import pytest
import torch
from packed_arrays import unpack
from test_view import decode
from torch.nn import functional as F

from errseg.demo.backend import view
from errseg.demo.backend.models import Models
from errseg.demo.backend.pipeline import cell_sums, masks_stage, pipeline
from errseg.demo.backend.request import check_request
from errseg.demo.backend.service import Service

WORDS = "cat, dog, sky, grass, tree, road, sofa"


@pytest.fixture
def service(lite_weights):
    return Service(Models(lite_weights, "cpu", "float32"))


@pytest.fixture
def request_(photo_file):
    return check_request(photo_file, WORDS, kept_classes=3, threshold=0.0, input_size=256)


def test_each_stage_says_what_the_network_says_there(service, request_):
    answer, (hsm, crm, escf, gud) = pipeline(service, request_)
    predictor = service.models.predictor
    asked = (answer.photo, request_.vocabulary)
    cost = predictor.cost_view(*asked, options=request_.options).stride16  # (T, h, w)
    assert len(answer.result.kept) == 3
    assert np.array_equal(hsm.labels, cost.argmax(axis=0))
    dropped = [index for index in range(7) if index not in answer.result.kept]
    left = cost.copy()
    left[dropped] = -2
    assert np.array_equal(crm.labels, left.argmax(axis=0))
    assert not np.array_equal(hsm.labels, crm.labels)
    out = predictor.segment(*asked, request_.options)
    scores = F.adaptive_avg_pool2d(out.kept_logits.float().sigmoid(), cost.shape[1:])[0]
    best = out.kept[0][scores.argmax(dim=0)]
    assert np.array_equal(escf.labels, best.numpy())
    assert np.array_equal(gud.labels, answer.result.labels)
    assert [stage.name for stage in (hsm, crm, escf, gud)] == ["HSM", "CRM", "ESCF", "GUD"]
    assert "all 7 words" in hsm.line
    assert "among the 3 classes" in crm.line
    assert "All are kept" not in crm.line
    every = pipeline(service, request_.changed(kept_classes=7))[1]
    assert "All are kept here" in every[1].line
    assert np.array_equal(every[0].labels, every[1].labels)


@pytest.mark.parametrize("grid", [(4, 6), (6, 7), (3, 8)])
def test_cells_share_all_values_among_them(grid):
    maps = np.random.default_rng(0).random((2, 16, 24), np.float32)
    sums = cell_sums(maps, grid)
    assert sums.shape == (2, *grid)
    assert sums.sum() == pytest.approx(maps.sum(), rel=1e-5)
    counts = cell_sums(np.ones_like(maps), grid)
    least, most = ((16 // grid[0]) * (24 // grid[1]), -(-16 // grid[0]) * -(-24 // grid[1]))
    assert counts.min() >= least
    assert counts.max() <= most
    if grid == (4, 6):
        pooled = F.avg_pool2d(torch.from_numpy(maps)[None], 4)[0] * 16
        np.testing.assert_allclose(sums, pooled, rtol=1e-5)


def test_the_browser_gets_every_stage(service, request_):
    answer, stages = pipeline(service, request_.changed(threshold=0.5))
    data = view.pipeline(answer, stages)
    for stage, sent in zip(stages, [*data["stages"], data["masks"]], strict=True):
        labels = np.where(stage.labels < 0, view.NO_CLASS, stage.labels)
        assert np.array_equal(unpack(sent["labels"]).round(), labels)
        shares = {index: (stage.labels == index).mean() for index in range(7)}
        for index, share in sent["legend"]:
            assert share == pytest.approx(shares.pop(index), abs=1e-4)
            assert data["names"][index] == answer.result.classes[index]
            assert tuple(data["colors"][index]) == answer.colors[index]
        assert not any(shares.values())
        assert [share for _, share in sent["legend"]] == sorted(
            (share for _, share in sent["legend"]), reverse=True
        )


def test_another_threshold_sends_the_masks_alone(service, request_):
    before, stages = pipeline(service, request_)
    data = view.pipeline(before, stages)
    other = request_.changed(threshold=float(np.median(before.result.scores)))
    answer = service.answer(other)
    sent = view.pipeline_changes(answer, masks_stage(answer))
    assert sent["needs"] == {"of": data["of"]}
    assert {**data, **sent["changes"]} == view.pipeline(*pipeline(service, other)) != data


def test_many_labels_travel_as_a_picture():
    labels = np.arange(300 * 200).reshape(300, 200) % 900 - 1
    pixels = decode(view._labels(labels)).astype(int)
    sent = pixels[..., 0] + 256 * pixels[..., 1]
    assert np.array_equal(np.where(sent == view.NO_CLASS, -1, sent), labels)
