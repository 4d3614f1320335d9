"""The published training crops: resized, cropped, coloured, mirrored and padded.

As detectron2's mapper for semantic segmentation does it under the published configuration
(``configs/convnextB_640.yaml``): shortest edge 640, a crop of 640 with the category-area rule, the
colours of SSD, a flip, and padding with 128.
"""

import functools
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms.v2 import functional as colours

from errseg.datasets.sets import IGNORE, SegmentationSet, samples
from errseg.errors import InputError
from errseg.training.config import PublishedCrops, PublishedRecipe
from errseg.words.relations import with_synonyms

PADDING = 128  # value of what is padded to a small photo
TRIES = 10  # crops that are tried for one which the category-area rule allows (detectron2)
EPOCH_STREAM = 1  # tells the random numbers that order an epoch from those that vary a crop
# SSD's colours, each with a probability of one half (detectron2's ColorAugSSDTransform).
BRIGHTNESS = 32  # most that is added to every channel, of 255
CONTRAST = SATURATION = (0.5, 1.5)  # factors
HUE = 0.1  # of a full turn: 18 of OpenCV's 180


class PublishedDataset(Dataset[tuple[Tensor, Tensor]]):
    """Crops of all training photos, each once an epoch, in an order of the epoch's own.

    A crop is a function of the seed and its index, in any process.

    Args:
        sets: Whose training photos are taken, each as often as any other.
        recipe: Pixels labelled with a name held out, or a synonym, are ignored.

    Raises:
        InputError: No set has training photos, or no class is left.
    """

    def __init__(self, sets: Sequence[SegmentationSet], recipe: PublishedRecipe):
        self.recipe, self.sets = recipe, tuple(sets)
        self.photos = [(i, stem) for i, s in enumerate(self.sets) for stem in s.training]
        if not self.photos:
            raise InputError("None of the chosen sets has training photos.")
        hidden = with_synonyms(recipe.data.held_out)
        names = dict.fromkeys(name for s in self.sets for name in s.class_names)
        # The vocabulary T, in the order of the sets' lists: a benchmark's own for one set.
        self.classes = tuple(name for name in names if name not in hidden)
        if not self.classes:
            raise InputError("No class is left to train on: all that the sets name is held out.")
        # A benchmark's classes are asked for as the published training asked for them.
        alone = self.sets[0].published_names if len(self.sets) == 1 and not hidden else ()
        self.prompted = alone or self.classes
        place = {name: i for i, name in enumerate(self.classes)}
        # The last entry is that of a pixel without a class, -1.
        self._places = [
            np.array([*(place.get(name, IGNORE) for name in s.class_names), IGNORE])
            for s in self.sets
        ]

    def __len__(self) -> int:
        return self.recipe.run.steps * self.recipe.run.batch

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Return image (3, S, S) uint8 RGB and label (S, S) int64, indices of `classes` or -1."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        seed, data = self.recipe.run.seed, self.recipe.data
        epoch, place = divmod(index, len(self.photos))
        set_index, stem = self.photos[_order(seed, epoch, len(self.photos))[place]]
        rng = np.random.default_rng((seed, index))
        ((photo, values),) = samples(self.sets[set_index], [stem])
        label = self._places[set_index][values].astype(np.int32)
        image, label = resize_shortest(Image.fromarray(photo), Image.fromarray(label), data)
        box = choose_crop(rng, np.asarray(label), data)
        image, label = image.crop(box), label.crop(box)
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)
        if data.colours:
            pixels = vary_colours(rng, pixels)
        labels = torch.from_numpy(np.array(label)).long()
        if self.sets[set_index].mirrors and rng.random() < data.flip:
            pixels, labels = pixels.flip(-1), labels.flip(-1)
        across, down = data.crop - pixels.shape[2], data.crop - pixels.shape[1]
        pixels = torch.nn.functional.pad(pixels, (0, across, 0, down), value=PADDING)
        return pixels, torch.nn.functional.pad(labels, (0, across, 0, down), value=IGNORE)


@functools.lru_cache(maxsize=1)  # a worker goes through an epoch's crops in turn
def _order(seed: int, epoch: int, photos: int) -> np.ndarray:
    """Draw the order of an epoch's photos."""
    return np.random.default_rng((seed, epoch, EPOCH_STREAM)).permutation(photos)


def collate(crops: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Join crops to images (B, 3, S, S) and labels (B, S, S)."""
    images, labels = zip(*crops, strict=True)
    return torch.stack(images), torch.stack(labels)


def resize_shortest(
    image: Image.Image, label: Image.Image, data: PublishedCrops
) -> tuple[Image.Image, Image.Image]:
    """Resize a photo (bilinear) and its label (nearest) to ``shortest_edge``.

    Less where the longest edge would be more than ``longest_edge``.
    """
    scale = data.shortest_edge / min(image.size)
    scale = min(scale, data.longest_edge / max(image.size))
    size = tuple(int(side * scale + 0.5) for side in image.size)
    return (
        image.resize(size, Image.Resampling.BILINEAR),
        label.resize(size, Image.Resampling.NEAREST),
    )


def choose_crop(
    rng: np.random.Generator, label: np.ndarray, data: PublishedCrops
) -> tuple[int, int, int, int]:
    """Choose a crop's left, top, right and bottom in a label (H, W).

    The category-area rule: of ten tries the first in which no class covers as much of what is
    labelled as ``category_area``, and more than one is there; the last where none is so.
    """
    height, width = label.shape
    for _ in range(TRIES):
        x = int(rng.integers(max(width - data.crop, 0) + 1))
        y = int(rng.integers(max(height - data.crop, 0) + 1))
        box = (x, y, min(x + data.crop, width), min(y + data.crop, height))
        if data.category_area >= 1:
            break
        shown = label[box[1] : box[3], box[0] : box[2]]
        _, counts = np.unique(shown[shown != IGNORE], return_counts=True)
        if counts.size > 1 and counts.max() < data.category_area * counts.sum():
            break
    return box


def vary_colours(rng: np.random.Generator, pixels: Tensor) -> Tensor:
    """Vary brightness, contrast, saturation and hue of RGB (3, H, W) uint8 as SSD does.

    Contrast comes before or after saturation and hue, by chance. torchvision's saturation blends
    with grey, where OpenCV's stretches that of HSV.
    """

    def contrast(x: Tensor) -> Tensor:
        # About black, as OpenCV's: torchvision has that as brightness.
        return colours.adjust_brightness(x, rng.uniform(*CONTRAST))

    def saturation(x: Tensor) -> Tensor:
        return colours.adjust_saturation(x, rng.uniform(*SATURATION))

    def hue(x: Tensor) -> Tensor:
        return colours.adjust_hue(x, rng.uniform(-HUE, HUE))

    x = pixels
    if rng.random() < 0.5:
        x = (x + rng.uniform(-BRIGHTNESS, BRIGHTNESS)).round().clamp(0, 255).to(torch.uint8)
    order = (contrast, saturation, hue) if rng.random() < 0.5 else (saturation, hue, contrast)
    for change in order:
        if rng.random() < 0.5:
            x = change(x)
    return x
