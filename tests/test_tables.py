"""The paper's tables on tiny sets: figures worked out by hand, loops, and other ways to them."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from PIL import Image

from errseg.__main__ import main
from errseg.checkpoints.weights import save_model
from errseg.datasets.folders import load_sets
from errseg.errors import InputError
from errseg.inference.photo import load_image
from errseg.inference.predictor import Predictor
from errseg.measuring.metrics import ConfusionMatrix
from errseg.measuring.tables import input_size, knobs, similarity
from errseg.measuring.tables.input_size import measure_input_sizes, sizes_around
from errseg.measuring.tables.knobs import CRMSetting, choose, measure_knobs
from errseg.measuring.tables.measure import measure
from errseg.measuring.tables.photos import Asked, encode
from errseg.measuring.tables.plots import plot
from errseg.measuring.tables.redundancy import measure_redundancy
from errseg.measuring.tables.report import as_dict, as_markdown
from errseg.measuring.tables.similarity import COSINES, measure_similarity
from errseg.words.vocabulary import load_vocabulary, parse_classes

# Twenty names, all of words that the tiny tokenizer knows: the paper's P for them is 16.
WORDS = ("cat", "dog", "sky", "grass", "tree", "road", "sofa", "fish", "animal", "red")
MANY = (*WORDS, *(f"{word} scene" for word in WORDS))
SIDE = 160  # pixels: the tiny model's input is 192 here


def write(root, name, classes, masks):
    """Write a set whose photos are all for validation; a mask is rows of class indices."""
    folder = root / name
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    rng = np.random.default_rng(0)
    for place, mask in enumerate(masks):
        mask = np.kron(np.array(mask, np.uint8), np.ones((SIDE // 2, SIDE // 2), np.uint8))
        photo = rng.integers(0, 256, (8, 8, 3), np.uint8)
        photo = Image.fromarray(photo).resize(mask.shape[::-1], Image.Resampling.BICUBIC)
        photo.save(folder / "images" / f"p{place}.jpg", quality=95)
        Image.fromarray(mask).save(folder / "masks" / f"p{place}.png")
    (folder / "classes.json").write_text(json.dumps(classes))
    stems = [f"p{place}" for place in range(len(masks))]
    (folder / "validation.txt").write_text("\n".join(stems))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    few = {"0": "background", "1": "cat", "2": "dog", "3": "sky", "7": "road"}
    write(root, "few", few, [[[1, 1], [2, 0]], [[7, 7], [7, 255]], [[0, 0], [0, 0]]])
    many = {str(index): name for index, name in enumerate(MANY)}
    write(root, "many", many, [[[0, 7], [15, 15]], [[3, 3], [19, 255]], [[5, 5], [5, 5]]])
    return root


@pytest.fixture(scope="module")
def sets(data):
    return load_sets(data)


@pytest.fixture
def few_values(monkeypatch):
    """Fewer values of each knob and size, and fewer named vocabularies, than a person gets."""
    for name, values in {"KEPT": (4, 8), "VOTES": (1, 5), "BETAS": (0.0, 1.0)}.items():
        monkeypatch.setattr(knobs, name, values)
    monkeypatch.setattr(input_size, "sizes_around", lambda own: (128, own))
    named = {name: "" for name in ("voc20", "context59", "coco171")}
    monkeypatch.setattr(similarity, "named_vocabularies", lambda: named)


@pytest.fixture(scope="module")
def predictor(make_model):
    """A tiny model whose own input size is one that photos may have."""
    model = make_model(lite=True, cost_shortcut=True)
    model.config = dataclasses.replace(model.config, input_size=192)
    return Predictor(model)


def photos_of(sample_set):
    """Read the photos of a set in another way: path, and label with -1 where nothing counts."""
    places = {value: place for place, value in enumerate(sample_set.classes)}
    for stem in sample_set.validation:
        mask = np.array(Image.open(sample_set.mask_path(stem)))
        yield sample_set.image_path(stem), np.vectorize(lambda v: places.get(v, -1))(mask)


def test_table_1_counts_the_classes_that_photos_show(sets):
    few, many = measure_redundancy(sets, Asked())
    # few: {cat, dog}, {road}, and a photo of background alone, which doesn't count.
    assert (few.name, few.photos, few.classes, few.present) == ("few", 2, 4, 1.5)
    assert few.per_present == pytest.approx(4 / 1.5)
    assert few.redundant == pytest.approx(1 - 1.5 / 4)
    # many: three, two and one.
    assert (many.photos, many.classes, many.present) == (3, 20, 2)
    assert many.redundant == pytest.approx(0.9)
    assert measure_redundancy(sets, Asked(limit=1))[1].present == 3


@pytest.mark.usefixtures("few_values")
def test_table_4_of_the_vocabularies_against_a_loop(predictor, sets):
    rows = {(row.of, row.among): row for row in measure_similarity(predictor, sets, Asked())}
    named = ("voc20", "context59", "coco171")
    pairs = {(of, among) for of in named for among in named if of != among}
    assert set(rows) == pairs | {("few", "coco171"), ("many", "coco171")}
    row = rows["many", "coco171"]
    among = load_vocabulary("coco171").names
    text, other = (predictor.embed(parse_classes(list(names)))[0] for names in (MANY, among))
    nearest = [max(float(a @ b) for b in other) for a in text]
    assert row.equal == sum(name in among for name in MANY) / 20
    assert row.nearest == pytest.approx(sum(nearest) / 20, abs=1e-5)
    for cosine in COSINES:
        assert row.above[cosine] == pytest.approx(sum(n >= cosine - 1e-6 for n in nearest) / 20)
    assert rows["voc20", "context59"].equal == 1
    assert rows["voc20", "context59"].above[0.95] == 1


@pytest.mark.usefixtures("few_values")
def test_words_that_training_saw_are_a_vocabulary_too(make_model, sets):
    model = make_model(lite=True)
    towers = model.config.towers.with_trained_words(("cat", "dog", "sky"))
    model.config = dataclasses.replace(model.config, towers=towers)
    rows = measure_similarity(Predictor(model), sets, Asked(expand=False))
    own = {row.of: row for row in rows if row.among == "this model's training"}
    assert set(own) == {
        "few",
        "many",
        "voc20",
        "context59",
        "coco171",
    }
    assert own["few"].equal == 3 / 4
    assert own["many"].equal == 3 / 20


@torch.inference_mode()
@pytest.mark.parametrize("setting", [CRMSetting(4), CRMSetting(9, 1), CRMSetting(9, 5, 1.0)])
def test_what_is_chosen_without_decoding_is_what_the_network_keeps(predictor, sets, setting):
    text, _ = predictor.embed(parse_classes(list(MANY)))
    photo = load_image(sets[1].image_path("p1"))
    features = encode(predictor.model, photo)
    out = predictor.model.decode(features, text, *dataclasses.astuple(setting))
    assert choose(features, text, setting) == tuple(out.kept[0].tolist())


@pytest.mark.usefixtures("few_values")
def test_knobs_against_the_predictor_s_own_answers(predictor, sets):
    curves = measure_knobs(predictor, sets, ("P", "K", "beta"), Asked(timed=1))
    by_knob = {(curve.name, curve.knob): curve for curve in curves}
    # CRM keeps all four classes of few, whatever K and beta are.
    assert list(by_knob) == [("few", "P"), ("many", "P"), ("many", "K"), ("many", "beta")]
    assert [point.value for point in by_knob["few", "P"].points] == [4]
    names = {"P": "kept_classes", "K": "votes_per_pixel", "beta": "beta"}
    for knob, option in names.items():
        curve = by_knob["many", knob]
        assert (curve.classes, curve.photos, curve.default) == (20, 3, CRMSetting(16))
        for point in curve.points:
            asked = {"kept_classes": 16, option: point.value}
            confusion, recalls, kept_pixels, pixels = ConfusionMatrix(20), [], 0, 0
            for path, label in photos_of(sets[1]):
                result = predictor(path, list(MANY), threshold=0, **asked)
                confusion.update(result.labels, label)
                counted = label[label >= 0]
                present = set(counted.tolist())
                recalls.append(len(present & set(result.kept)) / len(present))
                kept_pixels += sum(int(v) in result.kept for v in counted)
                pixels += counted.size
            assert point.miou == pytest.approx(confusion.miou())
            assert point.class_recall == pytest.approx(sum(recalls) / 3)
            assert point.pixel_recall == pytest.approx(kept_pixels / pixels)
    last = by_knob["many", "P"].points[-1]
    assert (last.value, last.class_recall, last.pixel_recall) == (20, 1, 1)


def test_latency_is_a_ratio_to_the_default_on_the_same_photo(predictor, sets, monkeypatch):
    timed = []

    def made_up(calls, device):
        timed.append(len(calls))
        slower = len(timed)  # a photo for which everything takes as much longer
        return {s: slower * (4.0 if s is None else s.kept_classes) for s in calls}

    monkeypatch.setattr(knobs, "fastest_in_turn", made_up)
    (curve,) = measure_knobs(predictor, sets[1:], ("P",), Asked(timed=2))
    assert timed == [5, 5]  # two photos: encoding, and P = 4, 8, 16 and 20
    expected = {p: (4 + p) / (4 + 16) for p in (4, 8, 16, 20)}
    assert {point.value: point.latency for point in curve.points} == pytest.approx(expected)


def test_sizes_lie_around_the_model_s_own():
    assert sizes_around(640) == (384, 512, 640, 768, 896)
    assert sizes_around(192) == (128, 192, 320, 448)  # none below the smallest
    assert sizes_around(1024) == (768, 896, 1024)


@pytest.mark.usefixtures("few_values")
def test_table_14_against_the_predictor_s_own_answers(predictor, sets):
    few, many = measure_input_sizes(predictor, sets, Asked(limit=2))
    assert (many.classes, many.photos, many.own) == (20, 2, 192)
    for curve, sample_set, kept in ((few, sets[0], 4), (many, sets[1], 16)):
        assert [point.size for point in curve.points] == [128, 192]
        for point in curve.points:
            confusion = ConfusionMatrix(curve.classes)
            for path, label in list(photos_of(sample_set))[:2]:
                asked = {"kept_classes": kept, "input_size": point.size, "threshold": 0}
                names = list(sample_set.class_names)
                confusion.update(predictor(path, names, **asked).labels, label)
            assert point.miou == pytest.approx(confusion.miou())
            assert point.latency > 0
        assert curve.points[1].latency == 1


def test_only_what_was_asked_for_is_measured(predictor, sets):
    tables = measure(predictor, sets, ("I", "VII"), Asked(limit=1, timed=1))
    assert list(tables.seconds) == ["redundancy", "knobs"]
    assert {curve.knob for curve in tables.knobs} == {"K"}
    assert tables.similarity == tables.sizes == tables.propositions == ()
    text = as_markdown(tables)
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        "## Table I: classes really present in a photo",
        "## Table VII: K, the classes that vote at one pixel",
    ]


def test_sets_with_few_classes_leave_nothing_to_measure_of_crm(predictor, sets, tmp_path):
    names = ("VII", "beta", "proposition")
    tables = measure(predictor, sets[:1], names, Asked(limit=1, timed=1))
    assert as_markdown(tables).count("CRM keeps all T classes of each of these sets.") == 3
    plot(tables, tmp_path / "empty.png")  # says that there is nothing


def test_a_model_without_crm_has_no_knobs(make_model, sets):
    predictor = Predictor(make_model(lite=True, crm=False))
    with pytest.raises(InputError, match="has no CRM, so P, K and beta do nothing"):
        measure(predictor, sets, ("XIII",))
    with pytest.raises(InputError, match="no CFM or no CRM"):
        measure(predictor, sets, ("proposition",))


@pytest.fixture
def command(data, predictor, tmp_path):
    """The command on the tiny model and sets."""
    save_model(predictor.model, tmp_path / "tiny.safetensors")
    model = str(tmp_path / "tiny.safetensors")
    return ["tables", "--data", str(data), "--model", model, "--device", "cpu"]


@pytest.mark.usefixtures("few_values")
def test_the_command_prints_writes_and_draws(command, tmp_path, capsys):
    files = {kind: tmp_path / f"tables.{kind}" for kind in ("png", "json")}
    options = ["--limit", "2", "--timed", "1", "--plot", str(files["png"])]
    assert main([*command, *options, "--json", str(files["json"])]) == 0
    text = capsys.readouterr().out
    heads = [line for line in text.splitlines() if line.startswith("## ")]
    assert [head.split(":")[0].removeprefix("## ") for head in heads] == [
        *("Table I", "Table IV", "Table VII", "Table XIII", "CRM's score coefficient, beta"),
        *("Table XIV", "Proposition 1"),
    ]
    lines = text.splitlines()
    assert "| few | 2 | 4 | 1.5 | 2.7 | 62.5% |" in lines
    assert "| A-847 (quoted) |  | 847 | 10.2 | 83.0 | 98.8% |" in lines
    assert "| set | P = | 4 | 8 | 16 | T |" in lines
    assert any(line.startswith("| many, T = 20, P = 16 | 1 | ") for line in lines)
    assert "Quoted from the paper, not reproduced: ConvNeXt-B is best at 640" in text
    figures = json.loads(files["json"].read_text())
    assert figures["redundancy"][0]["present"] == 1.5
    assert {curve["knob"] for curve in figures["knobs"]} == {"P", "K", "beta"}
    assert figures["asked"] == {"limit": 2, "timed": 1, "expand": True}
    assert files["png"].read_bytes().startswith(b"\x89PNG")


def test_the_default_is_bold_and_all_of_t_has_a_column(predictor, sets):
    tables = measure(predictor, sets, ("XIII",), Asked(limit=1, timed=1))
    rows = [line.split(" | ") for line in as_markdown(tables).splitlines() if "mIoU |" in line]
    few, many = (row[2:] for row in rows)
    assert [bool(cell.strip("| ")) for cell in few] == [False, False, False, True]
    assert few[-1].startswith("**")
    assert [cell.startswith("**") for cell in many] == [False, False, True, False]


def test_json_has_nothing_where_nothing_was_measured(predictor, data, tmp_path):
    write(tmp_path, "bare", {"0": "background", "1": "cat"}, [[[0, 0], [0, 0]]])
    sets = load_sets(tmp_path, ["bare"])
    tables = measure(predictor, sets, ("I", "XIII"), Asked(timed=1))
    written = as_dict(tables)
    assert written["redundancy"][0]["present"] is None
    assert written["knobs"][0]["points"][0]["miou"] is None
    assert "| bare | 0 | 1 | - | - | - |" in as_markdown(tables)
    json.dumps(written, allow_nan=False)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--tables", "I,XX"], "There is no table XX; there are I, IV, VII, XIII, beta, XIV,"),
        (["--tables", ","], "No table was named; there are"),
        (["--plot", "nowhere/t.png"], "no folder nowhere for t.png"),
        (["--plot", "t.xyz"], "t.xyz can't be drawn"),
        (["--json", "nowhere/t.json"], "no folder nowhere for t.json"),
        (["--sets", "gone"], "has no set named gone"),
        (["--precision", "int4"], "int4"),
    ],
)
def test_what_cannot_be_measured_is_refused_at_once(data, capsys, monkeypatch, options, sentence):
    monkeypatch.setattr("errseg.checkpoints.weights.load_model", None)  # not even loaded
    assert main(["tables", "--data", str(data), *options]) == 2
    assert sentence in capsys.readouterr().err


def test_sets_without_validation_photos_are_refused(command, tmp_path, capsys):
    root = tmp_path / "empty"
    write(root, "training", {"1": "cat"}, [[[1, 1], [1, 1]]])
    (root / "training" / "validation.txt").write_text("")
    command[2] = str(root)
    assert main([*command, "--tables", "I"]) == 2
    assert "has photos for validation" in capsys.readouterr().err
