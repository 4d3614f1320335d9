"""The published crops against what detectron2 documents, and against a loop."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from errseg.datasets.folders import load_sets
from errseg.errors import InputError
from errseg.training.config import PUBLISHED, with_settings
from errseg.training.published_crops import (
    PublishedDataset,
    choose_crop,
    collate,
    resize_shortest,
    vary_colours,
)

PLAIN = {"steps": 20, "batch": 2, "crop": 32, "shortest_edge": 32, "colours": False, "flip": 0.0}


@pytest.fixture
def data(tmp_path):
    """Three photos whose red tells the pixel's column and whose masks tell the photo."""
    folder = tmp_path / "scenes"
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    for index, (width, height) in enumerate([(48, 32), (32, 32), (40, 36)]):
        photo = np.zeros((height, width, 3), np.uint8)
        photo[..., 0], photo[..., 1] = 5 * np.arange(width), 60 * index
        mask = np.full((height, width), index + 1, np.uint8)
        mask[:, : width // 2] = 4
        mask[0, :2] = 255
        Image.fromarray(photo).save(folder / "images" / f"p{index}.png")
        Image.fromarray(mask).save(folder / "masks" / f"p{index}.png")
    names = {"1": "cat", "2": "dog", "3": "sky", "4": "road"}
    (folder / "classes.json").write_text(json.dumps(names))
    (folder / "validation.txt").write_text("")
    return tmp_path


@pytest.fixture
def make_dataset(data):
    def make(**changes):
        return PublishedDataset(load_sets(data), with_settings(PUBLISHED, PLAIN | changes))

    return make


def test_a_crop_is_a_window_of_the_photo_with_its_label(make_dataset):
    crops = make_dataset()
    assert len(crops) == 40
    for index in range(12):
        image, label = crops[index]
        assert image.dtype == torch.uint8
        assert image.shape == (3, 32, 32)
        assert label.shape == (32, 32)
        photo = round(int(image[1, 5, 5]) / 60)
        width = (48, 32, 36)[photo]  # the third is resized: 40 x 36 to 36 x 32
        columns = image[0, 3].float() / 5 * width / (48, 32, 40)[photo]
        left = label[3] == 3
        assert set(label[3].tolist()) <= {photo, 3}
        # The left half of the photo is road, to within a pixel of the resize.
        assert torch.all(left[columns < width / 2 - 2])
        assert not torch.any(left[columns > width / 2 + 2])


def test_every_photo_comes_once_an_epoch_in_another_order(make_dataset):
    crops = make_dataset()
    seen = [round(int(crops[index][0][1, 5, 5]) / 60) for index in range(18)]
    epochs = [tuple(seen[start : start + 3]) for start in range(0, 18, 3)]
    assert all(sorted(epoch) == [0, 1, 2] for epoch in epochs)
    assert len(set(epochs)) > 1


def test_a_crop_depends_on_the_seed_and_its_index_alone(make_dataset):
    first, again = make_dataset(colours=True), make_dataset(colours=True)
    other = make_dataset(colours=True, seed=1)
    _ = again[7]
    for index in (3, 11):
        assert all(torch.equal(a, b) for a, b in zip(first[index], again[index], strict=True))
    assert any(not torch.equal(first[i][0], other[i][0]) for i in range(6))
    with pytest.raises(IndexError):
        first[40]


def test_a_small_photo_is_padded_and_the_padding_has_no_class(make_dataset):
    image, label = make_dataset(crop=64)[0]
    side = 32
    assert image.shape == (3, 64, 64)
    assert torch.all(image[:, side:] == 128)
    assert torch.all(label[side:] == -1)
    assert not torch.all(image[:, :side, :32] == 128)


def test_flipping_turns_photo_and_label(make_dataset):
    straight, turned = make_dataset(crop=48), make_dataset(crop=48, flip=1.0)
    for index in range(3):
        image, label = straight[index]
        flipped, turned_label = turned[index]
        width = int((image[:, 0] != 128).any(dim=0).sum())
        assert torch.equal(flipped[..., :width], image[..., :width].flip(-1))
        assert torch.equal(turned_label[..., :width], label[..., :width].flip(-1))


def test_names_held_out_leave_the_vocabulary_and_the_labels(make_dataset):
    crops = make_dataset(held_out=("dog", "sky"))
    assert crops.classes == ("cat", "road")
    values = {int(v) for i in range(9) for v in crops[i][1].unique()}
    assert values == {-1, 0, 1}
    with pytest.raises(InputError, match="No class is left"):
        make_dataset(held_out=("cat", "dog", "sky", "road"))


@pytest.mark.parametrize(
    ("size", "expected"),
    [((640, 480), (853, 640)), ((100, 200), (640, 1280)), ((3000, 100), (2560, 85))],
)
def test_the_shortest_edge_is_640_and_the_longest_2560_at_most(size, expected):
    """As detectron2's ResizeShortestEdge rounds."""
    image, label = Image.new("RGB", size), Image.new("I", size)
    resized = resize_shortest(image, label, PUBLISHED.data)
    assert [part.size for part in resized] == [expected] * 2


def rule(label, box, area):
    """The category-area rule as it is documented."""
    window = label[box[1] : box[3], box[0] : box[2]]
    counts = {v: (window == v).sum() for v in np.unique(window) if v != -1}
    return len(counts) > 1 and max(counts.values()) < area * sum(counts.values())


def test_the_category_area_rule_takes_the_first_of_ten_tries_that_it_allows():
    data = with_settings(PUBLISHED, {"crop": 16, "category_area": 0.7}).data
    label = np.zeros((40, 40), np.int32)
    label[:, 20:] = 1
    label[:4] = -1
    for seed in range(60):
        box = choose_crop(np.random.default_rng(seed), label, data)
        # The same draws without the rule are its tries, one after another.
        rng = np.random.default_rng(seed)
        free = with_settings(PUBLISHED, {"crop": 16}).data
        tries = [choose_crop(rng, label, free) for _ in range(10)]
        allowed = [tried for tried in tries if rule(label, tried, 0.7)]
        assert box == (allowed[0] if allowed else tries[-1])


def test_crops_reach_every_edge():
    data = with_settings(PUBLISHED, {"crop": 4}).data
    boxes = [choose_crop(np.random.default_rng(s), np.zeros((6, 5)), data) for s in range(80)]
    assert {box[:2] for box in boxes} == {(x, y) for x in (0, 1) for y in (0, 1, 2)}


class Draws:
    """Random numbers that are given."""

    def __init__(self, chances, values):
        self.chances, self.values = list(chances), list(values)

    def random(self):
        return self.chances.pop(0)

    def uniform(self, low, high):
        self.asked = [*getattr(self, "asked", []), (low, high)]
        return self.values.pop(0)


def test_colours_are_varied_as_ssd_does():
    pixels = torch.tensor([[[10, 240]], [[100, 240]], [[200, 240]]], dtype=torch.uint8)
    brighter = Draws([0.1, 0.1, 0.9, 0.9, 0.9], [32.0])
    assert vary_colours(brighter, pixels)[:, 0].T.tolist() == [[42, 132, 232], [255] * 3]
    assert brighter.asked == [(-32, 32)]
    contrast = Draws([0.9, 0.1, 0.1, 0.9, 0.9], [0.5])
    assert vary_colours(contrast, pixels)[:, 0].T.tolist() == [[5, 50, 100], [120] * 3]
    # Contrast last: a grey stays grey whatever saturation and hue do before it.
    last = Draws([0.9, 0.9, 0.1, 0.1, 0.1], [0.5, 0.1, 1.5])
    assert vary_colours(last, pixels)[:, 0, 1].tolist() == [255] * 3
    assert last.asked == [(0.5, 1.5), (-0.1, 0.1), (0.5, 1.5)]
    unchanged = vary_colours(Draws([0.9] * 5, []), pixels)
    assert torch.equal(unchanged, pixels)


def test_batches_join_crops(make_dataset):
    crops = make_dataset()
    images, labels = collate([crops[0], crops[1]])
    assert images.shape == (2, 3, 32, 32)
    assert torch.equal(images[1], crops[1][0])
    assert torch.equal(labels[1], crops[1][1])
