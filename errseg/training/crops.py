"""Training crops of photos with per-pixel class masks.

`CropDataset` draws them from sets of photos; `LabelSpace.targets` turns a crop's
labels into what the crop teaches about any class names.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.utils.data import Dataset

from errseg.datasets.files import open_image
from errseg.datasets.sets import IGNORE, SegmentationSet, check_sizes, open_mask
from errseg.errors import InputError
from errseg.training.config import LiteRecipe
from errseg.training.label_space import LabelSpace, Sample
from errseg.training.mixing import mix_classes
from errseg.upright import upright_rgb, upright_size
from errseg.words.relations import with_synonyms

SET_STREAM = 1  # tells the random numbers that draw a set from those that draw a crop
SEARCH_STEP = 4  # a quarter of a mask's resolution finds all but the tiniest regions
SHOWN_LEAST = 0.002  # least share of a photo that a class covers for the photo to show it
# Luma and two colour axes (YIQ, ITU-R BT.470): hue turns the two, saturation stretches them.
TO_YIQ = ((0.299, 0.587, 0.114), (0.596, -0.274, -0.322), (0.211, -0.523, 0.312))


@dataclass(frozen=True)
class Augmentation:
    """How a training crop is varied; probabilities and half-widths of uniform ranges."""

    squeeze: float = 0.15  # take the whole photo, whatever its aspect, instead of a crop
    around_class: float = 0.8  # centre the crop near a labelled pixel of a random class
    flip: float = 0.5
    jitter: float = 0.8
    brightness: float = 0.3
    contrast: float = 0.3
    saturation: float = 0.4
    hue: float = 0.05  # of a full turn
    pasted_side: tuple[float, float] = (0.35, 0.9)  # longest side of a pasted object over the crop
    pasted_least: float = 0.01  # least share of its own photo that a pasted object covers


def collate(samples: Sequence[Sample]) -> tuple[Tensor, list[Sample]]:
    """Join samples to images (B, 3, S, S) uint8, and themselves with images that are views."""
    images = torch.stack([sample.image for sample in samples])
    return images, [replace(s, image=image) for s, image in zip(samples, images, strict=True)]


class CropDataset(Dataset[Sample]):
    """Random square crops of the training photos, each a function of the seed and its index.

    The same seed and index give the same crop in any process and any order, so training resumes
    by starting at the index where it stopped. Crops are drawn with replacement, as many as the
    run takes.

    Args:
        sets: What to draw from, each as often as its weight says.
        recipe: The run's settings. Pixels labelled with a name held out, or a synonym, are
            ignored, and its absence isn't told.
        augmentation: How crops are varied.

    Raises:
        InputError: No set has training photos and a weight above 0, or no name is left.
    """

    def __init__(
        self,
        sets: Sequence[SegmentationSet],
        recipe: LiteRecipe,
        augmentation: Augmentation | None = None,
    ) -> None:
        self.sets, self.config, self.run = tuple(sets), recipe.data, recipe.run
        self.augmentation = augmentation or Augmentation()
        self.space = LabelSpace(self.sets)  # of the sets' names
        weights = np.array([s.weight if s.training else 0.0 for s in self.sets])
        if not weights.any():
            raise InputError("None of the chosen sets has training photos and a weight above 0.")
        self._probability = weights / weights.sum()
        hidden = with_synonyms(recipe.data.held_out)
        if hidden.issuperset(self.space.names):
            named = ", ".join(self.space.names) or "nothing"
            raise InputError(
                f"No class is left to train on: all that the sets name ({named}) is held out."
            )
        self._listed = [frozenset(s.class_names) - hidden for s in self.sets]
        ignored = [place for name, place in self.space.index.items() if name in hidden]
        tables = [self.space.lookup(s) for s in self.sets]
        self._lookup = [np.where(np.isin(table, ignored), IGNORE, table) for table in tables]

    def __len__(self) -> int:
        return self.run.steps * self.run.batch

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < len(self):
            raise IndexError(index)
        config = self.config
        rng = np.random.default_rng((self.run.seed, index))
        row = np.random.default_rng((self.run.seed, index // config.same_set, SET_STREAM))
        set_index = row.choice(len(self.sets), p=self._probability)
        image, label = self._crop(rng, set_index)
        exhaustive = self.sets[set_index].exhaustive
        # Of one set, for its names exclude each other.
        if exhaustive and config.mix and rng.random() < config.mix:
            mix_classes(rng, image, label, *self._crop(rng, set_index))
        if exhaustive and self._paste_from and rng.random() < config.copy_paste:
            self._paste(rng, image, label)
        if rng.random() < self.augmentation.jitter:
            image = _jitter(rng, image, self.augmentation)
        return Sample(
            image=torch.from_numpy(np.array(image).transpose(2, 0, 1).copy()),
            label=torch.from_numpy(label),
            listed=self._listed[set_index],
        )

    @cached_property
    def _paste_from(self) -> list[tuple[int, str]]:
        return [(i, stem) for i, s in enumerate(self.sets) if s.paste for stem in s.training]

    @cached_property
    def _showing(self) -> list[dict[int, list[str]]]:
        """Each set's labels, and the stems of the training photos that show enough of one."""
        showing = [defaultdict(list) for _ in self.sets]
        for sample_set, table, stems in zip(self.sets, self._lookup, showing, strict=True):
            for stem in sample_set.training:
                values = np.asarray(open_mask(sample_set, stem))[::SEARCH_STEP, ::SEARCH_STEP]
                counts = np.bincount(values.ravel(), minlength=len(table))
                for label in table[counts >= SHOWN_LEAST * values.size].tolist():
                    if label >= 0:
                        stems[label].append(stem)
        return showing

    def _draw_photo(self, rng: np.random.Generator, set_index: int) -> tuple[str, int | None]:
        """Return a photo's stem, and the label that it was drawn for if one was drawn first."""
        stems, label, balance = self.sets[set_index].training, None, self.config.balance
        if balance and rng.random() < balance and (showing := self._showing[set_index]):
            # The square root: between as often as it occurs and as often as any other.
            often = np.sqrt([len(stems) for stems in showing.values()])
            label = list(showing)[rng.choice(len(often), p=often / often.sum())]
            stems = showing[label]
        return stems[rng.integers(len(stems))], label

    def _crop(self, rng: np.random.Generator, set_index: int) -> tuple[Image.Image, np.ndarray]:
        """Return one RGB crop and its label (S, S) int64."""
        sample_set, vary, size = self.sets[set_index], self.augmentation, self.config.crop
        stem, wanted = self._draw_photo(rng, set_index)
        mask = open_mask(sample_set, stem)
        width, height = mask.size
        if rng.random() < vary.squeeze:
            box = (0.0, 0.0, float(width), float(height))
        else:
            side = min(width, height) / np.exp(rng.uniform(0, np.log(self.config.zoom)))
            x, y = rng.uniform(0, width - side), rng.uniform(0, height - side)
            if rng.random() < vary.around_class:
                label = self._lookup[set_index][np.asarray(mask)[::SEARCH_STEP, ::SEARCH_STEP]]
                if centre := _labelled_pixel(rng, label, wanted):
                    # Anywhere that keeps the pixel in the middle half of the crop.
                    corner = SEARCH_STEP * np.array(centre) - rng.uniform(0.25, 0.75, 2) * side
                    x, y = corner.clip(0, (width - side, height - side)).tolist()
            box = (x, y, x + side, y + side)
        image = _open_photo(sample_set.image_path(stem), mask.size, box, size)
        values = mask.resize((size, size), Image.Resampling.NEAREST, box=box)
        if sample_set.mirrors and rng.random() < vary.flip:
            image, values = ImageOps.mirror(image), ImageOps.mirror(values)
        return image, self._lookup[set_index][np.asarray(values)]

    def _paste(self, rng: np.random.Generator, image: Image.Image, label: np.ndarray) -> None:
        """Paste one random object onto a crop and into its label; none if none suits."""
        vary, size = self.augmentation, self.config.crop
        set_index, stem = self._paste_from[rng.integers(len(self._paste_from))]
        source = self.sets[set_index]
        labels = self._lookup[set_index][np.asarray(open_mask(source, stem))]
        found, counts = np.unique(labels[labels >= 0], return_counts=True)
        large = found[counts >= vary.pasted_least * labels.size].tolist()
        suits = [name for name in large if self.space.names[name] not in source.not_pasted]
        if not suits:
            return
        name = suits[rng.integers(len(suits))]
        cutout = Image.fromarray((labels == name).astype(np.uint8) * 255)
        box = cutout.getbbox()
        sides = np.array([box[2] - box[0], box[3] - box[1]])
        sides = sides * (rng.uniform(*vary.pasted_side) * size / sides.max())
        width, height = np.maximum(1, sides.round().astype(int)).tolist()
        path = source.image_path(stem)
        with open_image(path) as photo:
            pasted = upright_rgb(photo)
        check_sizes(path, pasted.size, cutout.size)
        parts = [
            x.resize((width, height), Image.Resampling.BILINEAR, box) for x in (pasted, cutout)
        ]
        if source.mirrors and rng.random() < vary.flip:
            parts = map(ImageOps.mirror, parts)
        pasted, alpha = parts
        x, y = int(rng.integers(0, size - width + 1)), int(rng.integers(0, size - height + 1))
        image.paste(pasted, (x, y), alpha)
        label[y : y + height, x : x + width][np.asarray(alpha) >= 128] = name


def _labelled_pixel(
    rng: np.random.Generator, label: np.ndarray, wanted: int | None
) -> tuple[int, int] | None:
    """Return (x, y) of a random pixel of a label (H, W), of any one if none is wanted, or None."""
    present = np.unique(label[label >= 0])
    if not present.size:
        return None
    chosen = present[rng.integers(present.size)] if wanted is None else wanted
    places = np.argwhere(label == chosen)
    return tuple(places[rng.integers(len(places))][::-1])


def _open_photo(
    path: Path, mask_size: tuple[int, int], box: tuple[float, float, float, float], size: int
) -> Image.Image:
    """Return the part of a photo within `box` (in mask pixels) as a square RGB image."""
    with open_image(path) as photo:
        check_sizes(path, upright_size(photo), mask_size)
        # A JPEG decodes faster at 1/2, 1/4 or 1/8, where that's still at least the size needed.
        needed = size / min(box[2] - box[0], box[3] - box[1])
        if needed <= 0.5:
            # It's asked for as it is stored, before it is turned.
            photo.draft("RGB", (int(photo.width * needed), int(photo.height * needed)))
        upright = upright_rgb(photo)
    across, down = upright.width / mask_size[0], upright.height / mask_size[1]
    scaled = (box[0] * across, box[1] * down, box[2] * across, box[3] * down)
    return upright.resize((size, size), Image.Resampling.BILINEAR, box=scaled, reducing_gap=2.0)


def _jitter(rng: np.random.Generator, image: Image.Image, vary: Augmentation) -> Image.Image:
    """Vary brightness, contrast, saturation and hue, all in one affine map of the colours."""
    brightness, contrast, saturation = (
        1 + rng.uniform(-width, width)
        for width in (vary.brightness, vary.contrast, vary.saturation)
    )
    turn = 2 * np.pi * rng.uniform(-vary.hue, vary.hue)
    cosine, sine = saturation * np.cos(turn), saturation * np.sin(turn)
    chroma = np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]])
    colours = brightness * contrast * np.linalg.inv(TO_YIQ) @ chroma @ TO_YIQ
    offset = np.full((3, 1), 127.5 * (1 - contrast))
    return image.convert("RGB", np.hstack([colours, offset]).ravel().tolist())
