"""Caches keep what was used last and never more than their bounds.

On disk values survive a restart; a broken, full or locked cache costs time, never an answer.
"""

import multiprocessing
import sqlite3
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from errseg.inference.caches import BoundedCache, DiskCache, KeysOfArrays, cache_folder

VALUES = {f"text {i}": bytes([i]) * 40 for i in range(8)}


def test_it_forgets_what_was_used_longest_ago():
    cache = BoundedCache(30)
    for key in "abc":
        cache.put(key, key.upper(), 10)
    assert cache.get("a") == "A"
    cache.put("d", "D", 10)
    assert cache.get("b") is None
    assert [cache.get(key) for key in "acd"] == ["A", "C", "D"]
    assert cache.bytes == 30


def test_only_an_array_that_nobody_can_change_keeps_its_key():
    keys, fixed, open_, part = KeysOfArrays(), np.zeros(3), np.zeros(3), np.zeros(3)[:2]
    for array in (fixed, part):
        array.flags.writeable = False
    for array in (fixed, open_, part):
        keys.put(array, "use", "key")
    assert keys.get(fixed, "use") == "key"
    assert keys.get(fixed, "other") is None
    assert keys.get(open_, "use") is None
    assert keys.get(part, "use") is None  # what it is a part of may change
    assert keys.get(fixed.copy(), "use") is None
    del fixed
    assert not keys._keys


def test_a_value_beyond_the_bound_is_not_kept_and_drives_none_out():
    cache = BoundedCache(30)
    cache.put("small", 1, 10)
    cache.put("huge", 2, 31)
    assert cache.get("huge") is None
    assert cache.get("small") == 1
    cache.put("small", 3, 31)
    assert cache.get("small") is None
    assert cache.bytes == 0


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
    kept = [key for key in range(1000) if cache.get(key) is not None]
    assert cache.bytes == 10 * len(kept) == 1000


@pytest.fixture
def cache(tmp_path):
    return DiskCache(tmp_path / "errseg", "weights A")


def test_what_was_put_is_there_for_the_next_process(cache, tmp_path):
    cache.put(VALUES)
    again = DiskCache(tmp_path / "errseg", "weights A")
    assert again.get([*VALUES, "another"]) == VALUES


def test_other_weights_have_other_values(cache, tmp_path):
    cache.put(VALUES)
    assert DiskCache(tmp_path / "errseg", "weights B").get(VALUES) == {}


def test_reading_makes_no_file(cache):
    assert cache.get(["a"]) == {}
    assert not cache.path.exists()


def test_what_was_used_longest_ago_is_dropped(tmp_path):
    cache = DiskCache(tmp_path, "", limit=3 * 48)  # a checksum stands before each value
    for text in ("text 0", "text 1", "text 2"):
        cache.put({text: VALUES[text]})
    cache.get(["text 0"])
    cache.put({"text 3": VALUES["text 3"]})
    assert set(cache.get(VALUES)) == {"text 0", "text 2", "text 3"}


def test_a_file_that_is_no_cache_is_replaced(cache):
    cache.path.parent.mkdir()
    cache.path.write_bytes(b"not a database" * 500)
    assert cache.get(VALUES) == {}
    cache.put(VALUES)
    assert cache.get(VALUES) == VALUES


def test_a_damaged_value_is_not_used(cache):
    cache.put(VALUES)
    damaged = cache.path.read_bytes().replace(b"\x03" * 40, b"\x03" * 39 + b"\x04")
    cache.path.write_bytes(damaged)
    assert set(cache.get(VALUES)) == set(VALUES) - {"text 3"}


def test_a_cut_file_loses_no_answer(cache):
    cache.put({f"{i}": bytes(2000) for i in range(40)})
    cache.path.write_bytes(cache.path.read_bytes()[:9000])
    for _ in range(2):
        cache.get(VALUES)
        cache.put(VALUES)
    assert cache.get(VALUES) == VALUES


def test_a_locked_file_is_skipped(cache, monkeypatch):
    monkeypatch.setattr("errseg.inference.caches.PATIENCE", 0.05)
    cache.put(VALUES)
    holder = sqlite3.connect(cache.path)
    holder.execute("BEGIN EXCLUSIVE")
    assert cache.get(VALUES) == {}
    cache.put({"new": b"value"})
    holder.close()
    assert cache.get([*VALUES, "new"]) == VALUES


def test_a_folder_that_cannot_be_made_is_no_cache(tmp_path):
    (tmp_path / "file").write_text("")
    cache = DiskCache(tmp_path / "file" / "errseg", "")
    cache.put(VALUES)
    assert cache.get(VALUES) == {}


def write_many(folder, start):
    cache = DiskCache(folder, "")
    for i in range(start, start + 20):
        cache.put({f"{i}": f"value {i}".encode()})


def test_writers_of_several_processes_lose_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("errseg.inference.caches.PATIENCE", 60)  # this machine may be busy
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=write_many, args=(tmp_path, 20 * i)) for i in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    expected = {f"{i}": f"value {i}".encode() for i in range(60)}
    assert DiskCache(tmp_path, "").get(expected) == expected


def test_the_folder_is_the_user_s_or_the_variable_s(monkeypatch, tmp_path):
    monkeypatch.delenv("ERRSEG_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "errseg"
    monkeypatch.setenv("ERRSEG_CACHE", str(tmp_path / "mine"))
    assert cache_folder() == tmp_path / "mine"
    monkeypatch.setenv("ERRSEG_CACHE", "off")
    assert cache_folder() is None
