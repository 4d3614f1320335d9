"""Folders of photos with per-pixel class masks, and how they are read.

One folder per set::

    <root>/<set>/images/<stem>.jpg      photos; .png and others too
    <root>/<set>/masks/<stem>.png       index maps of the same size, 8 or 16 bits, 255 = ignore
    <root>/<set>/classes.json           index -> plain English name; index 0 may be "background"
    <root>/<set>/validation.txt         photos kept out of training, one a line
    <root>/<set>/set.json               if there is more to say: {"exhaustive": true, "weight": 6}

Masks are of the photos upright, as their EXIF orientation says. ``set.json`` holds any of
`SegmentationSet`'s exhaustive, weight, paste and not_pasted.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from math import inf
from pathlib import Path

from errseg.datasets.files import MASK_ENDINGS, PHOTO_ENDINGS, by_stem, read_list, read_text, some
from errseg.datasets.sets import BACKGROUND_NAME, MASK_IGNORE, SegmentationSet
from errseg.errors import InputError
from errseg.words.relations import plain_name

CLASSES_FILE = "classes.json"
SET_FILE = "set.json"
LARGEST_INDEX = 65_534  # in masks of 16 bits


def load_sets(root: Path | str, names: Iterable[str] | None = None) -> list[SegmentationSet]:
    """Read the lists and classes of the sets below a folder, or of the set that it is itself.

    Those named, in this order; all, sorted by name, if none is. The photos stay on disk.

    Raises:
        InputError: A folder or file is missing or isn't as described at the top of this file.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"There is no data folder {root}.")
    if (root / CLASSES_FILE).is_file():
        root, found = root.absolute().parent, [root.absolute().name]
    else:
        found = sorted(path.parent.name for path in root.glob(f"*/{CLASSES_FILE}"))
    if not found:
        raise InputError(f"{root} holds no sets: a set is a folder with a {CLASSES_FILE} in it.")
    chosen = found if names is None else list(names)
    if unknown := [name for name in chosen if name not in found]:
        raise InputError(
            f"{root} has no set named {', '.join(unknown)}; it has {', '.join(found)}."
        )
    return [load_set(root / name) for name in chosen]


def load_set(folder: Path) -> SegmentationSet:
    """Read the lists and classes of one set; the photos stay on disk.

    Raises:
        InputError: A folder or file is missing or isn't as described at the top of this file.
    """
    classes = _read_classes(folder / CLASSES_FILE)
    if has_background := classes.get(0) == BACKGROUND_NAME:
        del classes[0]
    if not classes:
        raise InputError(f"{folder / CLASSES_FILE} names no class.")
    photos = by_stem(folder / "images", PHOTO_ENDINGS, "photos")
    masks = by_stem(folder / "masks", MASK_ENDINGS, "masks")
    if not photos:
        raise InputError(f"{folder / 'images'} holds no photos ({', '.join(PHOTO_ENDINGS)}).")
    if lonely := sorted(photos.keys() - masks.keys()):
        raise InputError(f"{folder / 'masks'} has no mask for {some(lonely)}.")
    listing = folder / "validation.txt"
    if not listing.is_file():
        raise InputError(f"The set {folder} has no validation.txt (it may be empty).")
    validation = set(read_list(listing, photos))
    return SegmentationSet(
        name=folder.resolve().name,
        folder=folder,
        files={stem: (f"images/{photos[stem]}", f"masks/{masks[stem]}") for stem in photos},
        classes=classes,
        has_background=has_background,
        training=tuple(sorted(photos.keys() - validation)),
        validation=tuple(sorted(validation)),
        may_lack_classes=not has_background,  # if 0 were the background, 255 would be no class
        **_read_description(folder / SET_FILE, tuple(classes.values())),
    )


def _read_object(
    path: Path, example: str, key: Callable = str, value: Callable = lambda value: value
) -> dict:
    text = read_text(path)
    try:
        items = json.loads(text).items()
        return {key(k): value(v) for k, v in items}
    except (ValueError, AttributeError) as error:
        raise InputError(f"{path} must hold an object like {example}.") from error


def _read_classes(path: Path) -> dict[int, str]:
    classes = _read_object(path, '{"1": "cat", "2": "dog"}', int, plain_name)
    if MASK_IGNORE in classes or not all(0 <= i <= LARGEST_INDEX for i in classes):
        raise InputError(
            f"{path}: indices lie in 0 to {LARGEST_INDEX}, and {MASK_IGNORE} means ignored."
        )
    if not all(classes.values()):
        raise InputError(f"{path} must give a name to each of its indices.")
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
