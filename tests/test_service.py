"""What answers the page: photos are read once, a model that can't be loaded is told of."""

import threading
import time

import numpy as np
import pytest
from PIL import Image

from errseg.config import EXAMPLES
from errseg.demo.backend.answers import query_pixel
from errseg.demo.backend.background import Background
from errseg.demo.backend.models import Models
from errseg.demo.backend.reader import PhotoReader
from errseg.demo.backend.request import check_request
from errseg.demo.backend.service import Service
from errseg.errors import InputError

CAT = EXAMPLES.with_name("cat.jpg")


def test_a_model_that_is_not_there_is_refused_at_once(tmp_path):
    for model, sentence in (
        ("errseg-huge", "no model 'errseg-huge'"),
        (tmp_path / "gone.safetensors", "no weights file"),
    ):
        with pytest.raises(InputError, match=sentence):
            Service(Models(model))


def test_a_broken_model_is_told_to_whoever_asks(tmp_path):
    (tmp_path / "broken.safetensors").write_text("no tensors here")
    service = Service(Models(tmp_path / "broken.safetensors"))
    for _ in range(2):
        with pytest.raises(InputError, match=r"broken.safetensors is not a safetensors file"):
            service.answer(check_request(CAT, "cat"))


def test_the_first_query_lies_on_the_largest_class(answer):
    x, y = query_pixel(answer)
    assert answer.result.labels[y, x] == 0


@pytest.fixture
def opened(monkeypatch):
    """Files that were read, one entry for each time."""
    read, files = PhotoReader.read, []

    def watched(self, path, longest):
        files.append(str(path))
        return read(self, path, longest)

    monkeypatch.setattr(PhotoReader, "read", watched)
    return files


def test_a_large_photo_is_read_once_for_all_that_is_asked_of_it(lite_weights, tmp_path, opened):
    large = tmp_path / "large.jpg"
    Image.fromarray(np.zeros((3000, 4000, 3), np.uint8)).save(large)  # 12 megapixels
    service = Service(Models(lite_weights, "cpu", "float32"))
    request = check_request(large, "cat, dog", input_size=128)
    answer = service.answer(request)
    assert answer.result.notices == (
        "The photo was shrunk from 4000 x 3000 to 2048 x 1536 pixels; masks in files have its own "
        "size.",
    )
    assert answer.mask.size == (4000, 3000)
    assert answer.result.labels.shape == (1536, 2048)
    for pixel in ((0, 0), (2047, 1535)):
        service.attention(request, pixel)
    assert service.shrunk_pixel(request, (3999, 0)) == ((2047, 0), (3000, 4000))
    with pytest.raises(InputError, match="outside the photo of 4000 x 3000"):
        service.shrunk_pixel(request, (4000, 0))
    service.cost_view(request, 1)
    again = service.answer(check_request(large, "sky", input_size=128))
    assert opened == [str(large)]
    assert again.result.notices == answer.result.notices
    assert again.photo is answer.photo
    with pytest.raises(ValueError, match="read-only"):
        answer.photo[:] = 0


def test_a_service_without_an_opening_question_says_so(lite_weights):
    """It must not wait for an answer that nobody will give."""
    raised = []

    def ask():
        try:
            Service(Models(lite_weights, "cpu")).opening()
        except ValueError as error:
            raised.append(str(error))

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(30)
    assert raised == ["This service has no opening question."]


def test_an_opening_question_is_answered_once(lite_weights, photo_file, opened):
    question = check_request(photo_file, "cat, dog", input_size=128)
    service = Service(Models(lite_weights, "cpu", "float32"), question)
    service.start()
    (answer, attention), again = service.opening(), service.opening()
    assert again[0] is answer
    assert attention.pixel == query_pixel(answer)
    assert opened == [str(photo_file)]


def test_work_in_the_background_is_done_once_for_all_who_wait():
    calls, may_end = [], threading.Event()

    def compute():
        calls.append(threading.current_thread())
        may_end.wait(30)
        return len(calls)

    work, found = Background(compute), []
    waiting = [threading.Thread(target=lambda: found.append(work.result())) for _ in range(8)]
    for thread in waiting:
        thread.start()
    while not calls:
        time.sleep(0.01)
    assert not work.is_there
    may_end.set()
    for thread in waiting:
        thread.join(30)
    assert found == [1] * 8
    assert work.is_there
    assert calls[0].daemon  # Ctrl-C need not wait for it

    def fail():
        raise InputError("It was a test.")

    broken = Background(fail)
    for _ in range(2):
        with pytest.raises(InputError, match="It was a test"):
            broken.result()
    assert not broken.is_there


def test_shares_are_of_the_classes_that_have_pixels(lite_weights, photo_file):
    service = Service(Models(lite_weights, "cpu", "float32"))
    request = check_request(photo_file, "cat, dog, sky, grass", kept_classes=3, input_size=128)
    every = service.answer(request)
    assert len(every.legend) > 1
    # Between the classes' highest scores: some have pixels, others win only below the threshold.
    best = [every.result.scores[every.result.labels == e.index].max() for e in every.legend]
    request = request.changed(threshold=float(np.mean([min(best), max(best)])))
    answer = service.attention(request, (10, 20), without_crm=True)
    legend = service.answer(request).legend
    assert 0 < len(legend) < len(every.legend)
    assert answer.present == tuple(sorted(entry.index for entry in legend))
    scores = every.result.class_scores
    assert answer.best in {answer.kept[place] for place in np.unique(scores.argmax(axis=0))}
    places = [answer.kept.index(index) for index in answer.present]
    for maps, among, share in (
        (answer.attention, places, answer.share),
        (answer.everything, list(answer.present), answer.share_without_crm),
    ):
        rows = maps.classes_mean.numpy()[:, :, among][..., among]
        assert share == pytest.approx(rows.sum(axis=-1).mean(), rel=1e-5)
