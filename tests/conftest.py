"""What many tests share: tiny models with weights from the rule in golden/README.md, odd photos."""

import dataclasses
import os
import socket
import tempfile
from pathlib import Path

import pytest
import torch
from golden_weights import rule_tensor
from odd_photos import write_odd_photos
from PIL import Image
from tiny_configs import TINY_CLIP, TINY_HEAD, TINY_LITE
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing

from errseg.checkpoints.weights import save_model
from errseg.config import ModelConfig
from errseg.network.model import ERRSeg, build_model

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "photo", "of", "cat", "dog", "sky", "grass"]
WORDS += ["tree", "road", "##s", "##fish", "scene", "in", "the", "sofa", "red"]
WORDS += ["fish", "animal"]
LOOPBACK = ("127.0.0.1", "::1", "localhost", "0.0.0.0")


@pytest.fixture(autouse=True)
def _no_network(monkeypatch):
    """No test may need the network; an app on this machine is fine."""
    connect = socket.socket.connect

    def connect_here(self, address):
        if isinstance(address, tuple) and address[0] not in LOOPBACK:
            raise OSError(f"a test tried to reach {address[0]}")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect_here)


def pytest_configure():
    """No test may read or fill the user's caches, ask the Hub, nor take another's core."""
    os.environ["ERRSEG_CACHE"] = "off"
    os.environ["HF_HOME"] = str(Path(tempfile.gettempdir()) / "errseg-tests-have-no-hub")
    os.environ["HF_HUB_OFFLINE"] = "1"
    if "PYTEST_XDIST_WORKER" in os.environ:  # several processes test at once
        os.environ["OMP_NUM_THREADS"] = "1"  # of the programs that tests start
        torch.set_num_threads(1)


def tiny_tokenizer() -> str:
    """A word-piece tokenizer as JSON that, like MiniLM's, pads and cuts to a fixed length."""
    tokenizer = Tokenizer(WordPiece({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.normalizer = BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.enable_padding(length=128)
    tokenizer.enable_truncation(128)
    return tokenizer.to_str()


def tiny_config(lite: bool = False, **head) -> ModelConfig:
    return ModelConfig(
        name="tiny-lite" if lite else "tiny-clip",
        description="for the tests",
        towers=TINY_LITE if lite else TINY_CLIP,
        head=dataclasses.replace(TINY_HEAD, **head),
        input_size=128,
    )


def build_tiny(lite: bool = False, **head) -> ERRSeg:
    """Build a tiny model; a tensor's weights depend on its name and shape only."""
    model = build_model(tiny_config(lite, **head))
    fill(model)
    if lite:
        model.towers.text.tokenizer_json = tiny_tokenizer()
        for name in ("text_mean", "imagenet_names"):
            buffer = getattr(model.towers, name)
            buffer.copy_(rule_tensor(name, tuple(buffer.shape)))
    return model


@torch.no_grad()
def fill(module: torch.nn.Module) -> None:
    """Give every parameter weights by the rule, so that no norm, bias or gamma is trivial."""
    for name, parameter in module.named_parameters():
        parameter.copy_(rule_tensor(name, tuple(parameter.shape)))


@pytest.fixture(scope="session")
def head():
    """Configuration of a tiny head."""
    return TINY_HEAD


@pytest.fixture(scope="session")
def make_model():
    """``make_model(lite=False, **head_changes)``: a new tiny model."""
    return build_tiny


@pytest.fixture(scope="session")
def fill_weights():
    """Give a module's parameters the rule's weights."""
    return fill


@pytest.fixture(scope="session")
def clip_model():
    """A tiny CLIP model, shared: don't change it."""
    return build_tiny()


@pytest.fixture(scope="session")
def lite_model():
    """A tiny lite model, shared: don't change it."""
    return build_tiny(lite=True, cost_shortcut=True)


@pytest.fixture(scope="session")
def tiled_model():
    """A tiny lite model with inputs of 192 pixels, shared: don't change it."""
    model = build_tiny(lite=True, cost_shortcut=True)
    model.config = dataclasses.replace(model.config, input_size=192)
    return model


@pytest.fixture(scope="session")
def make_pixels():
    """``make_pixels(batch, height, width, seed=0)``: uint8 photos of smooth random blobs."""

    def make(batch: int, height: int, width: int, seed: int = 0) -> torch.Tensor:
        generator = torch.Generator().manual_seed(seed)
        coarse = torch.rand(batch, 3, 5, 5, generator=generator)
        smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic")
        noise = 0.1 * torch.randn(batch, 3, height, width, generator=generator)
        return ((smooth + noise) * 255).clamp(0, 255).to(torch.uint8)

    return make


@pytest.fixture
def randn():
    """``randn(*shape)``: the same standard normal numbers in every run."""
    generator = torch.Generator().manual_seed(0)
    return lambda *shape: torch.randn(*shape, generator=generator)


@pytest.fixture
def unit(randn):
    """``unit(*shape)``: random embeddings of length 1, the same in every run."""
    return lambda *shape: torch.nn.functional.normalize(randn(*shape), dim=-1)


@pytest.fixture(scope="session")
def prompts():
    """Prompts of different lengths, all in the tiny tokenizer's vocabulary."""
    return ["a cat", "dogs", "a photo of a red sofa in the scene", "sky", "grass", "tree", "road"]


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """A real browser, see `browser_page`."""
    from browser_page import start_browser

    driver = start_browser(tmp_path_factory.mktemp("profile"))
    yield driver
    driver.quit()


@pytest.fixture
def page(browser):
    """The app's page, not opened yet; nothing may stand in the console at the end."""
    from app_server import start_app
    from browser_page import Page

    page = Page(browser, start_app())
    page.set_size(1280, 900)
    browser.get_log("browser")  # of the test before
    yield page
    said = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    # Who leaves a page that still listens for an answer ends the listening.
    left = "AbortError: signal is aborted", "Connection errored out"
    errors = [entry for entry in said if not any(text in entry["message"] for text in left)]
    browser.get("about:blank")
    assert errors == []


@pytest.fixture(scope="session")
def odd_photos(tmp_path_factory):
    """Photos as people have them, and files that are none: name -> path; see `odd_photos`."""
    return write_odd_photos(tmp_path_factory.mktemp("odd photos"))


@pytest.fixture
def answer():
    """An answer of the demo: a 40 x 20 photo whose names are what an attacker would type."""
    from demo_answers import make_answer

    return make_answer()


@pytest.fixture
def attention():
    """Attention of the same: two layers, two kept classes, two heads, a 2 x 4 grid."""
    from demo_answers import make_attention

    return make_attention()


@pytest.fixture
def photo_file(tmp_path, make_pixels):
    """A small photo's file."""
    path = tmp_path / "photo.png"
    Image.fromarray(make_pixels(1, 64, 96)[0].permute(1, 2, 0).numpy()).save(path)
    return path


@pytest.fixture
def lite_weights(tmp_path, lite_model):
    """A file with the tiny lite model's weights."""
    save_model(lite_model, tmp_path / "tiny.safetensors")
    return tmp_path / "tiny.safetensors"


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A stand-in for the Hub, which huggingface_hub asks from now on, and an empty cache."""
    from hub_server import stand_in_hub
    from huggingface_hub import constants

    with stand_in_hub() as hub:
        template = hub.address + "/{repo_id}/resolve/{revision}/{filename}"
        for name, value in {
            "ENDPOINT": hub.address,
            "HUGGINGFACE_CO_URL_TEMPLATE": template,
            "HF_HUB_CACHE": str(tmp_path / "hub"),
            "HF_HUB_OFFLINE": False,
            "HF_HUB_DISABLE_XET": True,
            "HF_TOKEN_PATH": str(tmp_path / "token"),
        }.items():
            monkeypatch.setattr(constants, name, value)
        monkeypatch.delenv("HF_TOKEN", raising=False)
        yield hub


@pytest.fixture
def tiny_release(hub, monkeypatch, clip_model, tmp_path):
    """The released checkpoints' repository with one small file, and a variant of its size."""
    from errseg.checkpoints import hub as on_hub
    from errseg.checkpoints import sources, weights
    from errseg.network.published import published_name

    monkeypatch.setattr(weights, "MODELS", (*weights.MODELS, clip_model.config))
    tensors = {published_name(name): t.clone() for name, t in clip_model.state_dict().items()}
    path = tmp_path / "tiny.pth"
    torch.save({"model": tensors, "iteration": 5}, path)
    size = sum(tensor.nbytes for tensor in tensors.values())
    monkeypatch.setattr(on_hub, "RELEASED_BYTES", {"tiny-clip": (size, 2 * size)})
    monkeypatch.setattr(sources, "list_models", lambda: {"tiny-clip": "", "errseg-lite": ""})
    return hub.add(on_hub.REPOSITORY, {"README.md": b"# Weights", "some/tiny.pth": path})
