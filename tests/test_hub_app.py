"""The app with an empty cache and the published model, from a stand-in for the Hub."""

from pathlib import Path

import pytest
import torch
from app_server import ROOT, launch_app
from golden_weights import released_shapes
from gradio_client import Client, handle_file
from hub_server import environment, stand_in_hub

from errseg.checkpoints.hub import REPOSITORY

CHINA = ROOT / "examples/china.jpg"


def write_checkpoint(path: Path) -> None:
    """Write a checkpoint of errseg-base's true size, with weights that mean nothing."""
    generator = torch.Generator().manual_seed(0)
    tensors = {
        name: torch.empty(shape).uniform_(-0.03, 0.03, generator=generator)
        for name, shape in released_shapes("errseg-base").items()
    }
    torch.save({"model": tensors, "iteration": 79_999}, path)


@pytest.mark.slow
def test_with_an_empty_cache_the_app_starts_with_the_published_model_and_segments(tmp_path):
    with stand_in_hub() as hub:
        write_checkpoint(tmp_path / "weights.pth")
        repository = hub.add(REPOSITORY, {"weights.pth": tmp_path / "weights.pth"})
        variables = environment(hub, tmp_path / "home")
        with launch_app("--model", "errseg-base", **variables) as (url, _):
            client = Client(url, verbose=False, download_files=tmp_path)
            *_, result = client.predict(
                image=handle_file(CHINA), classes="temple, sky", api_name="/segment"
            )
    settings = result["settings"]
    assert settings["model"] == "errseg-base"
    assert settings["weights_origin"] == f"hf://{REPOSITORY}/weights.pth@{repository.newest}"
    # The checkpoint, once, and nothing else of any repository.
    asked = [path for _, path, _ in hub.asked]
    assert sum(len(path) == 65 for path in asked) == 1
    assert all(REPOSITORY in path or len(path) == 65 for path in asked)
