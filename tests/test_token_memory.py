"""A photo's tokens: computed once by class, in the order that was asked for, bounded, shared."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from errseg.inference.token_memory import TokenMemory

TOKENS = 2 * 3 * 4  # numbers of one class
BYTES = 4 * TOKENS


@pytest.fixture
def text(randn):
    return randn(6, 5)


@pytest.fixture
def compute():
    """A function of each class by itself that notes what it was asked for."""

    def tokens(features, text):  # (1, P, C)
        tokens.asked.append(text.shape[1])
        return (text[0].sum(dim=1)[:, None] + torch.arange(TOKENS)).view(1, -1, 2, 3, 4)

    tokens.asked = []
    return tokens


def ask(memory, text):
    return memory(None, text[None])


def test_each_class_is_computed_once_whatever_the_order(text, compute):
    memory, expected = TokenMemory(compute, 100 * BYTES), compute(None, text[None])
    compute.asked.clear()
    for order in ([0, 1, 2], [2, 0], [5, 1, 3, 0], [4, 3, 2, 1, 0, 5]):
        assert torch.equal(ask(memory, text[order]), expected[:, order])
    assert compute.asked == [3, 2, 1]
    assert memory.bytes == 6 * BYTES


def test_one_class_twice_in_a_vocabulary(text, compute):
    expected = compute(None, text[[1, 1]][None])
    assert torch.equal(ask(TokenMemory(compute, 100 * BYTES), text[[1, 1]]), expected)


def test_what_was_used_longest_ago_is_computed_again(text, compute):
    memory = TokenMemory(compute, 2 * BYTES)
    ask(memory, text[[0, 1]])
    ask(memory, text[[0, 2]])
    compute.asked.clear()
    ask(memory, text[[0, 2]])
    assert compute.asked == []
    ask(memory, text[[1]])
    assert compute.asked == [1]
    assert memory.bytes == memory.limit


def test_more_classes_than_it_holds(text, compute):
    memory, expected = TokenMemory(compute, 2 * BYTES), compute(None, text[None])
    for _ in range(2):
        assert torch.equal(ask(memory, text), expected)
        assert memory.bytes == memory.limit


def test_it_holds_no_more_than_it_counts(text, compute):
    memory = TokenMemory(compute, 100 * BYTES)
    ask(memory, text)
    kept = [value for value, _ in memory._tokens._values.values()]
    assert sum(tokens.untyped_storage().nbytes() for tokens in kept) == memory.bytes


def test_what_it_returned_may_be_changed(text, compute):
    memory = TokenMemory(compute, 100 * BYTES)
    first = ask(memory, text)
    expected = first.clone()
    first.zero_()
    assert torch.equal(ask(memory, text), expected)


@pytest.mark.parametrize("limit", [2 * BYTES, 100 * BYTES])
def test_threads_share_it(text, compute, limit):
    memory, expected = TokenMemory(compute, limit), compute(None, text[None])

    def complete(start):
        order = [(start + step) % 6 for step in range(1 + start % 4)]
        return torch.equal(ask(memory, text[order]), expected[:, order])

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(complete, range(200)))
    assert memory.bytes <= limit
