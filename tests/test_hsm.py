"""HSM: cost maps against cosines by hand, the folded embedding against the paper's drawing."""

import dataclasses

import pytest
import torch
from torch.nn import functional as F

from errseg.network.hsm import CostEmbedding, CostMaps, cost_maps


@pytest.fixture
def make_embedding(head, fill_weights):
    def make(**changes):
        embedding = CostEmbedding(dataclasses.replace(head, **changes))
        fill_weights(embedding)
        return embedding

    return make


def test_cost_is_the_cosine_of_pixel_and_text(randn):
    dense16, dense32, text = randn(2, 6, 4, 5), randn(2, 6, 2, 3), randn(3, 6)
    cost = cost_maps(*(F.normalize(x, dim=1) for x in (dense16, dense32, text)))
    for maps, dense in ((cost.stride16, dense16), (cost.stride32, dense32)):
        assert maps.shape == (2, 3, *dense.shape[2:])
        for b, t, y, x in ((0, 0, 0, 0), (1, 2, 1, 2), (0, 1, 1, 0)):
            expected = F.cosine_similarity(dense[b, :, y, x], text[t], dim=0)
            torch.testing.assert_close(maps[b, t, y, x], expected)


def test_images_with_classes_of_their_own(randn):
    dense16, dense32, text = randn(2, 6, 4, 5), randn(2, 6, 2, 3), randn(2, 3, 6)
    together = cost_maps(dense16, dense32, text)
    for image in range(2):
        rows = slice(image, image + 1)
        alone = cost_maps(dense16[rows], dense32[rows], text[image])
        torch.testing.assert_close(together.stride16[rows], alone.stride16)
        torch.testing.assert_close(together.stride32[rows], alone.stride32)


def as_drawn(embedding: CostEmbedding, cost: CostMaps) -> torch.Tensor:
    """Per class: 7x7 convolution per stride, resize to stride 16, mean, 1x1 convolution."""
    classes, *grid = cost.stride16.shape[1:]
    out = []
    for index in range(classes):
        embedded = [
            F.interpolate(conv(maps[:, index : index + 1]), tuple(grid), mode="bilinear")
            for conv, maps in zip(embedding.embed, (cost.stride16, cost.stride32), strict=False)
        ]
        out.append(embedding.fuse(torch.stack(embedded).mean(dim=0)))
    return torch.stack(out, dim=1).permute(0, 1, 3, 4, 2)  # (B, P, h, w, C)


@pytest.mark.parametrize("changes", [{}, {"hsm": False}, {"cost_kernel": 3}, {"cost_kernel": 1}])
@pytest.mark.parametrize("grids", [((6, 8), (3, 4)), ((5, 7), (3, 3))])
def test_folded_embedding_is_the_drawn_one(make_embedding, randn, changes, grids):
    embedding = make_embedding(**changes)
    cost = CostMaps(*(randn(2, 3, *grid) for grid in grids))
    found = embedding(cost)
    assert found.is_contiguous()
    torch.testing.assert_close(found, as_drawn(embedding, cost), rtol=0, atol=1e-5)


def test_training_reaches_every_weight_through_the_folding(make_embedding, randn):
    embedding = make_embedding()
    cost = CostMaps(randn(1, 2, 6, 8), randn(1, 2, 3, 4))
    target = randn(1, 2, 6, 8, 16)
    parameters = list(embedding.parameters())
    folded = torch.autograd.grad((embedding(cost) * target).sum(), parameters)
    drawn = torch.autograd.grad((as_drawn(embedding, cost) * target).sum(), parameters)
    for ours, theirs in zip(folded, drawn, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_without_hsm_stride_32_is_not_looked_at(make_embedding, randn):
    embedding, stride16 = make_embedding(hsm=False), randn(1, 2, 6, 8)
    one, other = (embedding(CostMaps(stride16, randn(1, 2, 3, 4))) for _ in range(2))
    assert torch.equal(one, other)
