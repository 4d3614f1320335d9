"""What a result looks like: overlay, legend, palette mask.

Arrays in, arrays and pictures out. Label maps hold class indices, -1 where there is no class.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from errseg.pictures.colors import NONE_COLOR, Color

DEFAULT_OPACITY = 0.55
"""Of the class colours over the photo: colours tell apart, and the photo still shows through."""
NONE_INDEX = 255
"""The palette mask's index for pixels without a class, as in the benchmarks' label images."""
NONE_NAME = "none of these"  # how pixels without a class are called in a legend
_NONE_TONES = np.linspace(20, 160, 256)  # greys for 0..255: darker, but shadows keep their detail


@dataclass(frozen=True)
class LegendEntry:
    """One class that is present in a label map."""

    index: int  # in the vocabulary, or -1 for pixels without a class
    name: str
    color: Color
    area: float  # share of all pixels, 0..1
    score: float  # mean over the class's pixels, 0..1


def short_share(area: float) -> str:
    """Write an area's share of the pixels in whole percent; what is there is never "0 %"."""
    return "<1 %" if 0 < area < 0.01 else f"{area:.0%}".replace("%", " %")


def lay_colors(
    image: np.ndarray, labels: np.ndarray, colors: Sequence[Color], opacity: float = DEFAULT_OPACITY
) -> np.ndarray:
    """Lay class colours over a photo (H, W, 3) uint8, with a thin light line between classes.

    Labels (H, W) are -1 or an index into the colours. Pixels without a class stay uncoloured: the
    photo in grey, and darker. The opacity is 0 (the photo; the lines stay) to 1 (the colours); the
    inputs stay as they are.

    Raises:
        ValueError: shapes, indices or the opacity don't fit.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"The image must be (H, W, 3) uint8, not {image.shape} {image.dtype}.")
    if labels.shape != image.shape[:2]:
        raise ValueError(f"The labels are {labels.shape} for an image of {image.shape[:2]}.")
    if not 0 <= opacity <= 1:
        raise ValueError(f"The opacity is between 0 and 1, not {opacity}.")
    _check_labels(labels, len(colors))

    # The photo's own hues fade with opacity, so that a class looks alike wherever it is: of the
    # photo's share 1 - opacity, the part `opacity` is grey. Fixed point with 8 fractional bits is
    # several times faster than floats.
    tint_weight = round(256 * opacity)
    grey_weight = round(256 * opacity * (1 - opacity))
    tints = np.zeros((len(colors) + 1, 3), np.uint16)  # the last row, index -1: no class
    tints[:-1] = np.array(colors, np.uint16).reshape(-1, 3) * tint_weight
    grey = np.asarray(Image.fromarray(image).convert("L")).astype(np.uint16)
    none = labels < 0

    blended = image.astype(np.uint16)
    blended *= np.uint16(256 - tint_weight - grey_weight)
    blended += np.take(tints, labels, axis=0, mode="wrap")
    tones = (_NONE_TONES * tint_weight).astype(np.uint16)
    blended += (grey * np.uint16(grey_weight) + np.where(none, tones[grey], 0))[:, :, None]
    blended >>= 8
    result = blended.astype(np.uint8)
    result[_boundaries(labels)] = 255
    return result


def summarize(
    labels: np.ndarray, scores: np.ndarray, names: Sequence[str], colors: Sequence[Color]
) -> list[LegendEntry]:
    """List the classes that are present, largest first; equal areas by index.

    Pixels without a class (-1) count for the areas of the others but have no entry. Labels and the
    winning scores are (H, W), names and colours T.

    Raises:
        ValueError: shapes or indices don't fit.
    """
    if labels.shape != scores.shape or len(names) != len(colors):
        raise ValueError(
            f"The labels are {labels.shape} and the scores {scores.shape}; "
            f"there are {len(names)} names and {len(colors)} colours."
        )
    starts = _run_starts(labels)
    _check_labels(labels.ravel()[starts], len(names))
    counts = class_sums(labels, len(names), starts=starts)
    totals = class_sums(labels, len(names), scores, starts)
    present = np.flatnonzero(counts)  # as `seen_classes`
    order = present[np.argsort(-counts[present], kind="stable")].tolist()
    shares = [(float(counts[i] / labels.size), float(totals[i] / counts[i])) for i in order]
    return [LegendEntry(i, names[i], colors[i], *s) for i, s in zip(order, shares, strict=True)]


def palette_mask(
    labels: np.ndarray, colors: Sequence[Color], size: tuple[int, int] | None = None
) -> tuple[Image.Image, tuple[int, ...]]:
    """Draw the label map as an indexed image that any viewer shows in the classes' colours.

    A palette has 256 places and `NONE_INDEX`, 255, means no class. With up to 255 classes a
    pixel's index is its class. With more the indices count the classes present, in ascending
    order; should more than 255 be present, the smallest become no class. Labels and colours are
    those of `lay_colors`; the picture is of a size (H, W), the labels' own if None.

    Returns:
        the image in mode P, and the class of each palette index.

    Raises:
        ValueError: an index doesn't fit.
    """
    _check_labels(labels, len(colors))
    if len(colors) <= NONE_INDEX:
        classes = np.arange(len(colors))
    else:
        counts = class_sums(labels, len(colors))
        largest = np.argsort(-counts, kind="stable")[:NONE_INDEX]
        classes = np.sort(largest[counts[largest] > 0])
    index_of_class = np.full(len(colors) + 1, NONE_INDEX, np.uint8)  # the last, -1: no class
    index_of_class[classes] = np.arange(len(classes))

    palette = np.zeros((256, 3), np.uint8)
    palette[NONE_INDEX] = NONE_COLOR
    palette[: len(classes)] = np.array(colors, np.uint8).reshape(-1, 3)[classes]
    indices = index_of_class[labels]
    mask = Image.fromarray(indices if size is None else enlarged(indices, size))
    mask.putpalette(palette.tobytes())  # turns mode L into P
    return mask, tuple(classes.tolist())


def nearest(count: int, wanted: int) -> np.ndarray:
    """Say which of so many rows, or columns, each of a wanted number of them shows."""
    return (2 * np.arange(wanted) + 1) * count // (2 * wanted)


def enlarged(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Bring a map (H, W) to another size (H, W) by `nearest`."""
    if values.shape == tuple(size):
        return values
    rows, columns = map(nearest, values.shape, size)
    return values[rows[:, None], columns]


def resize_labels(labels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize a label map (H, W) to a size (width, height) by taking the nearest pixel."""
    picture = Image.fromarray(labels.astype(np.int32))
    return np.asarray(picture.resize(size, Image.Resampling.NEAREST))


def class_sums(
    labels: np.ndarray,
    classes: int,
    values: np.ndarray | None = None,
    starts: np.ndarray | None = None,
) -> np.ndarray:
    """Add up each class's pixels (T), or their values: run by run, which are few.

    Args:
        labels: (H, W), -1 or a class.
        classes: T.
        values: (H, W), what is added up.
        starts: where the labels' runs begin, from `_run_starts`, for who has them.
    """
    flat = labels.ravel()
    starts = _run_starts(labels) if starts is None else starts
    if values is None:
        sums = np.diff(starts, append=flat.size)
    else:
        sums = np.add.reduceat(values.ravel(), starts, dtype=np.float64) if len(starts) else starts
    shifted = flat[starts] + np.int64(1)  # -1, no class, comes first
    added = np.bincount(shifted, sums, minlength=classes + 1)[1:]
    return added.astype(np.int64) if values is None else added


def _run_starts(labels: np.ndarray) -> np.ndarray:
    """Find where the runs of equal labels begin, along the rows one after the other."""
    flat = labels.ravel()
    changes = np.empty(flat.size, bool)
    changes[:1] = True
    np.not_equal(flat[1:], flat[:-1], out=changes[1:])
    return np.flatnonzero(changes)


def seen_classes(labels: np.ndarray, classes: int) -> list[int]:
    """List the classes that have pixels in a label map, ascending: those that a legend has."""
    return np.flatnonzero(class_sums(labels, classes)).tolist()


def _boundaries(labels: np.ndarray) -> np.ndarray:
    """Find (H, W) bool: the pixels whose right or lower neighbour has another label."""
    edges = np.zeros(labels.shape, bool)
    edges[:, :-1] = labels[:, :-1] != labels[:, 1:]
    edges[:-1] |= labels[:-1] != labels[1:]
    return edges


def _check_labels(labels: np.ndarray, classes: int) -> None:
    if labels.size and not (-1 <= labels.min() and labels.max() < classes):
        raise ValueError(
            f"Labels lie between {labels.min()} and {labels.max()}; with {classes} classes "
            f"they must lie between -1 and {classes - 1}."
        )
