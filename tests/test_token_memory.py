"""A photo's tokens: computed once by class, in the order that was asked for, bounded, shared."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from errseg.network.token_memory import TokenMemory

TOKENS = 2 * 3 * 4  # numbers of one class
BYTES = 4 * TOKENS


@pytest.fixture
def text(randn):
    return randn(6, 5)


@pytest.fixture
def compute():
    """A function of each class by itself that notes what it was asked for."""

    def tokens(text):
        tokens.asked.append(len(text))
        return (text.sum(dim=1)[:, None] + torch.arange(TOKENS)).view(-1, 2, 3, 4)

    tokens.asked = []
    return tokens


def test_each_class_is_computed_once_whatever_the_order(text, compute):
    memory, expected = TokenMemory(100 * BYTES), compute(text)
    compute.asked.clear()
    for order in ([0, 1, 2], [2, 0], [5, 1, 3, 0], [4, 3, 2, 1, 0, 5]):
        assert torch.equal(memory.complete(text[order], compute), expected[order])
    assert compute.asked == [3, 2, 1]
    assert memory.bytes == 6 * BYTES


def test_one_class_twice_in_a_vocabulary(text, compute):
    expected = compute(text[[1, 1]])
    assert torch.equal(TokenMemory(100 * BYTES).complete(text[[1, 1]], compute), expected)


def test_what_was_used_longest_ago_is_computed_again(text, compute):
    memory = TokenMemory(2 * BYTES)
    memory.complete(text[[0, 1]], compute)
    memory.complete(text[[0, 2]], compute)
    compute.asked.clear()
    memory.complete(text[[0, 2]], compute)
    assert compute.asked == []
    memory.complete(text[[1]], compute)
    assert compute.asked == [1]
    assert memory.bytes == memory.limit


def test_more_classes_than_it_holds(text, compute):
    memory, expected = TokenMemory(2 * BYTES), compute(text)
    for _ in range(2):
        assert torch.equal(memory.complete(text, compute), expected)
        assert memory.bytes == memory.limit


def test_it_holds_no_more_than_it_counts(text, compute):
    memory = TokenMemory(100 * BYTES)
    memory.complete(text, compute)
    kept = [value for value, _ in memory._tokens._values.values()]
    assert sum(tokens.untyped_storage().nbytes() for tokens in kept) == memory.bytes


def test_what_it_returned_may_be_changed(text, compute):
    memory = TokenMemory(100 * BYTES)
    first = memory.complete(text, compute)
    expected = first.clone()
    first.zero_()
    assert torch.equal(memory.complete(text, compute), expected)


@pytest.mark.parametrize("limit", [2 * BYTES, 100 * BYTES])
def test_threads_share_it(text, compute, limit):
    memory, expected = TokenMemory(limit), compute(text)

    def ask(start):
        order = [(start + step) % 6 for step in range(1 + start % 4)]
        return torch.equal(memory.complete(text[order], compute), expected[order])

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(200)))
    assert memory.bytes <= limit
