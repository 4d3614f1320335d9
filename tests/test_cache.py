"""The cache keeps what was used last and never more than its bound."""

from concurrent.futures import ThreadPoolExecutor

from errseg.cache import BoundedCache


def test_it_forgets_what_was_used_longest_ago():
    cache = BoundedCache(30)
    for key in "abc":
        cache.put(key, key.upper(), 10)
    assert cache.get("a") == "A"
    cache.put("d", "D", 10)
    assert cache.get("b") is None
    assert [cache.get(key) for key in "acd"] == ["A", "C", "D"]
    assert cache.bytes == 30


def test_a_value_beyond_the_bound_is_not_kept_and_drives_none_out():
    cache = BoundedCache(30)
    cache.put("small", 1, 10)
    cache.put("huge", 2, 31)
    assert cache.get("huge") is None
    assert cache.get("small") == 1
    cache.put("small", 3, 31)
    assert cache.get("small") is None
    assert cache.bytes == len(cache) == 0


def test_putting_a_key_again_replaces_its_size():
    cache = BoundedCache(30)
    cache.put("a", 1, 25)
    cache.put("a", 2, 5)
    cache.put("b", 3, 25)
    assert (cache.get("a"), cache.get("b"), cache.bytes) == (2, 3, 30)


def test_threads_share_it():
    cache = BoundedCache(1000)

    def use(start):
        for key in range(start, start + 300):
            cache.put(key, key, 10)
            assert cache.get(key) in (key, None)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(use, range(0, 800, 100)))
    assert cache.bytes == 10 * len(cache) <= 1000
