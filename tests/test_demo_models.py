"""Which model answers: by name and precision, with or without looking up rare words."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from errseg.checkpoints.weights import save_model
from errseg.config import Calibration
from errseg.demo.backend.models import Models
from errseg.demo.backend.request import check_request
from errseg.demo.backend.service import Service
from errseg.demo.page.compare import Side


@pytest.fixture
def photo(tmp_path, make_pixels):
    path = tmp_path / "photo.png"
    Image.fromarray(make_pixels(1, 64, 96)[0].permute(1, 2, 0).numpy()).save(path)
    return path


@pytest.fixture
def careful(tmp_path, make_model):
    """Weights whose model advises a threshold."""
    model = make_model(lite=True, cost_shortcut=True)
    model.config = dataclasses.replace(model.config, calibration=Calibration(threshold=0.65))
    save_model(model, tmp_path / "careful.safetensors")
    return tmp_path / "careful.safetensors"


@pytest.fixture
def weights(tmp_path, lite_model):
    save_model(lite_model, tmp_path / "tiny.safetensors")
    return tmp_path / "tiny.safetensors"


def test_a_precision_is_chosen_and_one_other_model_is_kept(weights, photo):
    service = Service(weights, "cpu", precision="float32")

    def answers(**settings):
        request = check_request(photo, "cat, dog", input_size=128, **settings)
        return service.models.predictor_for(request)

    first = answers()
    assert first.model.precision == "float32"  # "auto" on the page is what the app started with
    assert answers(precision="float32") is first
    half = answers(precision="bfloat16", model="tiny.safetensors")
    assert half.model.precision == "bfloat16"
    assert answers(precision="bfloat16") is half
    assert answers(precision="float16").model.precision == "float16"
    assert answers(precision="bfloat16") is not half
    assert answers() is first


def test_auto_and_its_own_name_are_one_model(weights, photo):
    service = Service(weights, "cpu")
    automatic = service.models.predictor
    request = check_request(photo, "cat", precision=automatic.model.precision)
    assert service.models.predictor_for(request) is automatic


def test_a_shared_result_names_what_made_it(weights, photo):
    service = Service(weights, "cpu", precision="bfloat16")
    named = service.models.named(check_request(photo, "cat"))
    assert (named.model, named.precision) == ("tiny.safetensors", "bfloat16")
    chosen = check_request(photo, "cat", model="other.pth", precision="float32")
    assert service.models.named(chosen) == chosen


def test_rare_words_are_looked_up_unless_told_not_to(weights, photo):
    service = Service(weights, "cpu", precision="float32")
    looked_up, as_typed = (
        check_request(photo, "catfish, sky", input_size=128, expand=expand)
        for expand in (True, False)
    )
    assert service.answer(looked_up).result.notices == (
        "'catfish' was read as 'catfish, fish, animal'.",
    )
    assert service.answer(as_typed).result.notices == ()
    attention = [service.attention(r, (5, 5), without_crm=True) for r in (looked_up, as_typed)]
    views = [service.cost_view(r, 0) for r in (looked_up, as_typed)]
    for one, other in (
        [a.costs.stride16 for a in attention],
        [a.attention.classes.numpy() for a in attention],
        [v.stride16 for v in views],
    ):
        assert one.shape == other.shape
        assert not np.array_equal(one, other)


def test_a_question_starts_at_the_model_s_own_threshold(careful, photo):
    service = Service(careful, "cpu", precision="float32")
    assert service.models.threshold() == 0.65
    assert not service.models.loaded

    def threshold(*settings):
        request = check_request(photo, "cat, dog", 2, 3, *settings, input_size=128)
        return service.answer(request).result.settings.threshold

    assert threshold() == 0.65
    assert threshold(0.0) == 0
    assert service.models.threshold("errseg_b.pth") == 0  # the released ones advise none
    assert service.models.threshold("unknown.safetensors") is None


def test_the_threshold_is_there_before_torch(careful):
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys\n"
            "from errseg.demo.backend.models import Models\n"
            "print(Models(sys.argv[1]).threshold(), 'torch' in sys.modules)",
            careful,
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "0.65 False\n"


def test_another_model_brings_its_own_threshold_unless_one_was_chosen():
    side = Side("words", "kept", "votes", "show", "model")
    values = {"words": "", "kept": 1, "votes": 1, "model": "b.pth"}
    for asked, expected in ((0.4, None), (0.7, 0.7)):
        request = check_request("photo.jpg", "cat", threshold=asked)
        assert side.request(request, values, advised=0.4).threshold == expected
        assert side.request(request, {**values, "model": ""}, advised=0.4).threshold == asked


def test_a_device_that_is_not_there_offers_no_large_model():
    assert Models("errseg-lite", device="cuda:99").large() is None
