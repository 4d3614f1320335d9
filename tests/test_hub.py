"""Released checkpoints through a local stand-in for the Hub's functions."""

import huggingface_hub
import pytest
import torch
from huggingface_hub.hf_api import RepoFile, RepoFolder

from errseg.checkpoints import hub, weights
from errseg.checkpoints.stored_config import file_hash
from errseg.demo.backend.models import Models
from errseg.demo.backend.request import check_request
from errseg.demo.backend.service import Service
from errseg.demo.page.compare import AS_ABOVE, RAW, Side, model_choices
from errseg.errors import InputError
from errseg.network.published import published_name


def in_tree(path: str, size: int = 1) -> RepoFile:
    return RepoFile(path=path, size=size, oid="0")


@pytest.fixture
def released(monkeypatch, tmp_path, clip_model):
    """A repository with one small checkpoint in the published format."""
    monkeypatch.setattr(weights, "MODELS", (*weights.MODELS, clip_model.config))
    tensors = {published_name(name): t.clone() for name, t in clip_model.state_dict().items()}
    torch.save({"model": tensors, "iteration": 5}, tmp_path / "tiny.pth")
    asked = []

    def list_repo_tree(repo_id, recursive, revision=None):
        assert recursive
        asked.append((repo_id, revision))
        return [RepoFolder(path="more", oid="0"), in_tree("README.md", 10**12), in_tree("tiny.pth")]

    def hf_hub_download(repo_id, filename, revision=None):
        asked.append((repo_id, filename, revision))
        return str(tmp_path / filename)

    monkeypatch.setattr(huggingface_hub, "list_repo_tree", list_repo_tree)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", hf_hub_download)
    return asked


@pytest.fixture
def photo(tmp_path, make_pixels):
    from PIL import Image

    path = tmp_path / "photo.png"
    Image.fromarray(make_pixels(1, 64, 96)[0].permute(1, 2, 0).numpy()).save(path)
    return path


def test_a_released_model_is_found_chosen_and_used(released, photo, monkeypatch):
    monkeypatch.setenv(hub.REVISION_VARIABLE, "abc123")
    service = Service(Models("errseg-lite"))
    assert service.models.names == ["errseg-lite"]
    assert service.models.find_released() == ["errseg-lite", "tiny.pth"]
    answer = service.answer(
        check_request(photo, "cat, dog", "tiny.pth", kept_classes=1, input_size=128)
    )
    assert answer.result.settings.model == "tiny-clip"
    assert answer.result.settings.weights_hash == file_hash(photo.parent / "tiny.pth")
    service.answer(check_request(photo, "cat", "tiny.pth", kept_classes=1, input_size=128))
    repository = hub.REPOSITORY
    assert released == [(repository, "abc123"), (repository, "tiny.pth", "abc123")]  # once each


def test_the_compare_tab_offers_released_models_to_each_side(released):
    service = Service(Models("errseg-lite"))
    assert model_choices(service) == [("as above", ""), ("errseg-lite", "errseg-lite")]
    service.models.find_released()
    assert model_choices(service)[2:] == [("tiny.pth", "tiny.pth")]


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


def test_a_link_to_a_released_model_finds_it(released):
    models = Service(Models("errseg-lite")).models
    assert models.look_up("errseg-lite") == "errseg-lite"
    assert released == []
    assert models.look_up("tiny.pth") == "tiny.pth"
    with pytest.raises(InputError, match=r"no such model; there are errseg-lite, tiny\.pth"):
        models.look_up("../errseg.pth")


def test_the_large_model_is_offered_where_there_is_a_gpu_and_the_hub_answers(monkeypatch):
    files = [in_tree("b.pth", 5), in_tree("l.pth", 9), in_tree("notes.txt", 99)]
    monkeypatch.setattr(huggingface_hub, "list_repo_tree", lambda *a, **k: files)
    device = torch.device("cuda")
    monkeypatch.setattr("errseg.demo.backend.models.find_device", lambda name: device)
    models = Models("errseg-lite")
    assert models.large() == "l.pth"
    assert models.names == ["errseg-lite", "l.pth", "b.pth"]
    files.clear()  # the Hub has nothing
    assert Models("errseg-lite").large() is None
    device = torch.device("cpu")
    files.append(in_tree("l.pth", 9))
    assert Models("errseg-lite").large() is None


def test_without_network_the_page_says_so_and_keeps_its_model(monkeypatch, photo):
    def offline(*arguments, **settings):
        raise ConnectionError("a secret of the network")

    monkeypatch.setattr(huggingface_hub, "list_repo_tree", offline)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", offline)
    service = Service(Models("errseg-lite"))
    with pytest.raises(InputError, match=r"can't be asked .*ConnectionError.*go on") as refused:
        service.models.find_released()
    assert "secret" not in str(refused.value)
    assert service.models.names == ["errseg-lite"]
    with pytest.raises(InputError, match="can't be fetched"):
        hub.fetch_checkpoint("x.pth")


def test_an_empty_repository_is_said(monkeypatch):
    monkeypatch.setattr(huggingface_hub, "list_repo_tree", lambda *a, **k: [in_tree("README.md")])
    with pytest.raises(InputError, match="holds no checkpoint"):
        hub.list_checkpoints()


@pytest.mark.parametrize("name", ["/etc/passwd", "../errseg.pth", "unlisted.pth"])
def test_only_listed_models_can_be_chosen(released, photo, name):
    service = Service(Models("errseg-lite"))
    service.models.find_released()
    with pytest.raises(InputError, match="no such model"):
        service.answer(check_request(photo, "cat", model=name))
