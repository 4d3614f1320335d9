"""Small sets of photos with masks, for the tests of what reads, draws and measures them."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

COLOURS = {0: (128, 128, 128), 1: (220, 30, 30), 2: (30, 200, 30), 3: (30, 30, 220)}


def write_set(root: Path, name: str, classes: dict[str, str], **description) -> Path:
    """Write three photos, the first for validation, that show each mask value in its colour."""
    folder = root / name
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    rng = np.random.default_rng(len(name))
    palette = np.full((256, 3), 255, np.uint8)
    for value, colour in COLOURS.items():
        palette[value] = colour
    first, *others = map(int, classes)
    for i in range(3):
        mask = np.full((64, 96), first, np.uint8)
        for value in others:
            y, x = rng.integers(0, 64 - 24), rng.integers(0, 96 - 24)
            mask[y : y + 24, x : x + 24] = value
        mask[:4, :4] = 255
        Image.fromarray(palette[mask]).save(folder / "images" / f"p{i}.jpg", quality=95)
        Image.fromarray(mask).save(folder / "masks" / f"p{i}.png")
    (folder / "classes.json").write_text(json.dumps(classes))
    (folder / "validation.txt").write_text("p0\n")
    if description:
        (folder / "set.json").write_text(json.dumps(description))
    return folder


def write_sets(root: Path) -> Path:
    """Write four sets: things before a background, scenes, parts, and names that overlap."""
    write_set(root, "things", {"0": "background", "1": "aeroplane", "2": "person"}, paste=True)
    write_set(root, "scenes", {"1": "road", "2": "pedestrian", "3": "sky"}, exhaustive=True)
    write_set(root, "parts", {"0": "background", "1": "left mirror", "2": "wheel"})
    write_set(root, "walls", {"1": "wall", "2": "brick wall", "3": "metal"}, exhaustive=True)
    return root


def write_photo_set(folder: Path, classes: Sequence[str], photos: Iterable[tuple]) -> Path:
    """Write photos (H, W, 3) with labels (H, W), 255 for none, all of them for validation.

    The photos are PNG files under the name that a set's photos have: nothing is lost.
    """
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    stems = []
    for place, (photo, label) in enumerate(photos):
        stems.append(f"p{place}")
        Image.fromarray(photo).save(folder / "images" / f"{stems[-1]}.jpg", format="PNG")
        Image.fromarray(label.astype(np.uint8)).save(folder / "masks" / f"{stems[-1]}.png")
    (folder / "classes.json").write_text(json.dumps(dict(enumerate(classes))))
    (folder / "validation.txt").write_text("".join(f"{stem}\n" for stem in stems))
    return folder
