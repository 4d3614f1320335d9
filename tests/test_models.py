"""Which model answers: by name and precision, with or without looking up rare words."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest

from errseg.checkpoints.weights import save_model
from errseg.config import Calibration
from errseg.demo.backend.models import Models
from errseg.demo.backend.request import check_request
from errseg.demo.backend.service import Service
from errseg.errors import InputError


@pytest.fixture
def careful(tmp_path, make_model):
    """Weights whose model advises a threshold."""
    model = make_model(lite=True, cost_shortcut=True)
    model.config = dataclasses.replace(model.config, calibration=Calibration(threshold=0.65))
    save_model(model, tmp_path / "careful.safetensors")
    return tmp_path / "careful.safetensors"


def test_a_precision_is_chosen_and_one_other_model_is_kept(lite_weights, photo_file):
    service = Service(Models(lite_weights, "cpu", "float32"))

    def answers(**settings):
        request = check_request(photo_file, "cat, dog", input_size=128, **settings)
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


def test_auto_and_its_own_name_are_one_model(lite_weights, photo_file):
    service = Service(Models(lite_weights, "cpu"))
    automatic = service.models.predictor
    request = check_request(photo_file, "cat", precision=automatic.model.precision)
    assert service.models.predictor_for(request) is automatic


def test_a_shared_result_names_what_made_it(lite_weights, photo_file):
    service = Service(Models(lite_weights, "cpu", "bfloat16"))
    named = service.models.named(check_request(photo_file, "cat"))
    assert (named.model, named.options.precision) == ("tiny.safetensors", "bfloat16")
    chosen = check_request(photo_file, "cat", model="other.pth", precision="float32")
    assert service.models.named(chosen) == chosen


def test_rare_words_are_looked_up_unless_told_not_to(lite_weights, photo_file):
    service = Service(Models(lite_weights, "cpu", "float32"))
    looked_up, as_typed = (
        check_request(photo_file, "catfish, sky", input_size=128, expand=expand)
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


def test_a_question_starts_at_the_model_s_own_threshold(careful, photo_file):
    service = Service(Models(careful, "cpu", "float32"))
    assert service.models.threshold() == 0.65
    assert not service.models.loaded

    def threshold(**options):
        request = check_request(photo_file, "cat, dog", input_size=128, **options)
        return service.answer(request).result.settings.threshold

    assert threshold() == 0.65
    assert threshold(threshold=0.0) == 0
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


def test_a_device_that_is_not_there_is_refused_at_once():
    with pytest.raises(InputError, match="no device 'cuda:99' here"):
        Models("errseg-lite", device="cuda:99")
