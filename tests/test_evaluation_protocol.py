"""The published evaluation written out straight, over the network as the paper draws it."""

import dataclasses

import numpy as np
import pytest
import torch
from photo_sets import write_photo_set
from PIL import Image
from torch.nn import functional as F

from errseg.datasets.folders import load_sets
from errseg.measuring import as_drawn
from errseg.measuring.evaluation import Protocol, evaluate

IGNORED = 255
CLASSES = ("cat", "dogs", "red sofa", "sky", "grass", "tree", "road")
SIZES = ((45, 70), (64, 48), (30, 120))  # one is so long that the loader's other limit holds
SIDE = 128  # of the network's input, the smallest there is
KEPT = 3


def published_labels(model, photo, kept_classes, rounded=True):
    """Resize twice, encode, decode, take the sigmoid, resize back, take the greatest."""
    height, width = photo.shape[:2]
    scale = 800 / min(height, width)
    if scale * max(height, width) > 1333:
        scale = 1333 / max(height, width)
    loaded = Image.fromarray(photo).resize(
        (int(scale * width + 0.5), int(scale * height + 0.5)), Image.Resampling.BILINEAR
    )
    pixels = torch.from_numpy(np.array(loaded)).permute(2, 0, 1)[None].float()
    square = F.interpolate(pixels, (SIDE, SIDE), mode="bilinear", align_corners=False)
    square = square.round() if rounded else square
    text = as_drawn.encode_text(model, [f"A photo of a {name} in the scene" for name in CLASSES])
    out = as_drawn.decode(model, *as_drawn.encode_image(model, square), text, kept_classes)
    scores = F.interpolate(out.logits.sigmoid(), photo.shape[:2], mode="bilinear")
    return scores[0].argmax(dim=0).numpy()


def published_measures(predictions, labels):
    """Count as the published code's evaluator does, class by class."""
    hits, given, true = (np.zeros(len(CLASSES)) for _ in range(3))
    for predicted, label in zip(predictions, labels, strict=True):
        for c in range(len(CLASSES)):
            hits[c] += ((predicted == c) & (label == c)).sum()
            given[c] += ((predicted == c) & (label != IGNORED)).sum()
            true[c] += (label == c).sum()
    valid = true > 0
    iou = hits[valid] / (given + true - hits)[valid]
    return {
        "miou": iou.mean(),
        "frequency_weighted_iou": (iou * true[valid]).sum() / true.sum(),
        "mean_class_accuracy": (hits[valid] / true[valid]).mean(),
        "pixel_accuracy": hits.sum() / true.sum(),
    }


@pytest.fixture(scope="module")
def model(make_model):
    model = make_model()
    model.config = dataclasses.replace(model.config, input_size=SIDE)
    return model


@torch.inference_mode()
def test_evaluation_is_the_published_one(make_pixels, model, tmp_path):
    photos = [
        make_pixels(1, *size, seed=seed)[0].permute(1, 2, 0).numpy()
        for seed, size in enumerate(SIZES)
    ]
    ours, whole = ([published_labels(model, p, kept) for p in photos] for kept in (KEPT, 7))
    # People's labels are the published ones, but for a strip of another class and one of none.
    labels = [predicted.copy() for predicted in ours]
    for label in labels:
        label[-5:] = CLASSES.index("sky")
        label[:, :5] = IGNORED
    write_photo_set(tmp_path / "scenes", CLASSES, zip(photos, labels, strict=True))
    (scores,) = evaluate(model, load_sets(tmp_path), Protocol(kept_classes=KEPT))
    for output, predictions in ((scores.crm, ours), (scores.all_classes, whole)):
        expected = published_measures(predictions, labels)
        found = {name: getattr(output, name) for name in expected}
        # A pixel between two equal scores may fall to either, by the order of summation.
        assert found == pytest.approx(expected, abs=2e-4)


@torch.inference_mode()
def test_grey_levels_rounded_before_the_network_move_few_pixels(make_pixels, model):
    """Few even of a model with random weights on photos without edges."""
    photo = make_pixels(1, 45, 70)[0].permute(1, 2, 0).numpy()
    rounded, exact = (published_labels(model, photo, KEPT, rounded) for rounded in (True, False))
    assert 0.95 < (rounded == exact).mean() < 1
