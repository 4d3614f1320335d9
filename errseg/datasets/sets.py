"""A set of photos with per-pixel class masks, whatever its layout, and how its photos are read."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from errseg.datasets.files import BYTE, open_image, read_index_mask, some
from errseg.errors import InputError
from errseg.upright import upright_rgb
from errseg.words.vocabulary import ClassPrompt, Vocabulary, parse_classes

IGNORE, MASK_IGNORE = -1, 255  # label and mask value of a pixel that says nothing
BACKGROUND = -2
"""Label of a pixel that holds none of the names its set lists, and may hold any other."""
BACKGROUND_NAME = "background"
BLACK_AND_WHITE = (0, 255)


@dataclass(frozen=True)
class SegmentationSet:
    """Photos with masks, and what the masks' values mean."""

    name: str
    folder: Path
    files: Mapping[str, tuple[str, str]]  # stem -> its photo and its mask, from the folder on
    classes: dict[int, str]  # mask value -> plain English name, in class order, no background
    has_background: bool  # whether value 0 means "none of the classes"
    training: tuple[str, ...]  # stems of photos, sorted
    validation: tuple[str, ...]  # the same
    exhaustive: bool = False  # whether every pixel has one of the classes (or is ignored)
    weight: float = 1.0  # how often training draws a crop of it, relative to the other sets
    paste: bool = False  # whether training may paste its things, cut out whole, onto other photos
    not_pasted: tuple[str, ...] = ()  # names that it may not: masks without what stands on them
    ignored: frozenset[int] = frozenset({MASK_IGNORE})  # mask values that say nothing
    read_mask: Callable[[Path], Image.Image] = read_index_mask  # as `mask_image` has them
    kept_classes: int | None = None  # the P that the paper takes for this benchmark (Table XIII)
    published_names: tuple[str, ...] = ()  # a benchmark's own spelling of its T class names
    # Whether a mask of 0 and 255 alone is one without classes; else it's taken for black and white.
    may_lack_classes: bool = True

    @property
    def class_names(self) -> tuple[str, ...]:
        """The set's vocabulary, in class order, without the background; all T are different."""
        return tuple(self.classes.values())

    @property
    def mirrors(self) -> bool:
        """Whether a mirrored photo keeps its labels (no class is a left or right one)."""
        return {"left", "right"}.isdisjoint(" ".join(self.class_names).split())

    def image_path(self, stem: str) -> Path:
        """Return where a photo is."""
        return self.folder / self.files[stem][0]

    def mask_path(self, stem: str) -> Path:
        """Return where a photo's mask is."""
        return self.folder / self.files[stem][1]

    def vocabulary(self, published_spelling: bool = False) -> Vocabulary:
        """Return the set's T classes as a model is asked for them, in class order.

        Args:
            published_spelling: ask a benchmark's classes as the published models were asked:
                `diningtable` for `dining table`, and the first of a class's synonyms even where it
                is another class's too (in ADE20K 847 two are a `bag`).

        Raises:
            InputError: two names are one and the same word to a model.
        """
        if published_spelling and self.published_names:
            return Vocabulary(tuple(ClassPrompt(n, (n,)) for n in self.published_names))
        vocabulary = parse_classes(self.class_names)
        if len(vocabulary) != len(self.classes):
            raise InputError(f"{self.folder} has classes that can't be told apart by their names.")
        return vocabulary

    def table(self, labels: Sequence[int] | np.ndarray, background: int = IGNORE) -> np.ndarray:
        """Return the label of each value that a mask of the set may hold, int64.

        Args:
            labels: of the T classes.
            background: the label of a background's pixels. Ignored ones get `IGNORE`.
        """
        table = np.full(len(self._known), IGNORE, dtype=np.int64)
        table[list(self.classes)] = labels
        if self.has_background:
            table[0] = background
        return table

    @cached_property
    def _known(self) -> np.ndarray:
        """Whether each value up to the largest possible means something, (256 or more,) bool."""
        values = [*self.classes, *self.ignored, *([0] if self.has_background else ())]
        known = np.zeros(max(BYTE, 1 + max(values)), dtype=bool)
        known[values] = True
        return known

    @cached_property
    def _known_bytes(self) -> bytes:
        return bytes(np.flatnonzero(self._known[:BYTE]).tolist())

    def check_mask(self, mask: Image.Image, path: Path) -> None:
        """Refuse a mask, as `mask_image` makes it, with values that mean nothing.

        Args:
            mask: values, one a pixel.
            path: where they are from.

        Raises:
            InputError: the mask holds such values, or is black and white.
        """
        if mask.mode == "L":  # deleting bytes is the fastest way to see that none is strange
            pixels = mask.tobytes()
            named = self.may_lack_classes or pixels.translate(None, bytes(BLACK_AND_WHITE))
            if named and not pixels.translate(None, self._known_bytes):
                return
        counts = np.bincount(np.asarray(mask).ravel())
        values = np.flatnonzero(counts)
        inside = values[values < len(self._known)]
        unknown = values[len(inside) :].tolist() + inside[~self._known[inside]].tolist()
        if tuple(values.tolist()) == BLACK_AND_WHITE and (unknown or not self.may_lack_classes):
            raise InputError(
                f"{path} holds only 0 and 255 and looks like a black-and-white mask; masks hold "
                f"class indices, here {some([f'{v} for {n}' for v, n in self.classes.items()])}."
            )
        if unknown:
            value = min(unknown)
            raise InputError(
                f"{path} holds the value {value}, for which {self.name} has no name and which it "
                f"doesn't ignore ({counts[value]:,} pixels)."
            )


def open_mask(sample_set: SegmentationSet, stem: str) -> Image.Image:
    """Read a photo's mask.

    Returns:
        An image of mask values: mode "L" where they fit 8 bits, else "I".

    Raises:
        InputError: the mask can't be read, or holds values that the set neither names nor ignores.
    """
    path = sample_set.mask_path(stem)
    mask = sample_set.read_mask(path)
    sample_set.check_mask(mask, path)
    return mask


def samples(
    sample_set: SegmentationSet, stems: Iterable[str]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Read photos of a set whole, those with some stems, in their order.

    Yields:
        image (H, W, 3) uint8 RGB, upright, and label (H, W) int64: places in
        `sample_set.class_names`, -1 where the pixel is background or ignored, which doesn't count.

    Raises:
        InputError: A photo or mask can't be read or their sizes differ.
    """
    places = sample_set.table(range(len(sample_set.classes)))
    for stem in stems:
        mask = open_mask(sample_set, stem)
        path = sample_set.image_path(stem)
        with open_image(path) as opened:
            photo = upright_rgb(opened)
        check_sizes(path, photo.size, mask.size)
        yield np.array(photo), places[np.asarray(mask)]


def at_even_distances(stems: Sequence[str], photos: int) -> list[str]:
    """Choose so many photos of a list, or all if there are fewer, at even distances."""
    count = min(photos, len(stems))
    return [stems[len(stems) * place // count] for place in range(count)]


def check_sizes(path: Path, photo: tuple[int, int], mask: tuple[int, int]) -> None:
    """Refuse a photo whose size (W, H), upright, isn't its mask's with an `InputError`."""
    if photo != mask:
        raise InputError(
            f"{path} is {photo[0]} x {photo[1]} pixels upright, but its mask is "
            f"{mask[0]} x {mask[1]}."
        )


def with_photos(sets: Sequence[SegmentationSet], part: str) -> list[SegmentationSet]:
    """Return the sets that have photos in a part, "training" or "validation".

    Raises:
        InputError: none has.
    """
    found = [s for s in sets if getattr(s, part)]
    if not found:
        raise InputError(
            f"None of the chosen sets ({some([s.name for s in sets])}) has photos for {part}."
        )
    return found
