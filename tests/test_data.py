import json

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from errseg.datasets.folders import BACKGROUND, IGNORE, load_sets, validation_samples
from errseg.errors import InputError
from errseg.training.augmentation import Augmentation
from errseg.training.crops import CropDataset, collate
from errseg.training.label_space import LabelSpace
from errseg.words.relations import Relation

COLOURS = {0: (128, 128, 128), 1: (220, 30, 30), 2: (30, 200, 30), 3: (30, 30, 220)}
PLAIN = Augmentation(squeeze=0, flip=0, jitter=0)


def _write_set(root, name, classes, photos=3, size=(96, 64), validation=1):
    """Write a set whose photos show, for each mask value, that value's colour."""
    folder = root / name
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    rng = np.random.default_rng(len(name))
    palette = np.full((256, 3), 255, np.uint8)
    for value, colour in COLOURS.items():
        palette[value] = colour
    values = [int(v) for v in classes]
    for i in range(photos):
        mask = np.full(size[::-1], values[0], np.uint8)
        for value in values[1:]:
            y, x = rng.integers(0, size[1] - 24), rng.integers(0, size[0] - 24)
            mask[y : y + 24, x : x + 24] = value
        mask[:4, :4] = 255
        Image.fromarray(palette[mask]).save(folder / "images" / f"p{i}.jpg", quality=95)
        Image.fromarray(mask).save(folder / "masks" / f"p{i}.png")
    (folder / "classes.json").write_text(json.dumps(classes))
    (folder / "validation.txt").write_text("".join(f"p{i}\n" for i in range(validation)))
    return folder


@pytest.fixture
def root(tmp_path):
    _write_set(tmp_path, "voc2012", {"0": "background", "1": "aeroplane", "2": "person"})
    _write_set(tmp_path, "camvid", {"1": "road", "2": "pedestrian", "3": "sky"})
    _write_set(tmp_path, "carparts", {"0": "background", "1": "left mirror", "2": "wheel"})
    _write_set(tmp_path, "coco_stuff", {"1": "wall", "2": "brick wall", "3": "metal"})
    return tmp_path


def _sample(dataset, set_name):
    return next(s for s in map(dataset.__getitem__, range(500)) if _name(dataset, s) == set_name)


def _name(dataset, sample):
    return dataset.sets[sample.set_index].name


def test_sets_are_read_with_their_classes_and_lists(root):
    sets = {s.name: s for s in load_sets(root)}
    assert list(sets) == ["camvid", "carparts", "coco_stuff", "voc2012"]
    voc = sets["voc2012"]
    assert voc.classes == {1: "aeroplane", 2: "person"}
    assert voc.has_background
    assert not voc.exhaustive
    assert (voc.training, voc.validation) == (("p1", "p2"), ("p0",))
    assert sets["camvid"].exhaustive
    assert not sets["carparts"].mirrors
    assert [s.name for s in load_sets(root, ["voc2012", "camvid"])] == ["voc2012", "camvid"]


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
    damage(root / "voc2012")
    with pytest.raises(InputError, match=message):
        load_sets(root)


def test_unknown_folders_and_sets_are_refused(root):
    with pytest.raises(InputError, match="no data folder"):
        load_sets(root / "missing")
    with pytest.raises(InputError, match="holds no sets"):
        load_sets(root / "voc2012")
    with pytest.raises(InputError, match="no set named mars; it has camvid"):
        load_sets(root, ["mars"])


@pytest.mark.parametrize("kept_bytes", [0, 700])
def test_an_unreadable_photo_is_named(root, kept_bytes):
    for photo in (root / "voc2012" / "images").iterdir():
        photo.write_bytes(photo.read_bytes()[:kept_bytes])
    with pytest.raises(InputError, match=r"p\d\.jpg can't be read"):
        CropDataset(load_sets(root, ["voc2012"]), 32, 0)[0]


def test_a_mask_of_another_size_is_named(root):
    for mask in (root / "voc2012" / "masks").iterdir():
        Image.new("L", (50, 50)).save(mask)
    sets = load_sets(root, ["voc2012"])
    with pytest.raises(InputError, match="but its mask is"):
        CropDataset(sets, 32, 0)[0]
    with pytest.raises(InputError, match="but its mask is"):
        next(validation_samples(sets[0]))


def test_a_colour_mask_is_refused(root):
    for mask in (root / "voc2012" / "masks").iterdir():
        Image.new("RGB", (96, 64)).save(mask)
    with pytest.raises(InputError, match="8-bit index map"):
        CropDataset(load_sets(root, ["voc2012"]), 32, 0)[0]


def test_validation_labels_are_places_in_the_sets_own_list(root):
    (voc,) = load_sets(root, ["voc2012"])
    ((image, label),) = validation_samples(voc)
    mask = np.array(Image.open(voc.mask_path("p0")))
    assert image.shape == (64, 96, 3)
    for value, place in {0: -1, 255: -1, 1: 0, 2: 1}.items():
        assert (label[mask == value] == place).all()
    assert voc.class_names[label.max()] == "person"


def test_crops_follow_from_seed_and_index_alone(root):
    sets = load_sets(root)
    first = CropDataset(sets, 48, 7, copy_paste=0.5)
    again = CropDataset(sets, 48, 7, copy_paste=0.5)
    loader = DataLoader(
        again, batch_size=4, sampler=range(8, 16), num_workers=1, collate_fn=collate
    )
    index = 8
    for images, samples in loader:
        assert images.shape == (4, 3, 48, 48)
        assert images.dtype == torch.uint8
        for image, sample in zip(images, samples, strict=True):
            expected = first[index]
            assert torch.equal(image, expected.image)
            assert torch.equal(sample.label, expected.label)
            assert sample.set_index == expected.set_index
            index += 1
    other = CropDataset(sets, 48, 8, copy_paste=0.5)
    assert not all(torch.equal(first[i].image, other[i].image) for i in range(4))


@pytest.mark.parametrize(
    "augmentation", [Augmentation(jitter=0), PLAIN, Augmentation(squeeze=1, jitter=0)]
)
def test_labels_lie_on_what_they_label(root, augmentation):
    sets = load_sets(root, ["voc2012", "camvid"])
    dataset = CropDataset(sets, 64, 0, copy_paste=0.5, augmentation=augmentation)
    colour_of = {"aeroplane": 1, "person": 2, "road": 1, "pedestrian": 2, "sky": 3}
    seen = set()
    for i in range(40):
        sample = dataset[i]
        seen.update(sample.present().tolist())
        for label in sample.present(least_pixels=100).tolist():
            name = dataset.space.names[label]
            got = sample.image[:, sample.label == label].float().median(dim=1).values
            wanted = torch.tensor(COLOURS[colour_of[name]]).float()
            assert (got - wanted).abs().max() < 80, name
    assert seen == set(range(5))


def test_training_never_sees_validation_photos(root):
    for name in ("images", "masks"):
        (path,) = (root / "voc2012" / name).glob("p0.*")
        path.write_text("broken")
    dataset = CropDataset(load_sets(root, ["voc2012"]), 32, 0)
    assert all(dataset[i].image.shape == (3, 32, 32) for i in range(30))


def test_sets_with_left_and_right_are_not_mirrored(root):
    always = Augmentation(squeeze=1, flip=1, jitter=0)
    never = Augmentation(squeeze=1, flip=0, jitter=0)
    for name, same in (("carparts", True), ("voc2012", False)):
        sets = load_sets(root, [name])
        flipped = CropDataset(sets, 64, 0, augmentation=always)[0]
        straight = CropDataset(sets, 64, 0, augmentation=never)[0]
        assert torch.equal(flipped.image, straight.image) is same
        assert torch.equal(flipped.label, straight.label) is same
        if not same:
            # Mirrored up to how nearest resampling rounds at a region's border.
            assert (flipped.label.flip(1) == straight.label).float().mean() > 0.9


def test_weights_decide_what_is_drawn(root):
    sets = load_sets(root)
    weights = {"voc2012": 3, "camvid": 1, "carparts": 0, "coco_stuff": 0}
    dataset = CropDataset(sets, 32, 0, weights)
    drawn = [_name(dataset, dataset[i]) for i in range(200)]
    assert set(drawn) == {"voc2012", "camvid"}
    assert 120 < drawn.count("voc2012") < 180
    with pytest.raises(InputError, match="weight above 0"):
        CropDataset(sets, 32, 0, dict.fromkeys(weights, 0))


def test_crops_in_a_row_can_come_from_one_set(root):
    dataset = CropDataset(load_sets(root), 32, 0, same_set=4)
    drawn = [dataset[i].set_index for i in range(80)]
    rows = [set(drawn[i : i + 4]) for i in range(0, 80, 4)]
    assert all(len(row) == 1 for row in rows)
    assert len(set(drawn)) > 1


def test_rare_classes_are_drawn_first_if_asked(root):
    """The sky, which one photo of the two shows, comes up in more than half of the crops."""
    path = root / "camvid" / "masks" / "p1.png"
    mask = np.array(Image.open(path))
    mask[mask == 3] = 1
    Image.fromarray(mask).save(path)
    sets = load_sets(root, ["camvid"])

    def share(balance):
        whole = Augmentation(squeeze=1, flip=0, jitter=0)
        dataset = CropDataset(sets, 32, 0, balance=balance, augmentation=whole)
        sky = dataset.space.index["sky"]
        return np.mean([sky in dataset[i].present() for i in range(300)])

    assert share(0.0) == pytest.approx(0.5, abs=0.08)
    # Each class as often as the square root of its photos: 1 of 1 + 2 sqrt(2), and half the rest.
    assert share(1.0) == pytest.approx(0.63, abs=0.08)


def test_pasted_objects_bring_their_name_to_sets_without_it(root):
    sets = load_sets(root, ["camvid", "voc2012"])
    weights = {"camvid": 1, "voc2012": 0}
    without = CropDataset(sets, 64, 0, weights, augmentation=PLAIN)
    pasted = CropDataset(sets, 64, 0, weights, copy_paste=1.0, augmentation=PLAIN)
    plane = pasted.space.index["aeroplane"]
    assert not any(plane in without[i].present() for i in range(20))
    sample = next(s for s in map(pasted.__getitem__, range(20)) if plane in s.present())
    assert not sample.listed[plane]
    target, valid = pasted.space.targets(sample.label, ["airplane", "sky"], sample)
    assert torch.equal(target[0] > 0, sample.label == plane)
    assert valid[1][sample.label == plane].all()
    assert not target[1][sample.label == plane].any()


def test_held_out_names_teach_nothing(root):
    sets = load_sets(root, ["voc2012"])
    dataset = CropDataset(sets, 64, 0, held_out=["airplane"])
    plane = dataset.space.index["aeroplane"]
    for i in range(10):
        assert plane not in dataset[i].present()
    sample = dataset[0]
    assert not sample.listed[plane]
    background = torch.tensor([[BACKGROUND]])
    assert not dataset.space.targets(background, ["aeroplane"], sample)[1].any()
    assert dataset.space.targets(background, ["person"], sample)[1].all()


def _table(space, listed, names, **options):
    """Return {(label, name): +1, 0 or None} by asking pixel by pixel."""
    labels = [*range(len(space.names)), BACKGROUND, IGNORE]
    return {
        (space.names[label] if label >= 0 else label, name): row[label].item()
        for name, row in zip(names, space.relations(names, listed, **options), strict=True)
        for label in labels
    }


def test_what_labels_teach(root):
    sets = {s.name: s for s in load_sets(root)}
    space = LabelSpace(list(sets.values()))
    asked = ["airplane", "person", "pedestrian", "sky", "shirt", "wall", "car", "vehicle"]
    yes, no, unknown = Relation.POSITIVE, Relation.NEGATIVE, Relation.UNKNOWN

    voc = _table(space, space.listed(sets["voc2012"]), asked)
    assert voc["aeroplane", "airplane"] == yes  # a synonym
    assert voc["aeroplane", "vehicle"] == yes  # a kind
    assert voc["aeroplane", "sky"] == no  # labelled as another thing
    assert voc["person", "pedestrian"] == unknown  # some persons are
    assert voc["pedestrian", "person"] == yes
    assert voc["person", "shirt"] == unknown
    assert voc[BACKGROUND, "airplane"] == no  # listed under another spelling
    assert voc[BACKGROUND, "pedestrian"] == no  # no person, so no pedestrian
    assert voc[BACKGROUND, "sky"] == unknown  # not listed
    assert voc[BACKGROUND, "shirt"] == unknown  # may hang there
    assert voc[BACKGROUND, "vehicle"] == unknown  # other vehicles aren't listed
    assert {voc[IGNORE, name] for name in asked} == {unknown}

    parts = _table(space, space.listed(sets["carparts"]), asked)
    assert parts["wheel", "car"] == yes
    assert parts[BACKGROUND, "car"] == unknown

    stuff = space.listed(sets["coco_stuff"])
    honest = _table(space, stuff, ["wall", "brick wall", "metal", "spoon"])
    assert honest["brick wall", "wall"] == yes
    assert honest["wall", "brick wall"] == unknown
    assert honest["metal", "wall"] == no  # its own set tells them apart
    assert honest["metal", "spoon"] == unknown
    benchmark = _table(space, stuff, ["wall", "brick wall"], exclusive=True)
    assert benchmark["brick wall", "wall"] == no
    assert benchmark["wall", "brick wall"] == no
    assert benchmark["wall", "wall"] == yes


def test_targets_equal_a_loop_over_pixels(root):
    dataset = CropDataset(load_sets(root), 32, 3)
    space = dataset.space
    asked = [0, "airplane", "person", space.index["road"], "zebra", "wall"]
    for set_name in ("voc2012", "camvid", "coco_stuff"):
        sample = _sample(dataset, set_name)
        unsafe = torch.zeros(len(asked), len(space.names), dtype=torch.bool)
        unsafe[4, ::2] = True
        target, valid = space.targets(sample.label, asked, sample, unsafe=unsafe)
        table = space.relations(asked, sample.listed)
        assert target.shape == valid.shape == (len(asked), 32, 32)
        for p in range(len(asked)):
            for y in range(0, 32, 5):
                for x in range(32):
                    label = int(sample.label[y, x])
                    value = int(table[p, label])
                    if value == Relation.NEGATIVE and label >= 0 and unsafe[p, label]:
                        value = Relation.UNKNOWN
                    assert valid[p, y, x] == (value != Relation.UNKNOWN)
                    assert target[p, y, x] == (value == Relation.POSITIVE)


def test_no_classes_asked_gives_empty_targets(root):
    dataset = CropDataset(load_sets(root), 32, 0)
    target, valid = dataset.space.targets(dataset[0].label, [], dataset[0])
    assert target.shape == valid.shape == (0, 32, 32)


def test_jitter_varies_colours_mildly_and_moves_nothing(root):
    sets = load_sets(root, ["voc2012"])
    vary = Augmentation(squeeze=1, flip=0, jitter=1)
    still = Augmentation(squeeze=1, flip=0, jitter=0)
    shifts = []
    for i in range(20):
        plain = CropDataset(sets, 64, 0, augmentation=still)[i]
        varied = CropDataset(sets, 64, 0, augmentation=vary)[i]
        assert torch.equal(varied.label, plain.label)
        shifts.append((varied.image.float() - plain.image.float()).abs().mean().item())
    assert max(shifts) > 5
    assert max(shifts) < 80
    assert len(set(shifts)) == 20
