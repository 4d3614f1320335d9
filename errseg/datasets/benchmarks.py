"""The benchmarks by name."""

from collections.abc import Callable
from pathlib import Path

from errseg.datasets.ade20k import read_ade150, read_ade847
from errseg.datasets.camvid import read_camvid
from errseg.datasets.coco_stuff import read_coco_stuff
from errseg.datasets.folders import load_sets
from errseg.datasets.pascal_context import read_context59, read_context459
from errseg.datasets.sets import SegmentationSet
from errseg.datasets.voc import read_voc20, read_voc21
from errseg.errors import InputError

FOLDER = "folder"
"""Our own layout, `errseg.datasets.folders`: one set, or a folder of sets."""
READERS: dict[str, Callable[[Path], SegmentationSet]] = {
    "coco-stuff": read_coco_stuff,
    "ade150": read_ade150,
    "ade847": read_ade847,
    "context59": read_context59,
    "context459": read_context459,
    "voc20": read_voc20,
    "voc21": read_voc21,
    "camvid": read_camvid,
}
"""A reader of each published benchmark's own layout."""
DATASETS = (*READERS, FOLDER)


def open_dataset(name: str, root: Path | str) -> list[SegmentationSet]:
    """Read the lists and classes of a benchmark, or of a folder's sets; the photos stay on disk.

    Args:
        name: one of `DATASETS`.
        root: the data set's folder, or the one that it was unpacked in.

    Raises:
        InputError: there is no such data set, or it isn't there as its reader's module describes.
    """
    root = Path(root)
    if name not in DATASETS:
        raise InputError(f"There is no data set {name!r}; there are {', '.join(DATASETS)}.")
    if not root.is_dir():
        raise InputError(f"There is no folder {root}.")
    if name in READERS:
        return [READERS[name](root)]
    return load_sets(root)
