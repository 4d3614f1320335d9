"""Models of ours on the Hub: written, put there, read again. Against a stand-in of it."""

import json

import pytest
import torch
from hub_server import TOKEN
from huggingface_hub import ModelCard

from errseg.checkpoints.weights import PretrainedERRSeg, load_model
from errseg.errors import InputError

SHARES = ("miou", "frequency_weighted_iou", "mean_class_accuracy", "pixel_accuracy")


@pytest.fixture
def scores(tmp_path):
    """A file as ``evaluate --json`` writes it."""
    crm = {**dict.fromkeys(SHARES, 0.5), "miou": 0.12345, "pixel_accuracy": None}
    one = {"name": "voc20", "photos": 9, "classes": 20, "kept_classes": 16, "crm": crm}
    path = tmp_path / "scores.json"
    path.write_text(json.dumps([one]))
    return path


def test_a_model_is_put_on_the_hub_and_read_again(hub, lite_weights, scores):
    model = load_model(lite_weights)
    url = model.push_to_hub("me/mine", scores=scores, license="apache-2.0", token=TOKEN)
    repository = hub.repositories["models/me/mine"]
    assert url == f"{hub.address}/me/mine/commit/{repository.newest}"
    files = repository.commits[repository.newest]
    assert {*files} == {".gitattributes", "README.md", "config.json", "model.safetensors"}
    assert json.loads(files["config.json"])["name"] == "tiny-lite"
    again = PretrainedERRSeg.from_pretrained("me/mine")
    assert again.config == model.config
    assert again.weights_origin == f"hf://me/mine/model.safetensors@{repository.newest}"
    assert type(again) is type(model)
    ours, theirs = model.state_dict(), again.state_dict()
    assert all(torch.allclose(ours[name], theirs[name], atol=1e-3) for name in ours)
    model.push_to_hub("me/mine", token=TOKEN)  # there already
    told = [headers for method, path, headers in hub.asked if method == "PUT"]
    assert told
    assert not any("Authorization" in headers for headers in told)


def test_the_card_s_metadata(hub, lite_weights, scores, tmp_path):
    model = load_model(lite_weights)
    model.save_pretrained(tmp_path / "out", repo_id="me/mine", scores=scores, license="mit")
    card = ModelCard.load(tmp_path / "out/README.md")
    told = card.data.to_dict()
    assert told["library_name"] == "errseg"
    assert told["pipeline_tag"] == "image-segmentation"
    assert told["license"] == "mit"
    assert "sentence-transformers/all-MiniLM-L6-v2" in told["base_model"]
    [entry] = told["model-index"]
    assert entry["name"] == "mine"
    [result] = entry["results"]
    assert result["task"] == {"type": "image-segmentation"}
    assert result["dataset"]["name"] == "voc20"
    metrics = {metric["type"]: metric["value"] for metric in result["metrics"]}
    assert metrics == {"mean_iou": 0.1235, "frequency_weighted_iou": 0.5, "mean_accuracy": 0.5}
    assert "| voc20 | 9 | 20 | 16 | 12.3% | 50.0% | 50.0% | - |" in card.text
    assert 'errseg.load_model("hf://me/mine")' in card.text
    # A card that somebody wrote stays.
    (tmp_path / "out/README.md").write_text("mine")
    model.save_pretrained(tmp_path / "out")
    assert (tmp_path / "out/README.md").read_text() == "mine"
    assert PretrainedERRSeg.from_pretrained(tmp_path / "out").config == model.config


def test_a_card_without_scores_or_licence(tiny_release, tmp_path):
    told = load_model("tiny-clip").generate_model_card().data.to_dict()
    assert told["base_model"] == ["lchen1019/ERR-Seg"]  # where it came from
    assert (told["license"], told["license_name"]) == ("other", "see-terms")
    assert "model-index" not in told


def test_clip_s_own_repository_is_the_base_of_what_was_trained_from_it():
    from errseg.checkpoints.model_card import model_card
    from errseg.config import model_config

    for name, base in {
        "errseg-base": "laion/CLIP-convnext_base_w_320-laion_aesthetic-s13B-b82K",
        "errseg-large": "laion/CLIP-convnext_large_d_320.laion2B-s29B-b131K-ft-soup",
    }.items():
        assert model_card(model_config(name), "me/mine").data.base_model == [base]


@pytest.mark.parametrize("content", ["", "[1]", '[{"name": "a"}]', "{}x"])
def test_scores_that_are_none(lite_weights, tmp_path, content):
    (tmp_path / "scores.json").write_text(content)
    with pytest.raises(InputError, match=r"holds no scores; give what .* evaluate --json wrote"):
        load_model(lite_weights).generate_model_card(scores=tmp_path / "scores.json")
    with pytest.raises(InputError, match="can't be read"):
        load_model(lite_weights).generate_model_card(scores=tmp_path / "gone.json")


def test_reading_again_as_others_do(hub, lite_weights):
    repository = hub.add("me/mine", {"model.safetensors": lite_weights})
    with pytest.raises(InputError, match="me/mine isn't on this machine"):
        PretrainedERRSeg.from_pretrained("me/mine", local_files_only=True)
    first = repository.newest
    repository.private = True
    with pytest.raises(InputError, match="hf auth login"):
        PretrainedERRSeg.from_pretrained("me/mine")
    PretrainedERRSeg.from_pretrained("me/mine", token=TOKEN)
    repository.commit({"model.safetensors": b"broken"})
    assert PretrainedERRSeg.from_pretrained("me/mine", local_files_only=True)
    with pytest.raises(InputError, match="not a safetensors file"):
        PretrainedERRSeg.from_pretrained("me/mine", token=TOKEN, force_download=True)
    older = PretrainedERRSeg.from_pretrained("me/mine", revision=first, precision="bfloat16")
    assert older.weights_origin.endswith(first)
    assert older.precision == "bfloat16"


def test_who_may_not_write_hears_it(hub, lite_weights):
    model = load_model(lite_weights)
    hub.read_only = True
    with pytest.raises(InputError, match=r"me/mine isn't yours to write to; log in with: hf auth"):
        model.push_to_hub("me/mine", token="hf_another")
    hub.close()
    with pytest.raises(InputError, match=r"me/mine could not be put on the Hub \(ConnectError\)"):
        model.push_to_hub("me/mine", token=TOKEN)
