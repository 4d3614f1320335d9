"""What is done in one pass over memory gives the numbers of the same in steps."""

import platform

import pytest
import torch
from torch.nn import functional as F

from errseg.network import fused
from errseg.network.fused import convolve, fuses, linear, packed


@pytest.fixture(params=[True, False], ids=["onednn", "steps"])
def onednn(request, monkeypatch):
    if not request.param:
        monkeypatch.setattr(fused, "fuses", lambda x: False)
    with torch.no_grad():
        yield


@pytest.mark.usefixtures("onednn")
@pytest.mark.parametrize("columns", [16, 40], ids=["whole", "part"])
def test_a_product_with_what_follows_it(randn, columns):
    # A matrix or a part of a wider one; maps that lie in another order in memory.
    x, weight = randn(2, 7, 3, 16).transpose(1, 2), randn(12, columns)[:, -16:]
    bias, other = randn(12), randn(2, 1, 7, 12)
    plain, along = x @ weight.T + bias, other.expand(2, 3, 7, 12)
    for found, expected in (
        (linear(x, weight, bias), plain),
        (linear(x, weight, None), x @ weight.T),
        (linear(x, weight, bias, relu6=True), plain.clamp(0, 6)),
        (linear(x, weight, bias, times=along), plain * other),
    ):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)
    torch.testing.assert_close(other, along[:, :1])  # nothing given was changed


@pytest.mark.usefixtures("onednn")
@pytest.mark.parametrize("groups", [1, 6])
def test_a_convolution_with_what_follows_it(randn, groups):
    maps, bias = randn(2, 6, 9, 11), randn(12)
    weight, shape = randn(12, 6 // groups, 3, 3), ((1, 1), (2, 2), groups)
    plain = F.conv2d(maps, weight, bias, 2, 1, groups=groups)
    plus = randn(*plain.shape)
    for kernel in (weight, packed(weight, *shape, maps.shape)):
        for found, expected in (
            (convolve(maps, kernel, bias, *shape), plain),
            (convolve(maps, kernel, bias, *shape, relu6=True), plain.clamp(0, 6)),
            (convolve(maps, kernel, bias, *shape, plus=plus), plain + plus),
        ):
            torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)


@torch.no_grad()
def test_a_kernel_packed_for_onednn_serves_without_it(randn, monkeypatch):
    maps, weight, bias = randn(1, 16, 9, 11), randn(16, 16, 3, 3), randn(16)
    kernel = packed(weight, (1, 1), (1, 1), 1, maps.shape)
    monkeypatch.setattr(fused, "fuses", lambda x: False)
    found = convolve(maps, kernel, bias, (1, 1), (1, 1), 1)
    torch.testing.assert_close(found, F.conv2d(maps, weight, bias, padding=1), rtol=0, atol=1e-4)


def test_what_learns_is_done_in_steps(randn):
    x, weight = randn(4, 8), randn(5, 8).requires_grad_()
    assert not fuses(x)
    linear(x, weight, None, relu6=True).sum().backward()
    assert weight.grad.abs().max() > 0


@torch.no_grad()
@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="for x86 CPUs")
def test_here_it_is_done_at_once(randn):
    assert fuses(randn(1)) is torch.backends.cpu.get_cpu_capability().startswith("AVX")
