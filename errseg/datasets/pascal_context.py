"""PASCAL-Context: VOC 2010's photos with every pixel labelled, 59 classes or all 459.

::

    VOC2010/JPEGImages/*.jpg                    or VOCdevkit/VOC2010/...
    VOC2010/trainval/*.mat                      LabelMap: 1 to 459 (labels.txt); needs scipy
    VOC2010/ImageSets/Main/{train,val}.txt      or pascalcontext_{train,val}.txt beside trainval

Without ``trainval`` the masks that others made of it are read: ``SegmentationClassContext`` of
mmsegmentation (59 classes from 1, with lists in ``ImageSets/SegmentationContext``), and CAT-Seg's
``annotations_detectron2/pc59_val`` (from 0, 255 ignored) and ``pc459_val`` (from 0, TIFF), which
hold validation photos alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from errseg.datasets.files import by_stem, mask_image, read_index_mask
from errseg.datasets.layouts import Benchmark, read_values
from errseg.datasets.sets import MASK_IGNORE, SegmentationSet
from errseg.errors import InputError

ADDRESS = "https://www.cs.stanford.edu/~roozbeh/pascal-context"
FOLDERS = ("VOC2010", "VOCdevkit/VOC2010")
CONTEXT59 = Benchmark(
    "context59", "PASCAL-Context 59", ADDRESS, FOLDERS, words="context59", kept_classes=24
)
CONTEXT459 = Benchmark(
    "context459", "PASCAL-Context 459", ADDRESS, FOLDERS, words="context459", kept_classes=48
)
PHOTOS, PUBLISHED = "JPEGImages", "trainval"
LISTS = (
    "ImageSets/SegmentationContext/{}.txt",
    "pascalcontext_{}.txt",
    "ImageSets/Main/{}.txt",
)
ALL = range(1, 460)  # labels.txt
PREPARED_IGNORED = frozenset({459, 65_535})  # what CAT-Seg ignores, and 0 less 1 in 16 bits


@dataclass(frozen=True)
class _Masks:
    """Masks as somebody published them."""

    folder: str
    ending: str
    values: Sequence[int]  # of the classes
    ignored: frozenset[int]
    validation_alone: bool = False


def read_context59(root: Path | str) -> SegmentationSet:
    """Read the lists of PASCAL-Context's photos, for its 59 frequent classes.

    Raises:
        InputError: it isn't there as this module describes.
    """
    values = read_values("context59")["values"]
    rare = frozenset({0, *ALL}) - frozenset(values)
    layouts = (
        _Masks(PUBLISHED, ".mat", values, rare),
        _Masks("SegmentationClassContext", ".png", range(1, 60), frozenset({0, MASK_IGNORE})),
        _Masks(
            "annotations_detectron2/pc59_val", ".png", range(59), frozenset({MASK_IGNORE}), True
        ),
    )
    return _read(CONTEXT59, root, layouts)


def read_context459(root: Path | str) -> SegmentationSet:
    """Read the lists of PASCAL-Context's photos, for all 459 classes.

    Raises:
        InputError: it isn't there as this module describes.
    """
    layouts = (
        _Masks(PUBLISHED, ".mat", ALL, frozenset({0})),
        _Masks("annotations_detectron2/pc459_val", ".tif", range(459), PREPARED_IGNORED, True),
    )
    return _read(CONTEXT459, root, layouts)


def read_label_map(path: Path) -> Image.Image:
    """Read the LabelMap of a ``.mat`` file, a mask's values.

    Raises:
        InputError: scipy is missing, or the file holds no LabelMap.
    """
    try:
        from scipy.io import loadmat
        from scipy.io.matlab import MatReadError
    except ImportError as error:
        raise InputError("Masks in .mat files need scipy: pip install scipy.") from error
    try:
        values = np.asarray(loadmat(path, variable_names=["LabelMap"])["LabelMap"])
        if values.ndim == 2 and np.array_equal(values, whole := values.astype(np.int32)):
            return mask_image(whole, path)
    except InputError:
        raise
    except (MatReadError, OSError, KeyError, ValueError, TypeError, NotImplementedError) as error:
        raise InputError(f"{path} can't be read as a .mat file with a LabelMap.") from error
    raise InputError(f"{path} has a LabelMap that is no array of H x W whole numbers.")


def _read(benchmark: Benchmark, root: Path | str, layouts: Sequence[_Masks]) -> SegmentationSet:
    home = benchmark.home(root, (PHOTOS,))
    masks = next((m for m in layouts if (home / m.folder).is_dir()), None)
    if masks is None:
        raise benchmark.lacks(f"there is no folder {home / PUBLISHED} with the masks (.mat)")
    photos = by_stem(home / PHOTOS, (".jpg",), "photos")
    labels = by_stem(home / masks.folder, (masks.ending,), "masks")
    if masks.validation_alone:
        stems = {"train": [], "val": list(labels)}
        lacking = sorted(labels.keys() - photos.keys())
        benchmark.check_whole(home / PHOTOS, "photos", lacking, len(labels))
    else:
        stems = {part: benchmark.listed(_list(home, part), photos) for part in ("train", "val")}
        listed = [*stems["train"], *stems["val"]]
        lacking = sorted(set(listed) - labels.keys())
        benchmark.check_whole(home / masks.folder, "masks", lacking, len(listed))
    training, validation = (
        {s: (f"{PHOTOS}/{photos[s]}", f"{masks.folder}/{labels[s]}") for s in listed}
        for listed in stems.values()
    )
    reader = read_label_map if masks.ending == ".mat" else read_index_mask
    return benchmark.make(
        home,
        training,
        validation,
        benchmark.classes(masks.values),
        ignored=masks.ignored,
        read_mask=reader,
    )


def _list(home: Path, part: str) -> Path:
    """Return the first list of a part that is there, or the one that VOC 2010 has."""
    found = (home / name.format(part) for name in LISTS)
    return next((path for path in found if path.is_file()), home / LISTS[-1].format(part))
