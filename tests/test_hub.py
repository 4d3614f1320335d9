"""Weights on the Hub: what is asked for, found, told apart, refused. Against a stand-in of it."""

import dataclasses
import errno
import itertools
import os
import time

import pytest
import torch
from golden_weights import released_shapes
from hub_server import TOKEN
from quiet_servers import serve

from errseg.__main__ import main
from errseg.checkpoints import hub as released
from errseg.checkpoints.hub import PACKAGING, RELEASED_BYTES, HubFile
from errseg.checkpoints.hub_address import HubAddress
from errseg.checkpoints.sources import find_weights, weights_here
from errseg.checkpoints.stored_config import advised_threshold, file_hash
from errseg.checkpoints.weights import load_model, save_model
from errseg.config import Calibration
from errseg.errors import InputError

OURS = released.REPOSITORY


def refusal(model, **more) -> str:
    with pytest.raises(InputError) as refused:
        find_weights(model, **more)
    said = str(refused.value)
    assert said.endswith(".")
    assert "\n" not in said
    return said


def offered(variant: str) -> str:
    """Name the file that is taken for a released variant."""
    return released.find_offered(released.released_address(), variant).path


@pytest.mark.parametrize(
    ("text", "repository", "file", "revision"),
    [
        ("hf://a/b", "a/b", "", None),
        ("hf://a/b/", "a/b", "", None),
        ("hf://models/a/b.c/d/e.pth", "a/b.c", "d/e.pth", None),
        ("hf://a/b/e.pth@v1", "a/b", "e.pth", "v1"),
        ("hf://a/b@refs", "a/b", "", "refs"),
        ("hf://a/b@v1/e.pth", "a/b", "e.pth", "v1"),
        ("hf://a/b/e.pth@refs/pr/1", "a/b", "e.pth", "refs/pr/1"),
    ],
)
def test_addresses(text, repository, file, revision):
    address = HubAddress.read(text)
    assert address == HubAddress(repository, file, revision)
    assert HubAddress.read(str(address)) == address


@pytest.mark.parametrize("text", ["hf://", "hf://a", "hf://a/../b", "hf://a/b/../c.pth", "hf:///b"])
def test_what_is_no_address(text):
    assert f"{text} is no address on the Hub; it has the form hf://owner/name" in refusal(text)


def test_near_misses_are_named():
    page = "https://huggingface.co/a/b/blob/main/c/d.pth?download=true"
    assert "give hf://a/b/c/d.pth." in refusal(page)
    assert "For a model on the Hub write hf://a/b." in refusal("a/b")
    assert "hf://a/b/notes.txt must end in .pth, .pt or .safetensors." in refusal(
        "hf://a/b/notes.txt"
    )


def test_sizes_tell_the_variants():
    for variant, sizes in RELEASED_BYTES.items():
        for size in sizes:
            assert HubFile("x", size).variant == variant
            assert HubFile("x", size + size // 50).variant == variant
            assert HubFile("x", size - 1).variant is None
    every = sorted(size for sizes in RELEASED_BYTES.values() for size in sizes)
    assert all(small * PACKAGING < next_ for small, next_ in itertools.pairwise(every))
    assert HubFile("x", 10**12).variant is None


@pytest.mark.parametrize("variant", RELEASED_BYTES)
def test_the_sizes_are_those_of_the_networks(variant):
    alone, _ = RELEASED_BYTES[variant]
    assert alone == 4 * sum(torch.Size(s).numel() for s in released_shapes(variant).values())


def test_the_released_variants_are_found_by_size_not_by_name(hub):
    odd = dict.fromkeys(("errseg-large.pth", "errseg-base.pth", "more/errseg-base.pth"), b"")
    repository = hub.add(OURS, {**odd, "README.md": b"# errseg-base"})
    base, large = RELEASED_BYTES["errseg-base"], RELEASED_BYTES["errseg-large"]
    repository.claimed = {"errseg-large.pth": base[0] + 10**6, "errseg-base.pth": large[0] + 10**6}
    assert offered("errseg-base") == "errseg-large.pth"
    assert offered("errseg-large") == "errseg-base.pth"
    assert released.released_models() == {
        "errseg-large": "errseg-large",
        "errseg-base": "errseg-base",
        "more/errseg-base.pth": f"hf://{OURS}/more/errseg-base.pth",
    }


def test_weights_alone_come_before_a_training_s_state(hub):
    repository = hub.add(OURS, {"a.pth": b"", "b.pth": b""})
    alone, state = RELEASED_BYTES["errseg-base"]
    repository.claimed = {"a.pth": state + 10**6, "b.pth": alone + 10**6}
    assert offered("errseg-base") == "b.pth"
    assert [*released.released_models()] == ["a.pth", "errseg-base"]
    del repository.commits[repository.newest]["b.pth"]
    assert offered("errseg-base") == "a.pth"


def test_what_size_can_t_tell_is_said(hub):
    repository = hub.add(OURS, {"b.pth": b"", "c.pth": b""})
    repository.claimed = {"b.pth": 4 * 10**9, "c.pth": 3 * 10**6}
    assert refusal("errseg-base") == (
        f"{OURS} holds no file of 755 MB, the size of errseg-base; it has b.pth (4,000 MB), "
        f"c.pth (3 MB): give one as hf://{OURS}/FILE."
    )
    size = RELEASED_BYTES["errseg-base"][0]
    repository.claimed = dict.fromkeys(("b.pth", "c.pth"), size)
    assert "holds 2 files of 755 MB, the size of errseg-base; it has b.pth" in refusal(
        "errseg-base"
    )
    assert [*released.released_models()] == ["b.pth", "c.pth"]
    assert f"{OURS} holds several weights files, b.pth (755 MB), c.pth" in refusal(f"hf://{OURS}")
    hub.add("a/empty", {"README.md": b""})
    assert "a/empty holds no weights file (.pth, .pt, .safetensors)." in refusal("hf://a/empty")
    assert "a/empty has no weights file x.pth; it has none." in refusal("hf://a/empty/x.pth")


def test_a_released_model_in_one_line(tiny_release, hub):
    model = load_model("tiny-clip")
    assert model.config.name == "tiny-clip"
    commit = tiny_release.newest
    assert model.weights_origin == f"hf://{OURS}/some/tiny.pth@{commit}"
    assert model.weights_hash == file_hash(weights_here("tiny-clip"))
    # Two questions, one file: nothing of CLIP, whose tensors the checkpoint has.
    assert [(method, path.split("/")[1]) for method, path, _ in hub.asked] == [
        ("GET", "api"),
        ("HEAD", OURS.split("/")[0]),
        ("GET", model.weights_hash),
    ]
    hub.close()
    assert load_model("tiny-clip").weights_origin == model.weights_origin
    assert load_model(f"hf://{OURS}").weights_origin == model.weights_origin
    assert load_model(f"hf://{OURS}/some/tiny.pth@{commit}").weights_hash == model.weights_hash


def test_tensors_have_the_last_word(tiny_release, monkeypatch):
    sizes = {"errseg-base": released.RELEASED_BYTES["tiny-clip"]}
    monkeypatch.setattr(released, "RELEASED_BYTES", sizes)
    monkeypatch.setattr("errseg.checkpoints.sources.list_models", lambda: {"errseg-base": ""})
    with pytest.raises(InputError, match=r"tiny\.pth@\w+ holds tiny-clip, not errseg-base; give"):
        load_model("errseg-base")


def test_a_pinned_commit_or_else_the_newest(tiny_release, monkeypatch):
    first, path = tiny_release.newest, tiny_release.commits[tiny_release.newest]["some/tiny.pth"]
    tiny_release.commit({"elsewhere.pth": path})
    del tiny_release.commits[tiny_release.newest]["some/tiny.pth"]
    second = tiny_release.newest
    assert find_weights("tiny-clip").origin == f"hf://{OURS}/elsewhere.pth@{second}"
    monkeypatch.setattr(released, "RELEASED_REVISION", first)
    assert find_weights("tiny-clip").origin == f"hf://{OURS}/some/tiny.pth@{first}"
    monkeypatch.setenv(released.REVISION_VARIABLE, second)
    assert find_weights("tiny-clip").origin == f"hf://{OURS}/elsewhere.pth@{second}"
    monkeypatch.setenv(released.REVISION_VARIABLE, "f" * 40)
    assert refusal("tiny-clip") == f"{OURS} has no revision '{'f' * 40}'."


def test_a_newer_one_is_taken_when_it_is_asked_for(hub):
    repository = hub.add("a/b", {"x.pth": b"old"})
    assert find_weights("hf://a/b/x.pth").path.read_bytes() == b"old"
    repository.commit({"x.pth": b"new"})
    assert find_weights("hf://a/b/x.pth").path.read_bytes() == b"old"  # found, so nobody is asked
    assert find_weights("hf://a/b/x.pth", fresh=True).path.read_bytes() == b"new"
    assert find_weights("hf://a/b/x.pth").origin.endswith(f"@{repository.newest}")


def test_a_download_that_is_cut_goes_on_where_it_was(hub, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 500)  # 10 MB: what is asked for again
    content = os.urandom(5000)
    hub.add("a/b", {"x.pth": content})
    hub.cut_after = [2000, 1000]
    steps = []
    found = find_weights("hf://a/b/x.pth", lambda done, size: steps.append((done, size)))
    assert found.path.read_bytes() == content
    assert steps[-1] == (5000, 5000)
    stored = [headers for _, path, headers in hub.asked if len(path) == 65]
    assert [h.get("Range") for h in stored] == [None, "bytes=2000-", "bytes=3000-"]


def test_a_token_shows_what_is_private_and_never_leaves_the_hub(hub, monkeypatch):
    hub.add("a/b", {"x.pth": b"weights"}).private = True
    said = refusal("hf://a/b/x.pth")
    assert said == (
        "The Hub shows no model a/b from here; check the name, and if it is private, log in with: "
        "hf auth login."
    )
    assert refusal("hf://a/missing") == said.replace("a/b", "a/missing")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert find_weights("hf://a/b/x.pth").path.read_bytes() == b"weights"
    tokens = {len(path) == 65: "Authorization" in headers for _, path, headers in hub.asked}
    assert tokens == {False: True, True: False}


def test_what_the_hub_refuses_is_said(hub):
    repository = hub.add("a/b", {"x.pth": b"weights"})
    assert refusal("hf://a/b/x.pth@v9") == "a/b has no revision 'v9'."
    assert "a/b has no weights file y.pth; it has x.pth (0 MB)." in refusal("hf://a/b/y.pth")
    repository.gated = True
    assert refusal("hf://a/b/x.pth") == (
        "a/b is open to those only who accepted its terms; do so on its page, "
        "https://huggingface.co/a/b, and log in with: hf auth login."
    )
    hub.too_many, hub.retry_after = 1, 55
    assert refusal("hf://a/b/x.pth") == (
        "The Hub was asked too often from here; try again in 55 seconds, or log in with: "
        "hf auth login."
    )


def test_a_download_waits_as_long_as_it_is_told(hub, monkeypatch):
    hub.add("a/b", {"x.pth": b"weights"})
    waits = []
    monkeypatch.setattr(time, "sleep", waits.append)
    offered = released.find_offered

    def then_too_many(*arguments):
        file = offered(*arguments)
        hub.too_many, hub.retry_after = 2, 30
        return file

    monkeypatch.setattr(released, "find_offered", then_too_many)
    assert find_weights("hf://a/b/x.pth").path.read_bytes() == b"weights"
    assert 31 in waits


@pytest.mark.parametrize("manner", ["silent", "rubbish", "closed"])
def test_without_the_hub_a_sentence_says_what_to_do_within_five_seconds(manner, hub, monkeypatch):
    from huggingface_hub import constants

    with serve(manner) as (port, _):
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{port}")
        began = time.monotonic()
        said = refusal("errseg-base")
    assert time.monotonic() - began < 5
    why = {
        "silent": "no answer in 4 seconds",
        "rubbish": "what answers there makes no sense: JSONDecodeError",
        "closed": "ConnectError",
    }[manner]
    assert said == (
        f"errseg-base isn't on this machine and the Hub can't be reached ({why}); where there is a "
        "network python -m errseg fetch errseg-base gets it and says what to copy, or give the "
        "path of a file."
    )


def test_offline_on_purpose(hub, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "(HF_HUB_OFFLINE is set)" in refusal("hf://a/b")
    assert hub.asked == []


def test_a_disk_without_room(hub, monkeypatch):
    repository = hub.add("a/b", {"x.pth": b"weights"})
    repository.claimed["x.pth"] = 10**15
    said = refusal("hf://a/b/x.pth")
    assert said.startswith("x.pth has 1,000,000,000 MB and ")
    assert said.endswith("; make room, or let HF_HOME name another folder.")
    assert hub.downloads() == []
    del repository.claimed["x.pth"]

    def full(*arguments, **settings):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", full)
    assert refusal("hf://a/b/x.pth").startswith("The disk is full, and hf://a/b/x.pth was not kept")


def test_bytes_that_were_changed_on_the_way_are_noticed_and_fetched_again(
    hub, lite_weights, capsys
):
    hub.add("a/b", {"model.safetensors": lite_weights})
    hub.spoilt = True
    with pytest.raises(InputError, match=r"is not the file that lies on the Hub .* errseg fetch"):
        load_model("hf://a/b")
    found = find_weights("hf://a/b").path
    whole = bytearray(lite_weights.read_bytes())
    whole[-1] ^= 1
    found.resolve().write_bytes(whole)  # a flipped bit that nothing else shows
    with pytest.raises(InputError, match=r"is not the file that lies on the Hub .* errseg fetch"):
        load_model("hf://a/b")
    hub.spoilt = False
    assert main(["fetch", "hf://a/b"]) == 0
    assert file_hash(lite_weights) in capsys.readouterr().out
    assert load_model("hf://a/b").config.name == "tiny-lite"


def test_fetch_says_where_it_lies(hub, lite_weights, capsys):
    repository = hub.add("a/b", {"model.safetensors": lite_weights})
    expected = (
        f"hf://a/b is hf://a/b/model.safetensors@{repository.newest},\n"
        f"{lite_weights.stat().st_size / 10**6:,.1f} MB, SHA-256 {file_hash(lite_weights)}.\n"
        f"It lies at {weights_here('hf://a/b') or ''}"
    )
    assert main(["fetch", "hf://a/b"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(expected)
    path = weights_here("hf://a/b")
    assert str(path) in said
    assert f"copy {path.parents[2]} to ~/.cache/huggingface/hub there" in said
    hub.close()
    assert main(["fetch", "hf://a/b"]) == 0
    assert "Whether there is a newer one can't be told" in capsys.readouterr().out
    assert main(["fetch", "errseg-lite"]) == 0
    assert "errseg-lite ships with the code" in capsys.readouterr().out
    assert main(["fetch", "hf://a/c"]) == 2


def test_a_folder_is_a_model_too(tmp_path, lite_model):
    with pytest.raises(InputError, match="holds no weights file"):
        load_model(tmp_path)
    for name in ("b.safetensors", "model.safetensors"):
        save_model(lite_model, tmp_path / name)
        assert load_model(str(tmp_path)).config.name == "tiny-lite"
    (tmp_path / "model.safetensors").rename(tmp_path / "c.safetensors")
    with pytest.raises(InputError, match=r"several weights files, b\.safetensors, c\.safetensors"):
        load_model(tmp_path)


def test_a_threshold_on_the_hub_is_read_without_the_weights(hub, lite_weights):
    model = load_model(lite_weights)
    model.config = dataclasses.replace(model.config, calibration=Calibration(threshold=0.65))
    save_model(model, lite_weights)
    hub.add("a/b", {"model.safetensors": lite_weights, "other.pth": b"x"})
    assert advised_threshold("hf://a/b") == 0.65
    assert advised_threshold("hf://a/b/other.pth") == 0
    assert weights_here("hf://a/b") is None
