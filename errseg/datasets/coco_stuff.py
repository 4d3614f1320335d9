"""COCO-Stuff 171: COCO's photos of 2017 with things and stuff, what the published models train on.

::

    train2017/, val2017/                                    photos; images/train2017 and so on too
    stuffthingmaps_trainval2017/{train2017,val2017}/*.png   values 0 to 181 with gaps, 255 ignored

The masks may also lie in ``stuffthingmaps/`` or ``annotations/``. A part that isn't there is empty.
"""

from pathlib import Path

from errseg.datasets.layouts import Benchmark, read_values
from errseg.datasets.sets import SegmentationSet

COCO_STUFF = Benchmark(
    name="coco-stuff",
    title="COCO-Stuff",
    address="https://github.com/nightrome/cocostuff and https://cocodataset.org",
    folders=("coco", "coco-stuff", "coco_stuff164k"),
    words="coco171",
)
PARTS = ("train2017", "val2017")
MASKS = ("stuffthingmaps_trainval2017", "stuffthingmaps", "annotations")


def read_coco_stuff(root: Path | str) -> SegmentationSet:
    """Read the lists of COCO-Stuff's photos.

    Raises:
        InputError: it isn't there as this module describes.
    """
    nested = [f"images/{part}" for part in PARTS]
    home = COCO_STUFF.home(root, (*PARTS, *nested))
    training, validation = (
        COCO_STUFF.pairs(
            home,
            part if (home / part).is_dir() else f"images/{part}",
            [f"{folder}/{part}" for folder in MASKS],
        )
        for part in PARTS
    )
    classes = COCO_STUFF.classes(read_values("coco_stuff")["values"])
    return COCO_STUFF.make(home, training, validation, classes)
