"""Folders of photos with per-pixel class masks, and how they are read.

One folder per set::

    <root>/<set>/images/<stem>.jpg      photos
    <root>/<set>/masks/<stem>.png       8-bit index maps of the same size, 255 = ignore
    <root>/<set>/classes.json           index -> plain English name; index 0 may be "background"
    <root>/<set>/validation.txt         stems kept out of training, one a line
    <root>/<set>/set.json               if there is more to say: {"exhaustive": true, "weight": 6}

``set.json`` holds any of `SegmentationSet`'s exhaustive, weight, paste and not_pasted.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from pathlib import Path

import numpy as np
from PIL import Image

from errseg.errors import InputError
from errseg.words.relations import plain_name

IGNORE, MASK_IGNORE = -1, 255  # label and mask value of a pixel that says nothing
BACKGROUND = -2
"""Label of a pixel that holds none of the names its set lists, and may hold any other."""
BACKGROUND_NAME = "background"
SET_FILE = "set.json"


@dataclass(frozen=True)
class SegmentationSet:
    """One folder of photos and masks."""

    name: str  # the folder's
    folder: Path
    classes: dict[int, str]  # mask index -> plain English name, in index order, no background
    has_background: bool  # whether index 0 means "none of the classes"
    training: tuple[str, ...]  # stems of photos, sorted
    validation: tuple[str, ...]  # the same
    exhaustive: bool = False  # whether every pixel has one of the classes (or is ignored)
    weight: float = 1.0  # how often training draws a crop of it, relative to the other sets
    paste: bool = False  # whether training may paste its things, cut out whole, onto other photos
    not_pasted: tuple[str, ...] = ()  # names that it may not: masks without what stands on them

    @property
    def class_names(self) -> tuple[str, ...]:
        """The set's vocabulary, in index order, without the background."""
        return tuple(self.classes.values())

    @property
    def mirrors(self) -> bool:
        """Whether a mirrored photo keeps its labels (no class is a left or right one)."""
        return {"left", "right"}.isdisjoint(" ".join(self.class_names).split())

    def image_path(self, stem: str) -> Path:
        """Return where a photo is."""
        return self.folder / "images" / f"{stem}.jpg"

    def mask_path(self, stem: str) -> Path:
        """Return where a photo's mask is."""
        return self.folder / "masks" / f"{stem}.png"


def load_sets(root: Path | str, names: Iterable[str] | None = None) -> list[SegmentationSet]:
    """Read the lists and classes of the sets below a folder; the photos stay on disk.

    Those named, in this order; all, sorted by name, if none is.

    Raises:
        InputError: A folder or file is missing or isn't as described at the top of this file.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"There is no data folder {root}.")
    found = sorted(path.parent.name for path in root.glob("*/classes.json"))
    if not found:
        raise InputError(f"{root} holds no sets: a set is a folder with a classes.json in it.")
    chosen = found if names is None else list(names)
    if unknown := [name for name in chosen if name not in found]:
        raise InputError(
            f"{root} has no set named {', '.join(unknown)}; it has {', '.join(found)}."
        )
    return [_load_set(root / name) for name in chosen]


def _load_set(folder: Path) -> SegmentationSet:
    classes = _read_classes(folder / "classes.json")
    if has_background := classes.get(0) == BACKGROUND_NAME:
        del classes[0]
    for part in ("images", "masks"):
        if not (folder / part).is_dir():
            raise InputError(f"The set {folder} has no folder {part}.")
    stems = {path.stem for path in (folder / "images").glob("*.jpg")}
    masks = {path.stem for path in (folder / "masks").glob("*.png")}
    if not stems:
        raise InputError(f"{folder / 'images'} holds no .jpg photos.")
    if lonely := sorted(stems - masks):
        raise InputError(f"{folder / 'masks'} has no mask for {_some(lonely)}.")
    listing = folder / "validation.txt"
    if not listing.is_file():
        raise InputError(f"The set {folder} has no validation.txt (it may be empty).")
    validation = {line.strip() for line in listing.read_text(encoding="utf-8").splitlines()} - {""}
    if missing := sorted(validation - stems):
        raise InputError(f"{listing} lists {_some(missing)}, which {folder / 'images'} hasn't.")
    return SegmentationSet(
        name=folder.name,
        folder=folder,
        classes=classes,
        has_background=has_background,
        training=tuple(sorted(stems - validation)),
        validation=tuple(sorted(validation)),
        **_read_description(folder / SET_FILE, tuple(classes.values())),
    )


def _some(names: Sequence[str], shown: int = 3) -> str:
    more = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {more} more" if more > 0 else "")


def _read_object(
    path: Path, example: str, key: Callable = str, value: Callable = lambda value: value
) -> dict:
    try:
        items = json.loads(path.read_text(encoding="utf-8")).items()
        return {key(k): value(v) for k, v in items}
    except (ValueError, AttributeError) as error:
        raise InputError(f"{path} must hold an object like {example}.") from error


def _read_classes(path: Path) -> dict[int, str]:
    classes = _read_object(path, '{"1": "cat", "2": "dog"}', int, plain_name)
    if not all(0 <= index < MASK_IGNORE and name for index, name in classes.items()):
        raise InputError(f"{path} must give a name to each of its indices, which lie in 0 to 254.")
    if len(set(classes.values())) < len(classes):
        raise InputError(f"{path} gives the same name to two indices.")
    if any(name == BACKGROUND_NAME and index for index, name in classes.items()):
        raise InputError(f"{path}: '{BACKGROUND_NAME}' can only be index 0.")
    return dict(sorted(classes.items()))


def _read_description(path: Path, class_names: Sequence[str]) -> dict[str, object]:
    """Read what a set.json says of its set: fields of `SegmentationSet`, none without the file."""
    if not path.is_file():
        return {}

    def are_classes(value: object) -> bool:
        return isinstance(value, list) and all(plain_name(str(v)) in class_names for v in value)

    flag = (lambda value: isinstance(value, bool), "true or false")
    allowed = {
        "exhaustive": flag,
        "weight": (lambda w: type(w) in (int, float) and 0 <= w < inf, "a number from 0"),
        "paste": flag,
        "not_pasted": (are_classes, "a list of names that its classes.json has"),
    }
    described = _read_object(path, '{"exhaustive": true}')
    for key, value in described.items():
        if key not in allowed:
            raise InputError(f"{path} has an unknown key '{key}'; known are {', '.join(allowed)}.")
        fits, right = allowed[key]
        if not fits(value):
            raise InputError(f"{path}: '{key}' must be {right}, not {json.dumps(value)}.")
    return {**described, "not_pasted": tuple(map(plain_name, described.get("not_pasted", ())))}


@contextmanager
def open_image(path: Path) -> Iterator[Image.Image]:
    """Open an image file for a `with` block that decodes it; `InputError` if that fails."""
    try:
        with Image.open(path) as image:
            yield image
    except OSError as error:
        raise InputError(f"{path} can't be read as an image.") from error


def open_mask(sample_set: SegmentationSet, stem: str) -> Image.Image:
    """Read a mask as stored, one 8-bit class index a pixel; `InputError` if it is none."""
    path = sample_set.mask_path(stem)
    with open_image(path) as mask:
        if mask.mode not in ("L", "P"):
            raise InputError(f"{path} must be an 8-bit index map, but its mode is {mask.mode}.")
        return mask.copy()


def samples(
    sample_set: SegmentationSet, stems: Iterable[str]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Read photos of a set whole, those with some stems, in their order.

    Yields:
        image (H, W, 3) uint8 RGB, and label (H, W) int64: places in `sample_set.class_names`, -1
        where the pixel is background or ignored, which doesn't count.

    Raises:
        InputError: A photo or mask can't be read or their sizes differ.
    """
    places = np.full(MASK_IGNORE + 1, IGNORE, dtype=np.int64)
    places[list(sample_set.classes)] = np.arange(len(sample_set.classes))
    for stem in stems:
        mask = open_mask(sample_set, stem)
        with open_image(sample_set.image_path(stem)) as photo:
            image = np.array(photo.convert("RGB"))
        if image.shape[:2] != (mask.height, mask.width):
            raise InputError(
                f"{sample_set.image_path(stem)} is {photo.size}, but its mask is {mask.size}."
            )
        yield image, places[np.asarray(mask)]
