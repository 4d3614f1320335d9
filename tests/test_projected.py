"""Parts that are projected on their own grids give what the joined ones give behind a norm."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from errseg.network.projected import project_normed


@torch.no_grad()
@pytest.mark.parametrize("grids", [[(6, 8), (3, 4)], [(5, 7), (3, 3)], [(4, 5), (1, 1)], [(4, 5)]])
@pytest.mark.parametrize("bias", [True, False])
def test_parts_joined_normed_and_projected(randn, grids, bias):
    parts = [1 + 3 * randn(2, 5 + i, *grid) for i, grid in enumerate(grids)]
    channels = sum(part.shape[1] for part in parts)
    norm, linear = nn.LayerNorm(channels), nn.Linear(channels, 9, bias=bias)
    norm.weight.copy_(randn(channels))
    norm.bias.copy_(randn(channels))
    joined = [F.interpolate(part, grids[0], mode="bilinear") for part in parts]
    expected = linear(norm(torch.cat(joined, dim=1).permute(0, 2, 3, 1)))
    found = project_normed(norm, linear, parts)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    linear.weight[:, -1] += 1  # of the last part
    assert not torch.allclose(project_normed(norm, linear, parts), found, atol=1e-3)
