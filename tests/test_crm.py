"""CRM against a loop that reads like the paper."""

import pytest
import torch

from errseg import InputError
from errseg.network.crm import (
    count_votes,
    rank_vocabulary,
    score_votes,
    select_classes,
)


def rank_classes(cost, votes_per_pixel):
    """Rank cost maps (B, T, h, w): embeddings whose similarities they are."""
    return rank_vocabulary(cost, torch.eye(cost.shape[1], dtype=cost.dtype), votes_per_pixel)


def votes_of(cost, votes_per_pixel):
    return count_votes(rank_classes(cost, votes_per_pixel), cost.shape[1])


def brute_force(cost, votes_per_pixel, beta, kept_classes):
    """Votes, scores and choice of one image's cost maps (T, h, w), class by class."""
    classes = len(cost)
    ranks = min(votes_per_pixel, classes)
    votes = [[0] * ranks for _ in range(classes)]
    for pixel in cost.flatten(1).T.tolist():
        best_first = sorted(range(classes), key=lambda index: (-pixel[index], index))
        for rank in range(ranks):
            votes[best_first[rank]][rank] += 1
    scores = [sum(count * beta**rank for rank, count in enumerate(row)) for row in votes]
    rounded = [round(score, 6) for score in scores]
    best_first = sorted(range(classes), key=lambda index: (-rounded[index], index))
    return votes, scores, sorted(best_first[: min(kept_classes, classes)])


def check(cost, votes_per_pixel=3, beta=0.1, kept_classes=4):
    votes = votes_of(cost, votes_per_pixel)
    scores = score_votes(votes, beta)
    kept = select_classes(scores, kept_classes)
    for image in range(len(cost)):
        expected = brute_force(cost[image], votes_per_pixel, beta, kept_classes)
        assert votes[image].tolist() == expected[0]
        torch.testing.assert_close(scores[image], torch.tensor(expected[1]))
        assert kept[image].tolist() == expected[2]
    return kept


@pytest.mark.parametrize("kept_classes", [1, 4, 11, 40])
@pytest.mark.parametrize("votes_per_pixel", [1, 3, 5, 20])
@pytest.mark.parametrize("beta", [0.0, 0.1, 0.5, 1.0])
def test_equals_the_loop(randn, kept_classes, votes_per_pixel, beta):
    check(randn(2, 11, 5, 4), votes_per_pixel, beta, kept_classes)


@pytest.mark.parametrize("classes", [1, 2])
def test_fewer_classes_than_votes_and_places(randn, classes):
    kept = check(randn(2, classes, 4, 5), votes_per_pixel=3, kept_classes=32)
    assert kept.tolist() == [list(range(classes))] * 2


@pytest.mark.parametrize("levels", [2, 3])
def test_ties_go_to_the_lower_index(randn, levels):
    """Costs of few levels, so that most pixels have ties at every rank."""
    cost = (randn(3, 9, 6, 7).sigmoid() * levels).floor() / levels
    check(cost, votes_per_pixel=3, kept_classes=5)
    check(-cost, votes_per_pixel=4, kept_classes=5)


def test_equal_costs_everywhere():
    votes = votes_of(torch.full((1, 6, 3, 3), 0.25), 3)
    assert votes[0].tolist() == [[9, 0, 0], [0, 9, 0], [0, 0, 9], *[[0, 0, 0]] * 3]
    kept = select_classes(score_votes(votes, beta=0.1), 5)
    assert kept.tolist() == [[0, 1, 2, 3, 4]]


def test_minus_zero_ties_with_zero():
    cost = torch.tensor([-0.0, 0.0, -1.0, 0.0]).view(1, 4, 1, 1)
    votes = votes_of(cost, 3)
    assert votes[0].argmax(dim=1).tolist()[:2] == [0, 1]
    assert votes[0, 3].tolist() == [0, 0, 1]


def test_negative_costs_keep_their_order():
    cost = torch.tensor([-0.3, -1e-30, -0.1, -1.0]).view(1, 4, 1, 1)
    assert votes_of(cost, 4)[0].argmax(dim=0).tolist() == [1, 2, 0, 3]


def test_images_of_a_batch_keep_their_own_classes(randn):
    cost = randn(2, 8, 4, 4)
    cost[0, :3] += 5
    cost[1, 5:] += 5
    kept = check(cost, kept_classes=3)
    assert kept.tolist() == [[0, 1, 2], [5, 6, 7]]


def test_every_pixel_votes_once_at_each_rank(randn):
    votes = votes_of(randn(2, 7, 5, 6), 3)
    assert votes.shape == (2, 7, 3)
    assert votes.dtype == torch.int64
    assert (votes.sum(dim=1) == 30).all()


def test_classes_that_must_stay_come_first():
    scores = torch.tensor([[5.0, 0.0, 3.0, 0.0, 4.0], [1.0, 2.0, 3.0, 4.0, 5.0]])
    always = torch.tensor([[False, True, False, True, False], [False] * 5])
    assert select_classes(scores, 3, always).tolist() == [[0, 1, 3], [2, 3, 4]]
    assert select_classes(scores, 2, always).tolist() == [[1, 3], [3, 4]]
    # more of them than places: the lower index again
    assert select_classes(scores, 1, always).tolist() == [[1], [4]]


def test_inputs_stay_as_they_are(randn):
    cost = randn(1, 5, 4, 4)
    cost[0, 0] = -0.0
    before = cost.clone()
    votes = votes_of(cost, 3)
    votes_before = votes.clone()
    scores = score_votes(votes, 0.1)
    scores_before, always = scores.clone(), torch.tensor([[True] + [False] * 4])
    select_classes(scores, 2, always)
    assert torch.equal(cost.view(torch.int32), before.view(torch.int32))
    assert torch.equal(votes, votes_before)
    assert torch.equal(scores, scores_before)


def test_same_choice_in_a_batch_in_bfloat16_and_channels_last(randn):
    cost = randn(3, 20, 6, 6).bfloat16()  # coarse enough for many ties
    together = votes_of(cost, 3)
    for image in range(3):
        assert torch.equal(votes_of(cost[image : image + 1], 3)[0], together[image])
    assert torch.equal(votes_of(cost.contiguous(memory_format=torch.channels_last), 3), together)
    assert torch.equal(votes_of(cost.float(), 3), together)


@pytest.mark.parametrize("value", [0, -1])
def test_numbers_that_make_no_sense(randn, value):
    with pytest.raises(InputError, match=rf"\(K\) must be at least 1, not {value}"):
        votes_of(randn(1, 3, 2, 2), value)
    with pytest.raises(InputError, match=rf"\(P\) must be at least 1, not {value}"):
        select_classes(randn(1, 3), value)


@pytest.mark.parametrize("beta", [-0.1, 1.5, float("nan")])
def test_beta_outside_its_range(beta):
    with pytest.raises(InputError, match=r"beta must lie in \[0, 1\]"):
        score_votes(torch.zeros(1, 3, 3, dtype=torch.int64), beta)


@pytest.mark.parametrize("at_once", [1, 2, 5, 100])
def test_a_vocabulary_ranked_in_chunks_is_ranked_as_a_whole(randn, monkeypatch, at_once):
    """Embeddings of few levels, so that ties lie within and between chunks."""
    monkeypatch.setattr("errseg.network.crm.RANKED_AT_ONCE", at_once)
    dense, text = randn(2, 3, 6, 5).sign(), randn(11, 3).sign()
    cost = torch.einsum("bchw,tc->bthw", dense, text)
    for votes_per_pixel in (1, 3, 20):
        found = rank_vocabulary(dense, text, votes_per_pixel)
        assert torch.equal(found, rank_classes(cost, votes_per_pixel))
