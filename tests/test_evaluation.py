"""Evaluation of made-up answers whose every figure was worked out by hand.

Twenty labelled pixels of two photos: ten sky, six grass, four rhino, and two without a label. The
rhino is held out; no photo shows a cat.
"""

import dataclasses
import errno
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from errseg.__main__ import main
from errseg.config import model_config
from errseg.datasets.folders import load_sets
from errseg.measuring import evaluation
from errseg.measuring.evaluation import Protocol, evaluate
from errseg.measuring.evaluation_report import as_dict, as_output_table, as_table, as_text

SKY, GRASS, RHINO, CAT = range(4)
IGNORED = 255
# One pixel each: its label, the class that wins and its score, the runner-up and its score. The
# others score 0.1. Whichever class is left out, half of its pixels score less than 0.5 then.
PHOTOS = (
    [(SKY, SKY, 0.9, GRASS, 0.55)] * 2
    + [(SKY, SKY, 0.9, GRASS, 0.1)] * 3
    + [(SKY, CAT, 0.6, SKY, 0.58)]
    + [(RHINO, RHINO, 0.6, SKY, 0.1)] * 2
    + [(RHINO, GRASS, 0.6, SKY, 0.1)] * 2,
    [(GRASS, GRASS, 0.9, SKY, 0.55)] * 2
    + [(GRASS, GRASS, 0.9, SKY, 0.1)] * 3
    + [(GRASS, SKY, 0.6, CAT, 0.1)]
    + [(SKY, SKY, 0.9, GRASS, 0.55)] * 2
    + [(SKY, SKY, 0.3, GRASS, 0.1)] * 2
    + [(IGNORED, CAT, 0.9, SKY, 0.1)] * 2,
)


class MadeUp:
    """Answers as `PHOTOS` says, in their order, as predictor and as model."""

    def __init__(self, held_out):
        self.model, self.device = self, torch.device("cpu")
        self.config = dataclasses.replace(model_config("errseg-lite"), held_out=held_out)
        self.photos = iter(PHOTOS)

    def embed(self, vocabulary, expand):
        return torch.eye(len(vocabulary)), ()

    def encode(self, photo, size):
        scores = torch.full((4, *photo.shape[:2]), 0.1).flatten(1)
        for place, (_, winner, score, second, second_score) in enumerate(next(self.photos)):
            scores[second, place] = second_score
            scores[winner, place] = score
        return scores.logit().unflatten(1, photo.shape[:2])

    def decode(self, features, text, kept_classes, votes_per_pixel, beta):
        """Keep the first P classes of those asked about."""
        kept = torch.arange(len(text))[None, :kept_classes]
        logits = torch.einsum("tc,chw->thw", text, features)
        return SimpleNamespace(kept_logits=logits[None, :kept_classes], kept=kept)

    def cost_maps(self, features, text):
        """Find the sky everywhere."""
        cost = torch.zeros(1, *features.shape)
        cost[:, SKY] = 1
        return SimpleNamespace(stride16=cost)


@pytest.fixture
def sets(tmp_path):
    folder = tmp_path / "scenes"
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    for name, photo in zip("ab", PHOTOS, strict=True):
        mask = np.array([pixel[0] for pixel in photo], np.uint8).reshape(2, -1)
        Image.fromarray(mask).save(folder / "masks" / f"{name}.png")
        Image.new("RGB", mask.shape[::-1]).save(folder / "images" / f"{name}.jpg")
    names = {SKY: "sky", GRASS: "grass", RHINO: "rhinoceros", CAT: "cat"}
    (folder / "classes.json").write_text(json.dumps(names))
    (folder / "validation.txt").write_text("a\nb\n")
    return load_sets(tmp_path)


@pytest.fixture
def measured(monkeypatch, sets):
    def measured(held_out=("rhinoceros",), **protocol):
        made_up = MadeUp(held_out)
        monkeypatch.setattr(evaluation, "Predictor", lambda model: made_up)
        (scores,) = evaluate(made_up, sets, Protocol(threshold=0.5, **protocol))
        return scores

    return measured


def approximately(scores, **expected):
    assert dataclasses.asdict(scores) == {
        name: pytest.approx(value, nan_ok=True) for name, value in expected.items()
    }


def test_every_figure_of_every_output_is_the_one_worked_out_by_hand(measured):
    scores = measured(kept_classes=3)
    assert (scores.name, scores.photos, scores.classes, scores.occurring) == ("scenes", 2, 4, 3)
    assert (scores.held_out, scores.threshold) == (("rhinoceros",), 0.5)
    assert scores.class_names == ("sky", "grass", "rhinoceros", "cat")
    assert scores.kept_classes == 3
    none = float("nan")
    # P = 3 drops the cat: its pixel is rightly sky. 10 of 11 sky pixels, 5 of 8, 2 of 4.
    approximately(
        scores.crm,
        class_iou=(10 / 11, 5 / 8, 1 / 2, none),
        miou=(10 / 11 + 5 / 8 + 1 / 2) / 3,
        frequency_weighted_iou=(10 * 10 / 11 + 6 * 5 / 8 + 4 * 1 / 2) / 20,
        mean_class_accuracy=(10 / 10 + 5 / 6 + 2 / 4) / 3,
        pixel_accuracy=17 / 20,
        absent_share=2 / 20,  # grass in the photo without grass
        seen_iou=(10 / 11 + 5 / 8) / 2,
        held_out_iou=1 / 2,
        # 12 right at 0.9, 2 of 5 at 0.6, 1 right at 0.58, 2 right at 0.3: gaps in pixels
        calibration_error=(12 * 0.1 + (5 * 0.6 - 2) + 0.42 + 2 * 0.7) / 20,
        true_rejection=1 / 2,
        false_rejection=2 / 17,
    )
    approximately(
        scores.all_classes,
        class_iou=(9 / 11, 5 / 8, 1 / 2, none),
        miou=(9 / 11 + 5 / 8 + 1 / 2) / 3,
        frequency_weighted_iou=(10 * 9 / 11 + 6 * 5 / 8 + 4 * 1 / 2) / 20,
        mean_class_accuracy=(9 / 10 + 5 / 6 + 2 / 4) / 3,
        pixel_accuracy=16 / 20,
        absent_share=3 / 20,
        seen_iou=(9 / 11 + 5 / 8) / 2,
        held_out_iou=1 / 2,
        calibration_error=(12 * 0.1 + (6 * 0.6 - 2) + 2 * 0.7) / 20,
        true_rejection=none,
        false_rejection=2 / 16,
    )
    approximately(
        scores.raw_cost,
        class_iou=(10 / 20, 0, 0, none),
        miou=(10 / 20) / 3,
        frequency_weighted_iou=(10 * 10 / 20) / 20,
        mean_class_accuracy=(10 / 10) / 3,
        pixel_accuracy=10 / 20,
        absent_share=0,
        seen_iou=(10 / 20) / 2,
        held_out_iou=0,
        calibration_error=none,
        true_rejection=none,
        false_rejection=none,
    )


def test_the_table_shows_them_in_percent(measured):
    head, _, row = as_table([measured(kept_classes=3)]).splitlines()
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    columns = [cell.strip() for cell in head.strip("|").split("|")]
    assert dict(zip(columns, cells, strict=True)) == {
        "set": "scenes",
        "photos": "2",
        "classes (occurring)": "4 (3)",
        "mIoU": "67.8%",
        "without CRM": "64.8%",
        "raw cost": "16.7%",
        "pixel accuracy": "85.0%",
        "given to absent classes": "10.0%",
        "calibration error": "0.201",
        "IoU seen / held out": "76.7% / 50.0%",
        "raw cost seen / held out": "25.0% / 0.0%",
        "left out: -1": "50.0%",
        "right: -1": "11.8%",
    }


def test_a_second_table_has_the_published_measures_of_every_output(measured):
    scores = measured(kept_classes=3)
    assert as_output_table([scores]).splitlines() == [
        "| set | output | P | mIoU "
        "| frequency-weighted IoU | mean class accuracy | pixel accuracy |",
        "|---|---|---|---|---|---|---|",
        "| scenes | with CRM | 3 | 67.8% | 74.2% | 77.8% | 85.0% |",
        "| scenes | without CRM | 4 | 64.8% | 69.7% | 74.4% | 80.0% |",
        "| scenes | raw cost | - | 16.7% | 25.0% | 33.3% | 50.0% |",
    ]
    assert as_text([scores]) == f"{as_table([scores])}\n\n{as_output_table([scores])}"
    assert "without CRM |" not in as_output_table([measured(all_classes=False)])


def test_a_model_whose_training_was_kept_from_nothing_has_no_held_out_column(measured):
    scores = measured(held_out=())
    assert scores.held_out == ()
    assert scores.crm.seen_iou == scores.crm.miou
    assert as_table([scores]).splitlines()[2].count(" / - |") == 2


def test_a_held_out_name_counts_under_its_synonyms(measured):
    assert measured(held_out=("rhino",)).held_out == ("rhinoceros",)


def test_fewer_photos_and_no_second_pass_if_asked(measured):
    scores = measured(limit=1, all_classes=False)
    assert (scores.photos, scores.all_classes) == (1, None)
    assert "| - |" in as_table([scores])


def test_json_has_nothing_where_nothing_was_measured(measured):
    (written,) = as_dict([measured()])
    assert written["raw_cost"]["false_rejection"] is None
    assert written["crm"]["held_out_iou"] == pytest.approx(0.5)
    ious = {entry["class"]: entry["iou"] for entry in written["raw_cost"]["class_iou"]}
    assert ious == {"sky": pytest.approx(0.5), "grass": 0, "rhinoceros": 0, "cat": None}
    assert json.loads(json.dumps(written, allow_nan=False)) == written


@pytest.fixture
def command(monkeypatch, sets):
    """The command line, asked of the made-up answers."""
    made_up = MadeUp(("rhinoceros",))
    monkeypatch.setattr("errseg.checkpoints.weights.load_model", lambda *options: made_up)
    monkeypatch.setattr(evaluation, "Predictor", lambda model: made_up)
    return ["evaluate", "--data", str(sets[0].folder.parent), "--threshold", "0.5", "--json"]


def test_the_command_prints_the_table_and_writes_every_figure(command, measured, tmp_path, capsys):
    file = tmp_path / "figures.json"
    assert main([*command, str(file), "--kept-classes", "3"]) == 0
    scores = [measured(kept_classes=3)]
    assert capsys.readouterr().out == as_text(scores) + "\n"
    assert json.loads(file.read_text()) == as_dict(scores)


def test_a_place_for_figures_is_refused_before_anything_is_measured(
    command, monkeypatch, tmp_path, capsys
):
    monkeypatch.setattr("errseg.checkpoints.weights.load_model", None)  # not even loaded
    assert main([*command, str(tmp_path / "gone" / "figures.json")]) == 2
    sentence = f"There is no folder {tmp_path / 'gone'} for figures.json.\n"
    assert capsys.readouterr().err == sentence
    assert main([*command, str(tmp_path)]) == 2
    assert "is a folder; give a file" in capsys.readouterr().err


def test_figures_that_cannot_be_written_are_printed(command, monkeypatch, tmp_path, capsys):
    def full(self, *arguments, **options):
        raise OSError(errno.ENOSPC, "No space left on device", str(self))

    monkeypatch.setattr(Path, "write_text", full)
    file = tmp_path / "figures.json"
    assert main([*command, str(file)]) == 2
    printed = capsys.readouterr()
    assert printed.out.splitlines()[2].startswith("| scenes | 2 | 4 (3) |")
    assert printed.err.endswith(f"{file}: No space left on device.\n")
