"""Training crops of photos with per-pixel class masks.

`CropDataset` draws them from the sets that `load_sets` finds; `LabelSpace.targets` turns a crop's
labels into what the crop teaches about any class names.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from errseg.datasets.folders import IGNORE, SegmentationSet, open_image, open_mask
from errseg.errors import InputError
from errseg.training.augmentation import Augmentation, jitter
from errseg.training.label_space import LabelSpace, Sample
from errseg.words.relations import synonyms

# How often each set is drawn, relative to the others: sets with many names and whole scenes most,
# sets with one object a photo little.
SET_WEIGHTS: dict[str, float] = {
    "coco_stuff": 6.0,
    "coco_panoptic": 5.0,
    "pseudo_labels": 5.0,
    "voc2012": 4.0,
    "msrc": 2.5,
    "coco_things": 2.5,
    "ccp": 1.2,
    "camvid": 7.0,
    "animals4": 0.6,
    "animals6": 0.6,
    "animals7": 0.6,
    "furniture": 0.5,
    "facades": 0.4,
    "foodtray": 0.4,
    "pennfudan": 0.4,
    "carparts": 0.3,
    "horses": 0.3,
    "dishes": 0.2,
    "feralcats": 0.2,
    "fss_sample": 0.1,
}
DEFAULT_SET_WEIGHT = 1.0

# Sets with cut-out whole objects that can stand in another photo, and the names among them that
# look wrong there: their masks leave out what stands on them.
PASTE_SETS = frozenset(
    {
        "voc2012",
        "animals4",
        "animals6",
        "animals7",
        "horses",
        "feralcats",
        "pennfudan",
        "fss_sample",
    }
)
NOT_PASTED = frozenset({"dining table", "tv monitor", "sofa", "train"})

SET_STREAM = 1  # tells the random numbers that draw a set from those that draw a crop
LOOK_STEP = 4  # a quarter of a mask's resolution finds all but the tiniest regions
SHOWN_LEAST = 0.002  # least share of a photo that a class covers for the photo to show it


def collate(samples: Sequence[Sample]) -> tuple[Tensor, list[Sample]]:
    """Join samples to a batch for a `DataLoader`.

    Returns:
        images (B, 3, S, S) uint8, and the samples, whose images are views of the batch.
    """
    images = torch.stack([sample.image for sample in samples])
    return images, [replace(s, image=image) for s, image in zip(samples, images, strict=True)]


class CropDataset(Dataset[Sample]):
    """Random square crops of the training photos, each a function of the seed and its index.

    The same seed and index give the same crop in any process and any order, so training resumes
    by starting at the index where it stopped. Crops are drawn with replacement: `length` only
    bounds the indices.

    Attributes:
        sets: The sets; `Sample.set_index` counts in them.
        space: The label space of their names.
    """

    def __init__(
        self,
        sets: Sequence[SegmentationSet],
        size: int,
        seed: int,
        weights: dict[str, float] | None = None,
        *,
        copy_paste: float = 0.0,
        balance: float = 0.0,
        same_set: int = 1,
        held_out: Iterable[str] = (),
        augmentation: Augmentation | None = None,
        length: int = 100_000_000,
    ) -> None:
        """Prepare the tables; reads no photo.

        Args:
            sets: What to draw from.
            size: Side of the crops in pixels, S.
            seed: Any non-negative integer.
            weights: Set name -> how often to draw it, relative to the others; `SET_WEIGHTS` if
                None. Sets without an entry get 1.
            copy_paste: Probability of pasting an object of `PASTE_SETS` onto a crop of a set that
                labels every pixel.
            balance: Share of the crops for which a class of the set is drawn first, then a photo
                that shows it, so that rare classes are seen.
            same_set: Crops in a row (by index) that come from one set.
            held_out: Names to keep out of training: pixels labelled with one, or a synonym, are
                ignored, and its absence isn't told.
            augmentation: How crops are varied.
            length: How many indices there are.

        Raises:
            InputError: No set has training photos and a weight above 0.
        """
        self.sets = tuple(sets)
        self.size = size
        self.seed = seed
        self.copy_paste = copy_paste
        self.balance = balance
        self.same_set = same_set
        self.augmentation = augmentation or Augmentation()
        self.length = length
        self.space = LabelSpace(self.sets)
        given = SET_WEIGHTS if weights is None else weights
        drawn = [given.get(s.name, DEFAULT_SET_WEIGHT) if s.training else 0.0 for s in self.sets]
        if not sum(drawn) > 0:
            raise InputError("None of the chosen sets has training photos and a weight above 0.")
        self._probability = np.array(drawn) / sum(drawn)
        hidden = {other for name in held_out for other in synonyms(name)}
        hidden_labels = [i for name, i in self.space.index.items() if name in hidden]
        self._lookup = [self.space.lookup(s) for s in self.sets]
        self._listed = [self.space.listed(s) for s in self.sets]
        for table, listed in zip(self._lookup, self._listed, strict=True):
            table[np.isin(table, hidden_labels)] = IGNORE
            listed[hidden_labels] = False

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < self.length:
            raise IndexError(index)
        rng = np.random.default_rng((self.seed, index))
        row = np.random.default_rng((self.seed, index // self.same_set, SET_STREAM))
        set_index = int(row.choice(len(self.sets), p=self._probability))
        sample_set = self.sets[set_index]
        image, label = self._crop(rng, set_index)
        if sample_set.exhaustive and self._paste_from and rng.random() < self.copy_paste:
            image, label = self._paste(rng, image, label)
        if rng.random() < self.augmentation.jitter:
            image = jitter(rng, image, self.augmentation)
        return Sample(
            image=torch.from_numpy(np.array(image).transpose(2, 0, 1).copy()),
            label=torch.from_numpy(label),
            set_index=set_index,
            listed=self._listed[set_index],
            exhaustive=sample_set.exhaustive,
        )

    @cached_property
    def _paste_from(self) -> list[tuple[int, str]]:
        return [
            (i, stem)
            for i, s in enumerate(self.sets)
            if s.name in PASTE_SETS
            for stem in s.training
        ]

    @cached_property
    def _showing(self) -> list[dict[int, list[str]]]:
        """Each set's labels, and the stems of the training photos that show enough of one."""
        showing = []
        for sample_set, table in zip(self.sets, self._lookup, strict=True):
            stems: dict[int, list[str]] = {}
            for stem in sample_set.training:
                values = np.asarray(open_mask(sample_set, stem))[::LOOK_STEP, ::LOOK_STEP]
                counts = np.bincount(values.ravel(), minlength=len(table))
                for value in np.flatnonzero(counts >= SHOWN_LEAST * values.size):
                    if table[value] >= 0:
                        stems.setdefault(int(table[value]), []).append(stem)
            showing.append(stems)
        return showing

    def _draw_photo(self, rng: np.random.Generator, set_index: int) -> tuple[str, int | None]:
        """Return a photo's stem, and the label that it was drawn for if one was drawn first."""
        training = self.sets[set_index].training
        if self.balance and rng.random() < self.balance and self._showing[set_index]:
            showing = self._showing[set_index]
            # The square root: between as often as it occurs and as often as any other.
            often = np.sqrt([len(stems) for stems in showing.values()])
            label = list(showing)[rng.choice(len(often), p=often / often.sum())]
            return showing[label][rng.integers(len(showing[label]))], label
        return training[rng.integers(len(training))], None

    def _crop(self, rng: np.random.Generator, set_index: int) -> tuple[Image.Image, np.ndarray]:
        """Return one RGB crop and its label (S, S) int64."""
        sample_set, vary, size = self.sets[set_index], self.augmentation, self.size
        stem, wanted = self._draw_photo(rng, set_index)
        mask = open_mask(sample_set, stem)
        width, height = mask.size
        if rng.random() < vary.squeeze:
            box = (0.0, 0.0, float(width), float(height))
        else:
            side = min(width, height) / np.exp(rng.uniform(*np.log(vary.zoom)))
            x, y = rng.uniform(0, width - side), rng.uniform(0, height - side)
            if rng.random() < vary.around_class:
                centre = self._labelled_pixel(rng, np.asarray(mask), set_index, wanted)
                if centre is not None:
                    # Anywhere that keeps the pixel in the middle half of the crop.
                    offset = rng.uniform(0.25, 0.75, size=2) * side
                    x = float(np.clip(centre[0] - offset[0], 0, width - side))
                    y = float(np.clip(centre[1] - offset[1], 0, height - side))
            box = (x, y, x + side, y + side)
        image = _open_photo(sample_set, stem, mask.size, box, size)
        values = mask.resize((size, size), Image.Resampling.NEAREST, box=box)
        if sample_set.mirrors and rng.random() < vary.flip:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
            values = values.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return image, self._lookup[set_index][np.asarray(values)]

    def _labelled_pixel(
        self,
        rng: np.random.Generator,
        values: np.ndarray,
        set_index: int,
        wanted: int | None,
    ) -> tuple[int, int] | None:
        """Return (x, y) of a random pixel of a label, a random one if none is wanted, or None."""
        label = self._lookup[set_index][values[::LOOK_STEP, ::LOOK_STEP]]
        present = np.unique(label[label >= 0])
        if not present.size:
            return None
        chosen = present[rng.integers(present.size)] if wanted is None else wanted
        places = np.flatnonzero(label == chosen)
        row, column = divmod(int(places[rng.integers(places.size)]), label.shape[1])
        return column * LOOK_STEP, row * LOOK_STEP

    def _paste(
        self, rng: np.random.Generator, image: Image.Image, label: np.ndarray
    ) -> tuple[Image.Image, np.ndarray]:
        """Paste one random object onto a crop; returns the crop as it is if none suits."""
        vary, size = self.augmentation, self.size
        set_index, stem = self._paste_from[rng.integers(len(self._paste_from))]
        source = self.sets[set_index]
        mask = open_mask(source, stem)
        labels = self._lookup[set_index][np.asarray(mask)]
        found, counts = np.unique(labels[labels >= 0], return_counts=True)
        suits = [
            int(name)
            for name, count in zip(found, counts, strict=True)
            if count >= vary.pasted_least * labels.size and self.space.names[name] not in NOT_PASTED
        ]
        if not suits:
            return image, label
        name = suits[rng.integers(len(suits))]
        cutout = Image.fromarray((labels == name).astype(np.uint8) * 255)
        box = cutout.getbbox()
        sides = np.array([box[2] - box[0], box[3] - box[1]])
        sides = sides * (rng.uniform(*vary.pasted_side) * size / sides.max())
        width, height = np.maximum(1, sides.round().astype(int)).tolist()
        bilinear = Image.Resampling.BILINEAR
        alpha = cutout.resize((width, height), bilinear, box=box)
        with open_image(source.image_path(stem)) as photo:
            pasted = photo.convert("RGB").resize((width, height), bilinear, box=box)
        if source.mirrors and rng.random() < vary.flip:
            pasted = pasted.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
            alpha = alpha.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        x = int(rng.integers(0, size - width + 1))
        y = int(rng.integers(0, size - height + 1))
        image, label = image.copy(), label.copy()
        image.paste(pasted, (x, y), alpha)
        label[y : y + height, x : x + width][np.asarray(alpha) >= 128] = name
        return image, label


def _open_photo(
    sample_set: SegmentationSet,
    stem: str,
    mask_size: tuple[int, int],
    box: tuple[float, float, float, float],
    size: int,
) -> Image.Image:
    """Return the part of a photo within `box` (in mask pixels) as a square RGB image."""
    path = sample_set.image_path(stem)
    with open_image(path) as photo:
        if photo.size != mask_size:
            raise InputError(f"{path} is {photo.size}, but its mask is {mask_size}.")
        # A JPEG decodes faster at 1/2, 1/4 or 1/8, where that's still at least the size needed.
        needed = size / min(box[2] - box[0], box[3] - box[1])
        if needed <= 0.5:
            photo.draft("RGB", (int(mask_size[0] * needed), int(mask_size[1] * needed)))
        across, down = photo.width / mask_size[0], photo.height / mask_size[1]
        scaled = (box[0] * across, box[1] * down, box[2] * across, box[3] * down)
        return photo.convert("RGB").resize(
            (size, size), Image.Resampling.BILINEAR, box=scaled, reducing_gap=2.0
        )
