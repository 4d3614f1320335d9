"""Evaluation of made-up answers whose every figure was worked out by hand."""

import contextlib
import dataclasses
import errno
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from made_up_answers import NAMES, PHOTOS, RHINO, MadeUp, write_made_up

from errseg.__main__ import main
from errseg.distributed import Processes
from errseg.measuring import evaluation
from errseg.measuring.evaluation import Protocol, evaluate
from errseg.measuring.evaluation_report import as_dict, as_output_table, as_table, as_text


@pytest.fixture
def sets(tmp_path):
    return write_made_up(tmp_path / "scenes", PHOTOS)


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
    scores = measured(limit=1, all_classes=False, kept_classes=None)
    assert (scores.photos, scores.all_classes) == (1, None)
    assert "| - |" in as_table([scores])


def test_json_has_nothing_where_nothing_was_measured(measured):
    (written,) = as_dict([measured()])
    assert written["raw_cost"]["false_rejection"] is None
    assert written["crm"]["held_out_iou"] == pytest.approx(0.5)
    ious = {entry["class"]: entry["iou"] for entry in written["raw_cost"]["class_iou"]}
    assert ious == {"sky": pytest.approx(0.5), "grass": 0, "rhinoceros": 0, "cat": None}
    assert json.loads(json.dumps(written, allow_nan=False)) == written


def evaluated(monkeypatch, made_up, sets, processes=None, **protocol):
    monkeypatch.setattr(evaluation, "Predictor", lambda model: made_up)
    (scores,) = evaluate(made_up, sets, Protocol(**protocol), processes)
    return scores


def test_crm_keeps_as_many_classes_as_were_asked_for_or_suit_the_set(monkeypatch, sets):
    (folder,) = sets
    benchmark = dataclasses.replace(folder, kept_classes=2)
    for sample_set, asked, kept in (
        (benchmark, {}, 2),  # the paper's for this benchmark
        (benchmark, {"kept_classes": 3}, 3),
        (benchmark, {"kept_classes": 9}, 4),  # never more than there are
        (folder, {}, 4),
    ):
        made_up = MadeUp()
        scores = evaluated(monkeypatch, made_up, [sample_set], **asked)
        assert scores.kept_classes == kept
        assert {n for what, n in made_up.asked if what == "P"} == {kept, 4}  # 4 without CRM
    # Without grass, the sky's and the grass's pixels are the sky's.
    assert evaluated(monkeypatch, MadeUp(), [benchmark]).crm.class_iou[RHINO] == 0


def test_crm_keeps_32_classes_of_a_set_that_the_paper_did_not_measure(monkeypatch, tmp_path):
    names = [*NAMES, *(f"thing {number}" for number in range(36))]
    sets = write_made_up(tmp_path / "scenes", PHOTOS, names)
    made_up = MadeUp()
    assert evaluated(monkeypatch, made_up, sets).kept_classes == 32
    assert {n for what, n in made_up.asked if what == "P"} == {32, 40}
    made_up.config = dataclasses.replace(
        made_up.config, head=dataclasses.replace(made_up.config.head, crm=False)
    )
    assert evaluated(monkeypatch, made_up, sets).kept_classes == 40


def test_the_network_is_asked_what_the_protocol_says(monkeypatch, sets):
    made_up = MadeUp(name="errseg-base")
    evaluated(monkeypatch, made_up, sets, all_classes=False)
    assert made_up.asked == {
        *{("expand", True), ("size", (640, 640)), ("P", 4), ("K", 3), ("beta", 0.1)}
    }
    made_up = MadeUp(name="errseg-base")
    other = {"votes_per_pixel": 2, "beta": 0.5, "input_size": 256, "expand": False}
    evaluated(monkeypatch, made_up, sets, all_classes=False, **other)
    assert made_up.asked == {
        *{("expand", False), ("size", (256, 256)), ("P", 4), ("K", 2), ("beta", 0.5)}
    }


def test_the_published_models_are_asked_for_a_benchmark_s_own_spelling(monkeypatch, sets):
    spelling = ("sky", "bag", "rhino", "bag")  # two classes may share a word, as in ADE20K 847
    benchmark = dataclasses.replace(sets[0], published_names=spelling)
    for name, expected in (("errseg-base", spelling), ("errseg-lite", NAMES)):
        made_up = MadeUp(name=name)
        scores = evaluated(monkeypatch, made_up, [benchmark])
        assert made_up.vocabulary.names == expected
        assert scores.class_names == NAMES


def test_without_a_threshold_the_model_s_own_counts(monkeypatch, sets):
    made_up = MadeUp()
    threshold = made_up.config.calibration.threshold
    made_up.config = dataclasses.replace(
        made_up.config, calibration=dataclasses.replace(made_up.config.calibration, threshold=0.59)
    )
    assert threshold != 0.59
    scores = evaluated(monkeypatch, made_up, sets)
    assert scores.threshold == 0.59
    assert scores.all_classes.false_rejection == 2 / 16  # the two pixels of 0.3
    assert evaluated(monkeypatch, made_up, sets, threshold=0.61).crm.false_rejection == 4 / 16


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


def test_of_several_processes_the_first_speaks(command, monkeypatch, tmp_path, capsys):
    @contextlib.contextmanager
    def joined(device):
        yield SimpleNamespace(
            **vars(second), share=lambda items: items, gather=lambda v: [v], first=False
        )

    second = Processes(torch.device("cpu"), rank=1, count=2)
    monkeypatch.setattr("errseg.commands.evaluate.joined_processes", joined)
    assert main([*command, str(tmp_path / "figures.json")]) == 0
    assert capsys.readouterr().out == ""
    assert not (tmp_path / "figures.json").exists()


def test_figures_that_cannot_be_written_are_printed(command, monkeypatch, tmp_path, capsys):
    def full(self, *arguments, **options):
        raise OSError(errno.ENOSPC, "No space left on device", str(self))

    monkeypatch.setattr(Path, "write_text", full)
    file = tmp_path / "figures.json"
    assert main([*command, str(file)]) == 2
    printed = capsys.readouterr()
    assert printed.out.splitlines()[2].startswith("| scenes | 2 | 4 (3) |")
    assert printed.err.endswith(f"{file}: No space left on device.\n")
