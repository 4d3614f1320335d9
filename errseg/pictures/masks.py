"""A picture a class: black-and-white masks, and cut-outs of the photo on nothing."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from errseg.inference.result import Result
from errseg.pictures.coco import box_of
from errseg.pictures.files import (
    BYTE,
    CUTOUTS_FOLDER,
    INDEX_FILE,
    MASKS_FOLDER,
    index_format,
)
from errseg.pictures.overlay import enlarged

LONGEST_NAME = 40
"""Letters of a class's name in a file's: with four bytes each they fit any file system."""


def file_name(index: int, name: str) -> str:
    """Name a class's picture, as ``3_dog.png``: safe on every system, different for each class.

    The index comes first, so that no two classes share a file and none has the name of a device,
    such as CON. Of the name only letters, their marks and digits stay.
    """
    composed = unicodedata.normalize("NFC", name)
    letters = "".join(c if unicodedata.category(c)[0] in "LMN" else " " for c in composed)
    short = re.sub(r"\s+", "_", letters.strip())[:LONGEST_NAME].strip("_")
    return f"{index}_{short}.png" if short else f"{index}.png"


def write_masks(result: Result, folder: Path) -> list[Path]:
    """Write a picture for every class that is present: white where it is, black elsewhere.

    They have the photo's own size, and are in `MASKS_FOLDER` of the folder, which is made if it
    isn't there.
    """

    def draw(mask: np.ndarray) -> Image.Image:
        return Image.fromarray(enlarged(mask * np.uint8(255), result.mask_size))

    return _write(result, folder / MASKS_FOLDER, draw)


def write_index(result: Result, folder: Path) -> Path:
    """Write the labels as a grey picture (H, W) of the photo's own size: a value is a class.

    See `errseg.pictures.files.index_format` for its bits and for what stands for no class.
    """
    bits, none = index_format(len(result.classes))
    labels = np.where(result.labels < 0, none, result.labels)
    values = labels.astype(np.uint8 if bits == BYTE else np.uint16)
    path = folder / INDEX_FILE
    Image.fromarray(enlarged(values, result.mask_size)).save(path)
    return path


def write_cutouts(result: Result, photo: np.ndarray, folder: Path) -> list[Path]:
    """Write the photo (H, W, 3) uint8 where each class is, transparent elsewhere (RGBA).

    A picture is as large as the box around the class; it holds nothing of the photo's other pixels.
    They are in `CUTOUTS_FOLDER` of the folder, which is made if it isn't there.
    """

    def cut_out(mask: np.ndarray) -> Image.Image:
        left, top, width, height = box_of(mask)
        window = slice(top, top + height), slice(left, left + width)
        own = mask[window][..., None]
        pixels = np.concatenate([photo[window] * own, own * np.uint8(255)], axis=2)
        return Image.fromarray(pixels)

    return _write(result, folder / CUTOUTS_FOLDER, cut_out)


def _write(result: Result, folder: Path, draw: Callable[[np.ndarray], Image.Image]) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for index in np.unique(result.labels[result.labels >= 0]).tolist():
        paths.append(folder / file_name(index, result.classes[index]))
        draw(result.labels == index).save(paths[-1])
    return paths
