"""Several processes that evaluate together find what one finds, to the bit."""

import dataclasses
import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from made_up_answers import CAT, GRASS, IGNORED, RHINO, SKY, MadeUp, write_made_up
from photo_sets import write_photo_set

from errseg.distributed import Processes
from errseg.errors import InputError
from errseg.measuring import evaluation
from errseg.measuring.evaluation import Protocol, evaluate
from errseg.measuring.evaluation_report import as_dict

ROOT = Path(__file__).resolve().parent.parent


@dataclasses.dataclass(frozen=True)
class Threads(Processes):
    """Processes that are threads."""

    met: threading.Barrier = None
    brought: dict = dataclasses.field(default_factory=dict)

    def gather(self, value):
        self.met.wait()
        self.brought[self.rank] = value
        self.met.wait()
        return [self.brought[rank] for rank in range(self.count)]


def in_threads(count, work):
    """Return what each of some threads, that know of each other, returns or raises."""
    met, brought = threading.Barrier(count, timeout=30), {}
    members = [Threads(torch.device("cpu"), rank, count, met, brought) for rank in range(count)]

    def tried(member):
        try:
            return work(member)
        except InputError as error:
            return error

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(tried, members))


@pytest.fixture
def many(monkeypatch, tmp_path):
    """A set of seven photos whose labels, winners and scores are drawn, and a predictor."""
    rng = np.random.default_rng(0)

    def pixel():
        label = rng.choice([SKY, GRASS, RHINO, CAT, IGNORED])
        winner, second = rng.choice(4, 2)
        second_score, score = np.sort(rng.uniform(0.1, 0.9, 2)).tolist()
        return label, winner, score, second, second_score

    photos = [[pixel() for _ in range(40)] for _ in range(7)]
    made_up = MadeUp(("rhinoceros",), photos=photos)
    monkeypatch.setattr(evaluation, "Predictor", lambda model: made_up)
    return made_up, write_made_up(tmp_path / "many", photos)


@pytest.mark.parametrize(("count", "limit"), [(2, None), (3, 5), (4, 2)])
def test_processes_that_share_the_photos_find_what_one_finds(many, count, limit):
    """To the bit; some may have no photo at all."""
    made_up, sets = many
    protocol = Protocol(kept_classes=3, threshold=0.5, limit=limit)
    alone = as_dict(evaluate(made_up, sets, protocol))
    assert alone[0]["photos"] == (limit or 7)
    assert 0 < alone[0]["crm"]["true_rejection"] < 1
    together = in_threads(count, lambda p: as_dict(evaluate(made_up, sets, protocol, p)))
    assert together == [alone] * count


def test_the_class_that_is_left_out_depends_on_the_photo_alone(many, monkeypatch):
    made_up, sets = many
    drawn, draw = [], evaluation.leave_one_out

    def watched(text, label, rng):
        left_out, rest = draw(text, label, rng)
        drawn.append((label.tobytes(), left_out))
        return left_out, rest

    monkeypatch.setattr(evaluation, "leave_one_out", watched)
    evaluate(made_up, sets)
    alone = sorted(drawn)
    assert len(dict(alone)) == 7
    assert len(set(dict(alone).values())) > 1
    drawn.clear()
    in_threads(3, lambda p: evaluate(made_up, sets, Protocol(), p))
    assert sorted(drawn) == alone  # and no photo is segmented twice


def test_a_photo_that_one_process_cannot_read_stops_all(many):
    made_up, sets = many
    sets[0].mask_path("p2").write_bytes(b"no mask")
    refused = in_threads(3, lambda p: evaluate(made_up, sets, Protocol(), p))
    assert len({str(error) for error in refused}) == 1
    assert all("p2" in str(error) for error in refused)


def run_module(*arguments):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "ERRSEG_CACHE": "off"}
    return subprocess.run(
        [sys.executable, "-m", *map(str, arguments)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.slow
def test_torchrun_evaluates_as_one_process_does(make_pixels, lite_weights, tmp_path):
    """Two real processes over gloo: the same tables and the same file."""
    rng = np.random.default_rng(0)
    files = []
    for seed, size in enumerate(((40, 60), (64, 48), (50, 50))):
        photo = make_pixels(1, *size, seed=seed)[0].permute(1, 2, 0).numpy()
        quarters = rng.integers(0, 3, (2, 2))
        label = quarters.repeat(size[0] // 2, axis=0).repeat(size[1] // 2, axis=1)
        files.append((photo, label))
    write_photo_set(tmp_path / "data" / "scenes", ("sky", "grass", "cat"), files)
    said = {}
    for count in (1, 2):
        command = ["errseg", "evaluate", "--data", tmp_path / "data", "--model", lite_weights]
        command += ["--device", "cpu", "--input-size", 128, "--json", tmp_path / f"{count}.json"]
        if count > 1:
            start = ["torch.distributed.run", "--standalone", "--nproc-per-node", count, "-m"]
            command = [*start, *command]
        done = run_module(*command)
        assert done.returncode == 0, done.stderr
        said[count] = done.stdout
    assert said[2] == said[1]
    assert said[1].startswith("| set | photos |")
    alone, together = (json.loads((tmp_path / f"{n}.json").read_text()) for n in (1, 2))
    assert together == alone
    assert alone[0]["photos"] == 3
