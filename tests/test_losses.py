"""The losses against loops over pixels, and what their gradients pull."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from errseg.training.losses import anchor_loss, binary_loss, pixel_weights, ranking_loss


def test_binary_loss_equals_a_loop_over_what_is_decided():
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(2, 3, 4, 4, generator=generator)
    target = (torch.rand(2, 3, 4, 4, generator=generator) < 0.4).float()
    valid = torch.rand(2, 3, 4, 4, generator=generator) < 0.6
    weights = torch.rand(2, 4, 4, generator=generator) + 0.5
    total = counted = 0.0
    for b, p, y, x in np.ndindex(2, 3, 4, 4):
        if valid[b, p, y, x]:
            weight, logit = weights[b, y, x].item(), logits[b, p, y, x].item()
            right = target[b, p, y, x].item() == 1
            share = 1 / (1 + np.exp(-logit))
            total += weight * (-2.5 * np.log(share) if right else -np.log(1 - share))
            counted += weight
    found = binary_loss(logits, target, valid, weights, positive_weight=2.5)
    assert found.item() == pytest.approx(total / counted, rel=1e-5)
    assert binary_loss(logits, target, valid & False, weights, 2.5) == 0


def test_ranking_loss_weighs_its_pixels():
    logits = torch.tensor([[2.0, 0.0], [0.0, 1.0]]).view(1, 2, 1, 2)  # two classes, two pixels
    target = torch.tensor([[1.0, 1.0], [0.0, 0.0]]).view(1, 2, 1, 2)
    weights = torch.tensor([[[3.0, 1.0]]])
    each = [np.log(1 + np.exp(-2.0)), np.log(1 + np.exp(1.0))]
    found = ranking_loss(logits, target, target >= 0, weights)
    assert found.item() == pytest.approx((3 * each[0] + each[1]) / 4)


@pytest.mark.parametrize(
    "loss", [lambda *given: binary_loss(*given[:4], 2.0, given[4]), ranking_loss]
)
def test_the_losses_of_two_halves_average_to_that_of_the_whole(loss):
    """As two processes that share a batch average them, of which one has less that counts."""
    generator = torch.Generator().manual_seed(2)
    logits = torch.randn(2, 3, 4, 4, generator=generator)
    target = (torch.rand(2, 3, 4, 4, generator=generator) < 0.4).float()
    valid = torch.rand(2, 3, 4, 4, generator=generator) < torch.tensor([0.2, 0.9]).view(2, 1, 1, 1)
    weights = torch.rand(2, 4, 4, generator=generator) + 0.5
    given = (logits, target, valid, weights)
    sums = []
    for half in (0, 1):  # what each would say of its share
        loss(*(part[[half]] for part in given), lambda number: sums.append(number) or number)
    halves = [loss(*(part[[half]] for part in given), lambda _: sum(sums) / 2) for half in (0, 1)]
    whole = loss(*given, lambda number: number)
    torch.testing.assert_close(sum(halves) / 2, whole)


def test_ranking_loss_equals_a_loop_over_pixels():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 4, 3, 3, generator=generator)
    target = (torch.rand(2, 4, 3, 3, generator=generator) < 0.3).float()
    valid = torch.rand(2, 4, 3, 3, generator=generator) < 0.7
    losses = []
    for b, y, x in np.ndindex(2, 3, 3):
        known = valid[b, :, y, x]
        wanted = target[b, :, y, x][known].bool()
        if wanted.any() and not wanted.all():
            right = logits[b, :, y, x][known][wanted]
            wrong = logits[b, :, y, x][known][~wanted]
            shares = [F.softmax(torch.cat([one[None], wrong]), dim=0)[0] for one in right]
            losses.append(-torch.stack(shares).log().mean())
    alike = torch.ones(2, 3, 3)
    found = ranking_loss(logits, target, valid, alike)
    torch.testing.assert_close(found, torch.stack(losses).mean())
    assert ranking_loss(logits, target, torch.zeros_like(valid), alike) == 0


def test_a_broader_name_does_not_spare_a_class_its_rivals():
    """Where `animal` wins, `dog` must still be pulled above `cat`."""
    logits = torch.tensor([9.0, 0.0, 0.0], requires_grad=True)  # animal, dog, cat
    target = torch.tensor([1.0, 1.0, 0.0])[None, :, None, None]
    maps = logits[None, :, None, None]
    ranking_loss(maps, target, target >= 0, torch.ones(1, 1, 1)).backward()
    assert logits.grad[1] < -0.2
    assert logits.grad[2] > 0.2


def test_even_weights_give_every_class_of_a_crop_the_same_sum():
    label = torch.tensor([[0, 0, 0, 0, 0, 0], [1, 1, 2, -1, -1, -1]])
    weights = pixel_weights(label, power=1.0)
    sums = [weights[label == value].sum().item() for value in (-1, 0, 1, 2)]
    assert sums == pytest.approx([3.0] * 4)
    assert torch.equal(pixel_weights(label, power=0.0), torch.ones(2, 6))


def test_the_anchor_holds_unlabelled_pixels_that_imagenet_is_sure_of():
    names = torch.eye(3)
    sure, unsure = names[0], F.normalize(torch.ones(3), dim=0)
    dense32 = torch.stack([sure, unsure], dim=-1)[None, :, None]  # (1, 3, 1, 2)
    dense16 = names[1].view(1, 3, 1, 1).expand(1, 3, 2, 4).clone().requires_grad_()
    unknown = torch.tensor([[[True] * 4, [False] * 4]])
    loss = anchor_loss(dense16, dense32, names, unknown)
    assert loss.item() == pytest.approx(1.0)  # a right angle at the two
    loss.backward()
    moved = dense16.grad.abs().sum(dim=1)[0] > 0
    assert moved.tolist() == [[True, True, False, False], [False] * 4]
    assert anchor_loss(dense16, dense32, names, unknown & False).item() == 0
