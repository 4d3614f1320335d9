"""The page's models from a stand-in for the Hub: found, chosen, fetched, told about."""

import threading
import time
from types import SimpleNamespace

import pytest
import torch
from hub_server import StandInHub

from errseg.checkpoints import hub as on_hub
from errseg.checkpoints.sources import weights_here
from errseg.checkpoints.stored_config import file_hash
from errseg.demo.backend.models import Models
from errseg.demo.backend.places import GoneError
from errseg.demo.backend.request import check_request
from errseg.demo.backend.service import Service
from errseg.demo.page.compare import AS_ABOVE, RAW, Side, model_choices
from errseg.errors import InputError

TINY = {"kept_classes": 1, "input_size": 128}


OF_THE_CLIENT = "/api/agent-harnesses"  # huggingface_hub's own, once a process, in some places


def asked(hub: StandInHub) -> list[str]:
    """What was asked of repositories."""
    return [f"{method} {path}" for method, path, _ in hub.asked if path != OF_THE_CLIENT]


def test_a_released_model_is_found_chosen_and_used(tiny_release, hub, photo_file, monkeypatch):
    commit = tiny_release.newest
    monkeypatch.setenv(on_hub.REVISION_VARIABLE, commit)
    service = Service(Models("errseg-lite"))
    assert service.models.names == ["errseg-lite"]
    assert asked(hub) == []
    assert service.models.find_released() == ["errseg-lite", "tiny-clip"]
    answer = service.answer(check_request(photo_file, "cat, dog", "tiny-clip", **TINY))
    settings = answer.result.settings
    assert settings.model == "tiny-clip"
    assert settings.weights_hash == file_hash(weights_here("tiny-clip"))
    assert settings.weights_origin == f"hf://{on_hub.REPOSITORY}/some/tiny.pth@{commit}"
    service.answer(check_request(photo_file, "cat", "tiny-clip", **TINY))
    assert len(asked(hub)) == 4  # listed for the list and for the download, and what this takes
    assert all(commit in path for path in asked(hub)[:3])


def test_a_model_of_an_unknown_size_has_its_file_s_name(tiny_release, photo_file, monkeypatch):
    monkeypatch.setattr(on_hub, "RELEASED_BYTES", {})
    service = Service(Models("errseg-lite"))
    assert service.models.find_released() == ["errseg-lite", "some/tiny.pth"]
    answer = service.answer(check_request(photo_file, "cat", "some/tiny.pth", **TINY))
    assert answer.result.settings.model == "tiny-clip"


def test_the_compare_tab_offers_released_models_to_each_side(tiny_release):
    service = Service(Models("errseg-lite"))
    assert model_choices(service) == [("as above", ""), ("errseg-lite", "errseg-lite")]
    service.models.find_released()
    assert model_choices(service)[2:] == [("tiny-clip", "tiny-clip")]


def test_a_side_without_words_or_model_asks_as_above():
    side = Side("words", {"kept_classes": "kept", "votes_per_pixel": "votes"}, "show", "model")
    options = {"kept_classes": 2, "threshold": 0.5, "expand": False}
    asked = check_request("photo.jpg", "cat, dog", "a.pth", **options)
    values = {"words": " ", "kept": 1, "votes": 2, "show": RAW, "model": AS_ABOVE}
    same = side.request(asked, values, 0.4)
    assert same == asked.changed(kept_classes=1, votes_per_pixel=2)
    other = side.request(asked, {**values, "words": "sky", "model": "b.pth"}, 0.4)
    assert (other.vocabulary.names, other.model) == (("sky",), "b.pth")
    assert other.options == same.options
    with pytest.raises(InputError, match="from 1 to"):
        side.request(asked, {**values, "kept": 0}, 0.4)


def test_a_link_to_a_released_model_finds_it(tiny_release, hub):
    models = Models("errseg-lite")
    assert models.knows("errseg-lite")
    assert models.look_up("") == models.look_up("errseg-lite") == "errseg-lite"
    assert not models.knows("tiny-clip")
    assert asked(hub) == []
    assert models.look_up("tiny-clip") == "tiny-clip"
    with pytest.raises(InputError, match=r"no such model; there are errseg-lite, tiny-clip\."):
        models.look_up("../errseg.pth")


def test_the_large_model_is_offered_where_there_is_a_gpu_and_the_hub_answers(hub, monkeypatch):
    repository = hub.add(on_hub.REPOSITORY, dict.fromkeys(("b.pth", "l.pth", "notes.txt"), b""))
    base, large = (on_hub.RELEASED_BYTES[name][0] for name in ("errseg-base", "errseg-large"))
    repository.claimed = {"b.pth": base, "l.pth": large, "notes.txt": 10**11}
    device = torch.device("cuda")
    monkeypatch.setattr("errseg.demo.backend.models.find_device", lambda name: device)
    models = Models("errseg-lite")
    assert models.large() == "errseg-large"
    assert models.names == ["errseg-lite", "errseg-large", "errseg-base"]
    repository.commits[repository.newest].clear()  # the Hub has nothing
    assert Models("errseg-lite").large() is None
    device = torch.device("cpu")
    assert Models("errseg-lite").large() is None


def test_without_the_hub_the_page_says_so_and_keeps_its_model(hub):
    models = Models("errseg-lite")
    hub.close()
    with pytest.raises(InputError, match=r"can't be asked .*ConnectError.*go on") as refused:
        models.find_released()
    assert hub.address not in str(refused.value)
    assert models.names == ["errseg-lite"]


def test_an_empty_repository_is_said(hub):
    hub.add(on_hub.REPOSITORY, {"README.md": b""})
    with pytest.raises(InputError, match="holds no checkpoint"):
        on_hub.released_models()


@pytest.mark.parametrize("name", ["/etc/passwd", "../errseg.pth", "hf://a/b", "unlisted.pth"])
def test_only_listed_models_can_be_chosen(tiny_release, hub, photo_file, name):
    hub.add("a/b", {"model.safetensors": b""})
    service = Service(Models("errseg-lite"))
    service.models.find_released()
    with pytest.raises(InputError, match="no such model"):
        service.answer(check_request(photo_file, "cat", model=name))


def test_a_first_model_that_can_t_be_had_is_refused_at_the_start(hub):
    with pytest.raises(InputError, match="The Hub shows no model lchen1019/ERR-Seg"):
        Models("errseg-base")
    hub.add("a/b", {"d.pth": b""})
    with pytest.raises(InputError, match=r"a/b has no weights file c\.pth; it has d\.pth"):
        Models("hf://a/b/c.pth")
    hub.close()
    with pytest.raises(InputError, match="python -m errseg fetch errseg-base"):
        Models("errseg-base")


def test_a_first_model_from_the_hub_keeps_its_name(tiny_release, photo_file):
    address = f"hf://{on_hub.REPOSITORY}/some/tiny.pth"
    service = Service(Models(address, "cpu", "float32"))
    assert service.models.names == [address]
    named = service.models.named(check_request(photo_file, "cat", **TINY))
    assert named.model == address  # so that a shared command finds it
    assert service.answer(named).result.settings.model == "tiny-clip"


@pytest.fixture
def slow(hub, monkeypatch):
    """Let downloads stand still until somebody sets the event."""
    from huggingface_hub import file_download

    may_go_on, get = threading.Event(), file_download.http_get

    def stand_still(url, file, **settings):
        bar = settings["tqdm_class"](total=settings["expected_size"])
        bar.update(1)
        may_go_on.wait(30)
        return get(url, file, **settings)

    monkeypatch.setattr(file_download, "http_get", stand_still)
    yield may_go_on
    may_go_on.set()


def test_who_waits_for_a_download_hears_of_it_and_may_leave(tiny_release, hub, photo_file, slow):
    service = Service(Models("errseg-lite", "cpu", "float32"))
    service.models.find_released()
    request = check_request(photo_file, "cat", "tiny-clip", **TINY)
    heard, left, ended = [], threading.Event(), []

    def ask(tell, wanted) -> None:
        with service.places.wanted(wanted, tell):
            try:
                ended.append(service.answer(request).result.settings.model)
            except GoneError:
                ended.append("left")

    threads = [
        threading.Thread(target=ask, args=(heard.append, lambda: True)),
        threading.Thread(target=ask, args=(lambda said: None, lambda: not left.is_set())),
    ]
    for thread in threads:
        thread.start()
    _until(lambda: any("Fetching tiny-clip from the Hub: 0 of" in said for said in heard))
    # Others' questions, and events that ask nothing of the network, go on meanwhile.
    began = time.monotonic()
    assert service.models.threshold("tiny-clip") == 0
    assert service.models.knows("tiny-clip")
    assert time.monotonic() - began < 0.05
    left.set()
    threads[1].join(10)
    assert ended == ["left"]
    slow.set()
    threads[0].join(30)
    assert ended == ["left", "tiny-clip"]
    assert sum(len(path) == 65 for _, path, _ in hub.asked) == 1  # one download for both
    assert heard[0] == "read"
    assert heard[1].startswith("Fetching")
    assert heard.count(heard[1]) == 1  # told once, however long it stands there


def test_a_download_spends_nothing_of_the_budget(tiny_release, photo_file, slow):
    service = Service(Models("errseg-lite", "cpu", "float32"))
    service.models.find_released()
    turns, turn = [], service.places.turn

    def counted(*arguments):
        turns.append(arguments)
        return turn(*arguments)

    service.places.turn = counted
    request = check_request(photo_file, "cat", "tiny-clip", **TINY)
    thread = threading.Thread(target=service.answer, args=(request,))
    thread.start()
    _until(lambda: service.models._news)
    assert turns == []  # nobody's turn is taken by it
    slow.set()
    thread.join(30)
    assert len(turns) == 1


def test_a_download_that_failed_is_tried_again(tiny_release, hub, photo_file):
    service = Service(Models("errseg-lite", "cpu", "float32"))
    service.models.find_released()
    tiny_release.gated = True
    request = check_request(photo_file, "cat", "tiny-clip", **TINY)
    with pytest.raises(InputError, match="accepted its terms"):
        service.answer(request)
    tiny_release.gated = False
    assert service.answer(request).result.settings.model == "tiny-clip"


def test_no_event_that_isn_t_queued_waits_for_the_hub(hub):
    from errseg.demo.page.layout import create_demo

    hub.silent = True
    events = {event.name: event for event in create_demo(Models("errseg-lite")).page.fns.values()}
    assert all(events[name].queue for name in ("find_models", "offer", "open_page"))
    assert not events["follow_link"].queue
    began = time.monotonic()
    filled = events["follow_link"].fn(SimpleNamespace(query_params={"model": "errseg-huge"}))
    assert time.monotonic() - began < 2  # it copies a photo
    assert any(isinstance(v, tuple) and v[0].model == "errseg-huge" for v in filled.values())
    assert hub.asked == []


def _until(condition) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
