"""Training crops: drawn by seed and index alone, labels on what they label, nothing held out."""

import dataclasses

import numpy as np
import pytest
import torch
from photo_sets import COLOURS, write_sets
from PIL import Image
from torch.utils.data import DataLoader

from errseg.datasets.folders import load_sets
from errseg.datasets.sets import BACKGROUND, IGNORE
from errseg.errors import InputError
from errseg.training.config import LITE, with_settings
from errseg.training.crops import Augmentation, CropDataset, collate
from errseg.training.mixing import mix_classes

PLAIN = Augmentation(squeeze=0, flip=0, jitter=0)
WHOLE = Augmentation(squeeze=1, flip=0, jitter=0)


@pytest.fixture
def root(tmp_path):
    return write_sets(tmp_path)


def crops(sets, augmentation=None, **settings):
    plain = {"crop": 32, "balance": 0.0, "copy_paste": 0.0, "same_set": 1}
    return CropDataset(sets, with_settings(LITE, plain | settings), augmentation)


def drawn(dataset, count):
    """Names of the sets that the first crops come from."""
    names = {frozenset(s.class_names): s.name for s in dataset.sets}
    return [names[dataset[i].listed] for i in range(count)]


def weighed(sets, **weights):
    return [dataclasses.replace(s, weight=weights[s.name]) for s in sets]


@pytest.mark.parametrize("kept_bytes", [0, 700])
def test_an_unreadable_photo_is_named(root, kept_bytes):
    for photo in (root / "things" / "images").iterdir():
        photo.write_bytes(photo.read_bytes()[:kept_bytes])
    with pytest.raises(InputError, match=r"p\d\.jpg can't be read"):
        crops(load_sets(root, ["things"]))[0]


def test_a_mask_of_another_size_is_named(root):
    for mask in (root / "things" / "masks").iterdir():
        Image.new("L", (50, 50)).save(mask)
    with pytest.raises(InputError, match="but its mask is"):
        crops(load_sets(root, ["things"]))[0]


def test_crops_follow_from_seed_and_index_alone(root):
    sets = load_sets(root)
    first = crops(sets, seed=7, crop=48, copy_paste=0.5, mix=0.5)
    again = crops(sets, seed=7, crop=48, copy_paste=0.5, mix=0.5)
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
            assert sample.listed == expected.listed
            index += 1
    other = crops(sets, seed=8, crop=48, copy_paste=0.5)
    assert not all(torch.equal(first[i].image, other[i].image) for i in range(4))


def test_another_seed_draws_other_crops_even_of_one_photo(root):
    (one,) = load_sets(root, ["scenes"])
    one = dataclasses.replace(one, training=one.training[:1])
    first, other = (crops([one], seed=seed) for seed in (0, 1))
    same = [torch.equal(first[index].image, other[index].image) for index in range(6)]
    assert not any(same)


@pytest.mark.parametrize(
    "augmentation", [Augmentation(jitter=0), PLAIN, Augmentation(squeeze=1, jitter=0)]
)
def test_labels_lie_on_what_they_label(root, augmentation):
    sets = load_sets(root, ["things", "scenes"])
    dataset = crops(sets, augmentation, crop=64, copy_paste=0.5, mix=0.5)
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
        (path,) = (root / "things" / name).glob("p0.*")
        path.write_text("broken")
    dataset = crops(load_sets(root, ["things"]))
    assert all(dataset[i].image.shape == (3, 32, 32) for i in range(30))


def test_sets_with_left_and_right_are_not_mirrored(root):
    for name, same in (("parts", True), ("things", False)):
        sets = load_sets(root, [name])
        always = dataclasses.replace(WHOLE, flip=1)
        flipped = crops(sets, always, crop=64)[0]
        straight = crops(sets, WHOLE, crop=64)[0]
        assert torch.equal(flipped.image, straight.image) is same
        assert torch.equal(flipped.label, straight.label) is same
        if not same:
            # Mirrored up to how nearest resampling rounds at a region's border.
            assert (flipped.label.flip(1) == straight.label).float().mean() > 0.9


def test_a_set_s_weight_decides_how_often_it_is_drawn(root):
    weights = {"things": 3, "scenes": 1, "parts": 0, "walls": 0}
    names = drawn(crops(weighed(load_sets(root), **weights)), 200)
    assert set(names) == {"things", "scenes"}
    assert 120 < names.count("things") < 180
    with pytest.raises(InputError, match="weight above 0"):
        crops(weighed(load_sets(root), **dict.fromkeys(weights, 0)))


def test_crops_in_a_row_can_come_from_one_set(root):
    names = drawn(crops(load_sets(root), same_set=4), 80)
    rows = [set(names[i : i + 4]) for i in range(0, 80, 4)]
    assert all(len(row) == 1 for row in rows)
    assert len(set(names)) > 1


def test_rare_classes_are_drawn_first_if_asked(root):
    """The sky, which one photo of the two shows, comes up in more than half of the crops."""
    path = root / "scenes" / "masks" / "p1.png"
    mask = np.array(Image.open(path))
    mask[mask == 3] = 1
    Image.fromarray(mask).save(path)
    sets = load_sets(root, ["scenes"])

    def share(balance):
        dataset = crops(sets, WHOLE, balance=balance)
        sky = dataset.space.index["sky"]
        return np.mean([sky in dataset[i].present() for i in range(300)])

    assert share(0.0) == pytest.approx(0.5, abs=0.08)
    # Each class as often as the square root of its photos: 1 of 1 + 2 sqrt(2), and half the rest.
    assert share(1.0) == pytest.approx(0.63, abs=0.08)


def test_half_of_another_scene_s_classes_are_laid_over_one():
    """Every one of an odd number can be drawn, each whole, and what is not named never is."""
    rng, names = np.random.default_rng(0), (3, 5, 8)
    other = np.repeat([3, 5, 8, BACKGROUND, IGNORE], 20)[None].repeat(100, axis=0)
    laid = []
    for _ in range(20):
        label = np.full((100, 100), 1)
        image, seen = (Image.new("RGB", (100, 100), grey) for grey in ("black", "white"))
        mix_classes(rng, image, label, seen, other)
        over = label != 1
        assert np.array_equal(label[over], other[over])
        assert np.array_equal(np.asarray(image)[..., 0] == 255, over)
        laid.append({name for name in names if over[other == name].any()})
        assert over.sum() == 2000 * len(laid[-1])
    assert all(len(drawn) == 2 for drawn in laid)
    assert len(set(map(frozenset, laid))) == 3


def test_only_scenes_are_mixed(root):
    for one in load_sets(root, ["scenes", "things"]):
        plain, mixed = (crops([one], PLAIN, crop=64, mix=mix) for mix in (0.0, 1.0))
        changed = [not torch.equal(plain[i].label, mixed[i].label) for i in range(12)]
        assert any(changed) is one.exhaustive


@pytest.fixture
def pasting(root):
    """``pasting(**changes)``: crops of scenes alone, onto which the changed set of things goes."""

    def paste(copy_paste=1.0, **changes):
        scenes, things = weighed(load_sets(root, ["scenes", "things"]), scenes=1, things=0)
        sets = [scenes, dataclasses.replace(things, **changes)]
        return crops(sets, PLAIN, crop=64, copy_paste=copy_paste)

    return paste


def shown(dataset, count=20):
    """Names that crops show."""
    return {dataset.space.names[n] for i in range(count) for n in dataset[i].present().tolist()}


def test_pasted_objects_bring_their_name_to_sets_without_it(pasting):
    pasted = pasting()
    plane = pasted.space.index["aeroplane"]
    assert "aeroplane" not in shown(pasting(copy_paste=0.0))
    sample = next(s for s in map(pasted.__getitem__, range(20)) if plane in s.present())
    assert "aeroplane" not in sample.listed
    target, valid = pasted.space.targets(sample.label, ["airplane", "sky"], sample)
    assert torch.equal(target[0] > 0, sample.label == plane)
    assert valid[1][sample.label == plane].all()
    assert not target[1][sample.label == plane].any()


def test_only_what_a_set_allows_is_pasted_and_only_onto_labelled_scenes(pasting, root):
    assert {"aeroplane", "person"} <= shown(pasting())
    assert not {"aeroplane", "person"} & shown(pasting(paste=False))
    some = shown(pasting(not_pasted=("person",)))
    assert "aeroplane" in some
    assert "person" not in some
    parts, things = weighed(load_sets(root, ["parts", "things"]), parts=1, things=0)
    assert not parts.exhaustive
    sparse = crops([parts, things], PLAIN, crop=64, copy_paste=1.0)
    assert shown(sparse) == {"left mirror", "wheel"}


def test_held_out_names_teach_nothing(root):
    sets = load_sets(root, ["things"])
    dataset = crops(sets, crop=64, held_out=("airplane",))
    plane = dataset.space.index["aeroplane"]
    for i in range(10):
        assert plane not in dataset[i].present()
    sample = dataset[0]
    assert sample.listed == {"person"}
    background = torch.tensor([[BACKGROUND]])
    assert not dataset.space.targets(background, ["aeroplane"], sample)[1].any()
    assert dataset.space.targets(background, ["person"], sample)[1].all()


def test_a_set_of_which_all_is_held_out_gets_a_sentence(root):
    sets = load_sets(root, ["things"])
    with pytest.raises(InputError, match=r"No class is left .*\(aeroplane, person\) is held out"):
        crops(sets, held_out=("airplane", "person", "sky"))


def test_jitter_varies_colours_mildly_and_moves_nothing(root):
    sets = load_sets(root, ["things"])
    vary = dataclasses.replace(WHOLE, jitter=1)
    shifts = []
    for i in range(20):
        plain = crops(sets, WHOLE, crop=64)[i]
        varied = crops(sets, vary, crop=64)[i]
        assert torch.equal(varied.label, plain.label)
        shifts.append((varied.image.float() - plain.image.float()).abs().mean().item())
    assert max(shifts) > 5
    assert max(shifts) < 80
    assert len(set(shifts)) == 20
