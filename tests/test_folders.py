"""Sets as they lie on the disk: what is read, and the one sentence for what can't be."""

import json

import numpy as np
import pytest
from photo_sets import write_sets
from PIL import Image

from errseg.config import EMBEDDED
from errseg.datasets.folders import load_sets
from errseg.datasets.sets import open_mask, samples
from errseg.errors import InputError


@pytest.fixture
def root(tmp_path):
    return write_sets(tmp_path)


def test_sets_are_read_with_their_classes_and_lists(root):
    sets = {s.name: s for s in load_sets(root)}
    assert list(sets) == ["parts", "scenes", "things", "walls"]
    things = sets["things"]
    assert things.classes == {1: "aeroplane", 2: "person"}
    assert things.has_background
    assert (things.training, things.validation) == (("p1", "p2"), ("p0",))
    assert not sets["parts"].mirrors
    assert [s.name for s in load_sets(root, ["things", "scenes"])] == ["things", "scenes"]


def test_a_set_says_itself_what_it_is(root):
    description = {"exhaustive": True, "weight": 2.5, "paste": True, "not_pasted": ["Left_mirror"]}
    (root / "parts" / "set.json").write_text(json.dumps(description))
    (parts,) = load_sets(root, ["parts"])
    assert (parts.exhaustive, parts.weight, parts.paste) == (True, 2.5, True)
    assert parts.not_pasted == ("left mirror",)


def test_a_name_alone_says_nothing_of_a_set(root):
    """Whoever calls a folder as one of errseg-lite's sets is called gets nothing of theirs."""
    (root / "parts").rename(root / "camvid")
    (camvid,) = load_sets(root, ["camvid"])
    assert (camvid.exhaustive, camvid.weight, camvid.paste) == (False, 1.0, False)


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("[1]", 'must hold an object like {"exhaustive": true}'),
        ("{", 'must hold an object like {"exhaustive": true}'),
        ('{"exhausted": true}', "unknown key 'exhausted'; known are exhaustive, weight, paste"),
        ('{"exhaustive": 1}', "'exhaustive' must be true or false, not 1"),
        ('{"paste": "yes"}', "'paste' must be true or false, not \"yes\""),
        ('{"weight": true}', "'weight' must be a number from 0, not true"),
        ('{"weight": -1}', "'weight' must be a number from 0, not -1"),
        ('{"weight": Infinity}', "'weight' must be a number from 0"),
        ('{"not_pasted": "wheel"}', "'not_pasted' must be a list of names that its classes.json"),
        ('{"not_pasted": ["sofa"]}', "'not_pasted' must be a list of names that its classes.json"),
    ],
)
def test_what_a_set_cannot_say_of_itself_gets_a_sentence(root, written, sentence):
    (root / "parts" / "set.json").write_text(written)
    with pytest.raises(InputError) as refusal:
        load_sets(root)
    assert sentence in str(refusal.value)
    assert str(root / "parts" / "set.json") in str(refusal.value)


def test_what_errseg_lite_s_sets_said_can_be_laid_over_a_folder_of_them(root):
    """The recipe's ``cp -r``: each description is read, whatever else the folder holds."""
    shipped = sorted((EMBEDDED["errseg-lite"].parent / "sets").glob("*/set.json"))
    assert {"camvid", "coco_stuff", "voc2012"} <= {path.parent.name for path in shipped}
    for path in shipped:
        description = json.loads(path.read_text())
        names = description.get("not_pasted", ["wheel", "mirror"])
        folder = root / "parts"
        (folder / "classes.json").write_text(json.dumps(dict(enumerate(names))))
        (folder / "set.json").write_text(path.read_text())
        (read,) = load_sets(root, ["parts"])
        assert read.weight == description.get("weight", 1)


def _break_json(folder):
    (folder / "classes.json").write_text("[1]")


def _break_mask(folder):
    (folder / "masks" / "p1.png").unlink()


def _break_validation(folder):
    (folder / "validation.txt").write_text("nowhere\n")


def _break_listing(folder):
    (folder / "validation.txt").unlink()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_break_json, "must hold an object"),
        (_break_mask, "no mask for p1"),
        (_break_validation, "lists nowhere"),
        (_break_listing, "has no validation.txt"),
    ],
)
def test_odd_folders_are_named_in_one_sentence(root, damage, message):
    damage(root / "things")
    with pytest.raises(InputError, match=message):
        load_sets(root)


def test_unknown_folders_and_sets_are_refused(root):
    with pytest.raises(InputError, match="no data folder"):
        load_sets(root / "missing")
    with pytest.raises(InputError, match="holds no sets"):
        load_sets(root / "things" / "masks")
    with pytest.raises(InputError, match="no set named mars; it has parts"):
        load_sets(root, ["mars"])


def test_a_folder_that_is_a_set_is_one(root, monkeypatch):
    monkeypatch.chdir(root / "things")
    below = next(s for s in load_sets(root) if s.name == "things")
    for path in (root / "things", "."):
        (alone,) = load_sets(path)
        assert (alone.name, alone.classes, alone.training) == (
            "things",
            below.classes,
            below.training,
        )
        assert alone.image_path("p0").is_file()


def test_a_mask_of_another_size_is_named(root):
    Image.new("L", (50, 50)).save(root / "things" / "masks" / "p0.png")
    with pytest.raises(InputError, match="but its mask is"):
        next(samples(*load_sets(root, ["things"]), ["p0"]))


def test_a_colour_mask_is_refused(root):
    Image.new("RGB", (96, 64)).save(root / "things" / "masks" / "p0.png")
    with pytest.raises(InputError, match="index map of 8 or 16 bits"):
        open_mask(*load_sets(root, ["things"]), "p0")


def test_validation_labels_are_places_in_the_sets_own_list(root):
    (things,) = load_sets(root, ["things"])
    ((image, label),) = samples(things, things.validation)
    mask = np.array(Image.open(things.mask_path("p0")))
    assert image.shape == (64, 96, 3)
    for value, place in {0: -1, 255: -1, 1: 0, 2: 1}.items():
        assert (label[mask == value] == place).all()
    assert things.class_names[label.max()] == "person"
