"""ADE20K: scenes, with 150 classes as in its challenge of 2016, or the 847 of its full list.

::

    ADEChallengeData2016/{images,annotations}/{training,validation}    values 1 to 150, 0 ignored
    ADE20K_2021_17_01/images/ADE/{training,validation}/**/X.jpg        X_seg.png beside it

In the full set's masks red and green hold the id of a class in a list of thousands, of which 847
count and the others are ignored. The published figures are of photos and masks whose shorter side
is 512 px at most, which MaskFormer's preparation writes to ``images_detectron2`` and
``annotations_detectron2``; those are read where they are, else the photos as they come.
"""

import os
from pathlib import Path

import numpy as np
from PIL import Image

from errseg.datasets.files import by_stem, mask_image, open_image
from errseg.datasets.layouts import Benchmark, Files, read_values
from errseg.datasets.sets import SegmentationSet
from errseg.errors import InputError

ADE150 = Benchmark(
    name="ade150",
    title="ADE20K-150",
    address="http://sceneparsing.csail.mit.edu",
    folders=("ADEChallengeData2016",),
    words="ade150",
    kept_classes=32,
)
ADE847 = Benchmark(
    name="ade847",
    title="ADE20K-847",
    address="https://groups.csail.mit.edu/vision/datasets/ADE20K",
    folders=("ADE20K_2021_17_01",),
    words="ade847",
    kept_classes=48,
)
PARTS = ("training", "validation")
FULL_LIST = 3688
"""Length of ADE20K's full list in its release of January 2021; the masks' values go up to it."""
PREPARED_PHOTOS, PREPARED_MASKS = "images_detectron2", "annotations_detectron2"
PREPARED_IGNORED = 65_535


def read_ade150(root: Path | str) -> SegmentationSet:
    """Read the lists of ADE20K-150's photos.

    Raises:
        InputError: it isn't there as this module describes.
    """
    home = ADE150.home(root, [f"images/{part}" for part in PARTS])
    training, validation = (
        ADE150.pairs(home, f"images/{part}", [f"annotations/{part}"]) for part in PARTS
    )
    classes = ADE150.classes(range(1, 151))
    return ADE150.make(home, training, validation, classes, ignored=frozenset({0}))


def read_ade847(root: Path | str) -> SegmentationSet:
    """Read the lists of ADE20K-847's photos.

    Raises:
        InputError: it isn't there as this module describes.
    """
    full = [f"images/ADE/{part}" for part in PARTS]
    home = ADE847.home(root, (*full, PREPARED_MASKS))
    if (home / PREPARED_MASKS).is_dir():
        training, validation = (_prepared(home, part) for part in PARTS)
        ignored = frozenset({PREPARED_IGNORED})
        return ADE847.make(home, training, validation, ADE847.classes(range(847)), ignored=ignored)
    training, validation = (_beside(home, folder) for folder in full)
    values = read_values("ade847")["values"]
    ignored = frozenset(range(FULL_LIST + 1)) - frozenset(values)
    return ADE847.make(
        home,
        training,
        validation,
        ADE847.classes(values),
        ignored=ignored,
        read_mask=read_full_mask,
    )


def read_full_mask(path: Path) -> Image.Image:
    """Read a ``_seg.png`` of the full set: ids of its list of classes.

    Raises:
        InputError: it is no RGB image.
    """
    with open_image(path) as mask:
        if mask.mode not in ("RGB", "RGBA"):
            raise InputError(f"{path} must be an RGB image, but its mode is {mask.mode}.")
        red, green = np.moveaxis(np.asarray(mask), -1, 0)[:2].astype(np.int32)
    return mask_image(red // 10 * 256 + green, path)


def _beside(home: Path, part: str) -> Files:
    """Find photos below a folder, each with its mask beside it."""
    files, lonely = {}, []
    for folder, below, names in os.walk(home / part):
        present = set(names)
        photos = sorted(name for name in names if name.endswith(".jpg"))
        stems = [name.removesuffix(".jpg") for name in photos]
        below[:] = sorted(set(below) - set(stems))  # those hold a photo's single objects
        where = Path(folder).relative_to(home).as_posix()
        for stem, photo in zip(stems, photos, strict=True):
            mask = f"{stem}_seg.png"
            if stem in files:
                raise InputError(f"{home / part} holds two photos named {stem}.")
            files[stem] = (f"{where}/{photo}", f"{where}/{mask}")
            if mask not in present:
                lonely.append(mask)
    ADE847.check_whole(home / part, "masks", sorted(lonely), len(files))
    return files


def _prepared(home: Path, part: str) -> Files:
    """Pair what MaskFormer's preparation wrote."""
    photos, masks = f"{PREPARED_PHOTOS}/{part}", f"{PREPARED_MASKS}/{part}"
    if not (home / masks).is_dir():
        return {}
    found = by_stem(home / photos, (".jpg",), "photos")
    labels = by_stem(home / masks, (".tif",), "masks")
    ADE847.check_whole(home / masks, "masks", sorted(found.keys() - labels.keys()), len(found))
    ADE847.check_whole(home / photos, "photos", sorted(labels.keys() - found.keys()), len(labels))
    return {s: (f"{photos}/{found[s]}", f"{masks}/{labels[s]}") for s in found}
