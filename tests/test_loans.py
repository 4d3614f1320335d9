"""ZeroGPU: models are loaded here, the network runs in forked processes that a GPU is lent to."""

import functools
import math
import os
import pickle
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from lent_gpu import GradioError, LentGPU

from errseg.checkpoints import weights
from errseg.checkpoints.compilation import ZERO_GPU
from errseg.checkpoints.weights import save_model
from errseg.config import EXAMPLES
from errseg.demo.backend import gpu
from errseg.demo.backend.batch import run_batch
from errseg.demo.backend.figure2 import ask_figure2
from errseg.demo.backend.models import Models
from errseg.demo.backend.pipeline import pipeline
from errseg.demo.backend.places import GoneError
from errseg.demo.backend.price import Prices
from errseg.demo.backend.refusals import UNEXPECTED
from errseg.demo.backend.request import check_request
from errseg.demo.backend.service import Service
from errseg.demo.backend.suggest import suggest
from errseg.demo.backend.sweep import P, run_sweep
from errseg.errors import InputError
from errseg.inference.predictor import Predictor

CAT = EXAMPLES.with_name("cat.jpg")


def question(classes="cat, dog, sky, grass", **options):
    return check_request(CAT, classes, **{"input_size": 128, "kept_classes": 3, **options})


@pytest.fixture
def lender(monkeypatch, tmp_path):
    """This is ZeroGPU, whose `spaces` is a stand-in."""
    lender = LentGPU()
    monkeypatch.setitem(sys.modules, "spaces", lender)
    monkeypatch.setenv(ZERO_GPU, "true")
    monkeypatch.setenv("ERRSEG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)  # as there
    monkeypatch.setattr(torch.cuda, "_lazy_init", lender.start_cuda)
    yield lender
    lender.close()
    assert lender.touched == []


@pytest.fixture
def loads(monkeypatch, tmp_path):
    """The processes that loaded weights, in order."""
    log, load = tmp_path / "loads", weights.load_model

    def watched(*given, **more):
        with log.open("a") as file:
            print(os.getpid(), file=file)
        return load(*given, **more)

    monkeypatch.setattr(weights, "load_model", watched)
    return lambda: [int(line) for line in log.read_text().split()]


@pytest.fixture
def service(lender, lite_weights):
    return Service(Models(lite_weights, precision="float32"))


@pytest.fixture
def one_thread():
    """What computes here has one thread, as on a loan: more of them round otherwise."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def same(one, other):
    """Compare values of any kind; numbers up to rounding, seconds not at all."""
    if isinstance(one, torch.Tensor | np.ndarray | float):
        assert type(one) is type(other)
        np.testing.assert_allclose(np.asarray(one), np.asarray(other), atol=1e-5)
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for pair in zip(one, other, strict=True):
            same(*pair)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        same(list(one.values()), list(other.values()))
    elif hasattr(one, "__dataclass_fields__"):
        names = one.__dataclass_fields__.keys() - {"timings", "seconds"}
        same(*({name: getattr(each, name) for name in sorted(names)} for each in (one, other)))
    else:
        assert one == other


def first_kept(service):
    return service.answer(question()).result.kept[:1]


def batched(service):
    """What a batch says, and its masks."""
    with tempfile.TemporaryDirectory() as folder:
        *_, done = run_batch(service, [str(CAT)], question(), Path(folder), ["masks"])
        with zipfile.ZipFile(done.packed) as file:
            masks = {name: file.read(name) for name in file.namelist() if name.endswith(".png")}
    assert len(masks) > 1
    return [(one.name, one.sentence) for one in done.outcomes], masks


KINDS = {
    "segment": lambda service: service.answer(question()),
    "attention": lambda service: service.attention(question(), (9, 9), True, first_kept(service)),
    "cost maps": lambda service: service.cost_view(question(), 1),
    "sweep": lambda service: list(run_sweep(service, question(), P, [1, 2])),
    "batch": batched,
    "suggest": lambda service: suggest(service, CAT, 5),
    "figure 2": lambda service: ask_figure2(service, question()),
    "pipeline": lambda service: pipeline(service, question()),
}


@pytest.mark.usefixtures("one_thread")
def test_every_kind_of_question_is_answered_as_without_a_loan(
    service, lender, loads, lite_weights, monkeypatch
):
    answers, told = {}, {}
    for kind, ask in KINDS.items():
        stages = told.setdefault(kind, [])
        with service.places.wanted(lambda: True, stages.append):
            answers[kind] = ask(service)
    assert loads() == [os.getpid()]
    assert lender.moves.value == len(lender.forks) == 1  # one process, one model, all questions
    assert all("lend" in stages for stages in told.values())
    told_once = [stage for stage in told["segment"] if stage != "load"]  # which may take long
    assert told_once == ["read", "lend", "read", "text", "encode", "decode", "label"]
    monkeypatch.delenv(ZERO_GPU)
    without = Service(Models(lite_weights, "cpu", "float32"))
    for kind, ask in KINDS.items():
        same(answers[kind], ask(without))
    assert service.device == "cuda"
    assert without.device == "cpu"


def test_a_loan_is_as_long_as_what_is_asked(service, lender):
    request = question()
    price = service.models.loaded_for(request).prices.answer(request, (300, 451))
    service.answer(request)
    assert lender.durations == [math.ceil(gpu.STARTING + gpu.OVERRUN * price.seconds)]
    lengths = [gpu.duration(gpu.Work(None, seconds, None)) for seconds in (0.1, 5, 1e3)]
    assert lengths == [gpu.STARTING + 1, gpu.STARTING + 5 * gpu.OVERRUN, gpu.SECONDS]


def test_another_model_is_loaded_here(service, lender, loads, tmp_path, make_model):
    other = tmp_path / "other.safetensors"
    save_model(make_model(), other)
    service.models._released = {"other.safetensors": str(other)}
    lender.keeps = False  # each loan has a process of its own
    chosen = question(model="other.safetensors", precision="float32")
    assert service.answer(chosen).result.settings.model == "tiny-clip"
    service.cost_view(chosen, 0)
    assert service.answer(question()).result.settings.model == "tiny-lite"
    assert loads() == [os.getpid()] * 2


def test_a_process_older_than_a_model_reads_it_from_the_disk_once(
    service, lender, loads, lite_weights
):
    service.answer(question())
    half = question(precision="bfloat16")
    assert service.answer(half).result.settings.precision == "bfloat16"
    assert service.answer(half).result.settings.precision == "bfloat16"
    [worker] = lender.forks
    assert loads() == [os.getpid(), os.getpid(), worker.process.pid]


def test_words_that_were_read_on_loan_are_known_here(service):
    asked = question("a red sofa in the scene, tree")
    predictor = service.models.predictor
    assert predictor.unread(asked.vocabulary)
    service.answer(asked)
    assert predictor.unread(asked.vocabulary) == []


def test_stop_ends_the_work_and_the_process_goes_on(service, lender, monkeypatch, tmp_path):
    begun = tmp_path / "begun"
    call = Predictor.__call__

    def slowly(self, *asked, **more):
        for _ in range(200):  # as parts of a long pass
            begun.touch()
            time.sleep(0.05)
            self.pauses._between(None, ())
        return call(self, *asked, **more)

    monkeypatch.setattr(Predictor, "__call__", slowly)
    started = time.monotonic()
    with service.places.wanted(lambda: not begun.exists()), pytest.raises(GoneError):
        service.answer(question())
    assert time.monotonic() - started < 8
    assert service.cost_view(question(), 0).stride16.shape == (1, 8, 8)
    assert len(lender.forks) == 1


def fails(predictor, request, photo, error):
    raise error


@pytest.mark.parametrize(
    ("error", "sentence"),
    [(InputError("Ask otherwise."), "Ask otherwise."), (KeyError("a visitor's word"), UNEXPECTED)],
)
def test_what_prevents_an_answer_on_loan_is_said_here(service, error, sentence):
    with pytest.raises(InputError) as refused:
        service.ask(question(), Prices.costs, functools.partial(fails, error=error))
    assert str(refused.value) == sentence


def test_what_a_space_says_of_its_loans_is_said_to_the_visitor(service, lender):
    lender.refusal = GradioError("You have no seconds left. Try again in 3:00.", "Quota exceeded")
    with pytest.raises(InputError, match=r"^Quota exceeded: You have no seconds left\."):
        service.answer(question())


def test_elsewhere_nothing_is_lent(monkeypatch):
    monkeypatch.setitem(sys.modules, "spaces", None)  # not to be imported
    assert gpu.find_loans() is None
    monkeypatch.setenv(ZERO_GPU, "true")
    assert gpu.find_loans("cpu") is None
    pickle.dumps(gpu.Work(gpu.Source("errseg-lite", "float32"), 1.0, np.sum))
