"""Between the parts of a network somebody may stop it, or let others go first."""

import itertools
import threading
import time

import pytest
import torch

from errseg.checkpoints.weights import load_model
from errseg.config import EXAMPLES
from errseg.inference.pauses import Pauses
from errseg.inference.predictor import Predictor

CAT = EXAMPLES.with_name("cat.jpg")
ASKED = (CAT, "cat, dog, sky, a wall | brick wall, floor")


@pytest.fixture(params=[False, True], ids=["clip", "lite"])
def predictor(request, make_model):
    return Predictor(make_model(lite=request.param))


def test_it_is_called_between_the_parts_and_changes_nothing(predictor, make_model):
    plain = Predictor(predictor.model)(*ASKED, input_size=256, kept_classes=3)
    calls = []
    with predictor.pauses.calling(lambda: calls.append(None)):
        paused = predictor(*ASKED, input_size=256, kept_classes=3)
    assert len(calls) > 20
    assert torch.equal(torch.from_numpy(plain.scores), torch.from_numpy(paused.scores))
    before = len(calls)
    predictor(CAT, "sea", input_size=256)  # outside of the block nobody is called
    assert len(calls) == before


def test_what_it_raises_ends_the_pass_and_the_next_one_is_whole(predictor):
    def stop():
        raise TimeoutError

    with pytest.raises(TimeoutError), predictor.pauses.calling(stop):
        predictor(*ASKED, input_size=256)
    assert predictor(*ASKED, input_size=256).labels.shape == (300, 451)


def test_other_threads_are_not_called(predictor):
    calls = []
    with predictor.pauses.calling(lambda: calls.append(threading.get_ident())):
        other = threading.Thread(target=predictor, args=ASKED, kwargs={"input_size": 256})
        other.start()
        other.join()
    assert calls == []


@pytest.mark.slow
@pytest.mark.alone
def test_the_shipped_model_never_goes_long_without_a_pause():
    """The longest part is a small piece of the pass: who makes way does so soon."""
    predictor, times = Predictor(load_model("errseg-lite")), []
    words = [f"thing {number}" for number in range(300)]
    began = time.monotonic()
    with predictor.pauses.calling(lambda: times.append(time.monotonic())):
        predictor(CAT, words, kept_classes=300)
    times = [began, *times, time.monotonic()]
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert max(gaps) < 0.25 * (times[-1] - began)


def test_hooks_are_registered_once_and_only_when_somebody_wants_them(make_model):
    model = make_model()
    pauses = Pauses(model)

    def hooks():
        return sum(len(part._forward_pre_hooks) for part in model.modules())

    assert hooks() == 0
    for _ in range(2):
        with pauses.calling(lambda: None):
            pass
        first = hooks()
    assert first == hooks() > 20
