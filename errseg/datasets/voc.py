"""PASCAL VOC 2012: everyday things, 20 classes, with or without the background as one more.

::

    VOC2012/JPEGImages/*.jpg                        or VOCdevkit/VOC2012/...
    VOC2012/SegmentationClass/*.png                 0 background, 1 to 20, 255 ignored
    VOC2012/ImageSets/Segmentation/{train,val}.txt
    VOC2012/SegmentationClassAug/*.png              with trainaug.txt beside train.txt: trained on

For ``voc20`` the background is none of the classes, and isn't measured. In ``voc21`` it is a class
named background, the last, as the published evaluations with background have it.
"""

from dataclasses import replace
from pathlib import Path

from errseg.datasets.files import by_stem
from errseg.datasets.layouts import Benchmark, Files
from errseg.datasets.sets import BACKGROUND_NAME, SegmentationSet

VOC20 = Benchmark(
    name="voc20",
    title="PASCAL VOC 2012",
    address="http://host.robots.ox.ac.uk/pascal/VOC/voc2012",
    folders=("VOC2012", "VOCdevkit/VOC2012"),
    words="voc20",
    kept_classes=16,
    exhaustive=False,
)
PHOTOS, MASKS, MORE_MASKS = "JPEGImages", "SegmentationClass", "SegmentationClassAug"
LISTS = "ImageSets/Segmentation"


def read_voc20(root: Path | str) -> SegmentationSet:
    """Read the lists of VOC 2012's photos; the background is no class.

    Raises:
        InputError: it isn't there as this module describes.
    """
    home = VOC20.home(root, (LISTS,))
    for folder in (PHOTOS, MASKS):
        if not (home / folder).is_dir():
            raise VOC20.lacks(f"there is no folder {home / folder}")
    augmented = (home / MORE_MASKS).is_dir() and (home / LISTS / "trainaug.txt").is_file()
    training = _part(home, *(("trainaug", MORE_MASKS) if augmented else ("train", MASKS)))
    validation = _part(home, "val", MASKS)
    return VOC20.make(home, training, validation, VOC20.classes(range(1, 21)), has_background=True)


def read_voc21(root: Path | str) -> SegmentationSet:
    """Read the lists of VOC 2012's photos; the background is a class.

    Raises:
        InputError: it isn't there as this module describes.
    """
    things = read_voc20(root)
    return replace(
        things,
        name="voc21",
        classes={**things.classes, 0: BACKGROUND_NAME},
        has_background=False,
        exhaustive=True,
        kept_classes=None,  # the paper doesn't measure it
        published_names=(*things.published_names, BACKGROUND_NAME),
    )


def _part(home: Path, name: str, folder: str) -> Files:
    photos = by_stem(home / PHOTOS, (".jpg",), "photos")
    masks = by_stem(home / folder, (".png",), "masks")
    stems = VOC20.listed(home / LISTS / f"{name}.txt", photos)
    VOC20.check_whole(home / folder, "masks", [s for s in stems if s not in masks], len(stems))
    return {s: (f"{PHOTOS}/{photos[s]}", f"{folder}/{masks[s]}") for s in stems}
