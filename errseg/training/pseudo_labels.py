"""A model's own labels of photos that have no names for stuff, to train it further (self-training).

Few photos name every pixel. A model that learnt from them labels the rest of the others, and where
it is confident its labels teach on: a name then appears in many more photos than people drew it in.
"""

import json
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from errseg.checkpoints.whole_files import write_whole
from errseg.datasets.folders import SET_FILE
from errseg.datasets.sets import MASK_IGNORE, SegmentationSet, samples, with_photos
from errseg.errors import InputError
from errseg.inference.photo import network_size
from errseg.inference.predictor import Predictor
from errseg.network.model import ERRSeg
from errseg.training.config import LiteRecipe
from errseg.words.relations import broader_names, synonyms, with_synonyms
from errseg.words.vocabulary import parse_classes

FOLDER = "pseudo_labels"
TEACHER = "teacher.json"  # in that folder: what its masks are of
WEIGHT = 5.0  # how often training draws the set, relative to others, as errseg-lite's did


@torch.inference_mode()
def write_pseudo_labels(
    model: ERRSeg,
    sets: Iterable[SegmentationSet],
    names: Iterable[str],
    out: Path,
    recipe: LiteRecipe,
    confidence: float,
    limit: int | None = None,
) -> int:
    """Label training photos of sets that don't label every pixel, as one more set in ``out``.

    A pixel gets the name that wins the softmax over all names of the stride-16 cost maps, where it
    is confident; elsewhere the pixel is ignored. What people labelled stands: their label gives the
    pixel its synonym among the names, or none, and a name that they marked absent isn't given.
    Photos whose mask is in ``out`` already are passed over: a run that was stopped goes on.

    Args:
        model: the teacher; names that its training never saw are not labelled.
        sets: to label; those that label every pixel are passed over.
        names: of the stuff and things to look for.
        out: the set's folder is written here, its photos as links.
        recipe: gives the scale of the softmax, and names held out, which are not labelled either.
        confidence: share of the softmax from which on a label is taken, in [0, 1].
        limit: photos of each set.

    Returns:
        The number of photos, with those that were labelled before.

    Raises:
        InputError: no set leaves pixels unlabelled and has training photos, there are no names, or
            what is in ``out`` was labelled by another model, with other names or less or more sure.
    """
    hidden = with_synonyms((*recipe.data.held_out, *model.config.held_out))
    classes = [name for name in dict.fromkeys(names) if name not in hidden]
    chosen = [s for s in sets if not s.exhaustive]
    if not chosen:
        raise InputError("Each of the chosen sets labels every pixel already.")
    chosen = with_photos(chosen, "training")
    predictor = Predictor(model)
    text, _ = predictor.embed(parse_classes(classes), expand=False)
    values = np.array(_mask_values(len(classes)))
    depth = np.uint8 if values[-1] < MASK_IGNORE else np.uint16
    folder = out / FOLDER
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    _keep_to_teacher(folder, {"model": model.weights_hash, "names": classes, "sure": confidence})
    photos = 0
    for sample_set in chosen:
        allowed, own = _allowed(sample_set, classes), _own(sample_set, classes, values)
        stems = sample_set.training[:limit]
        masks = {stem: folder / "masks" / f"{sample_set.name}-{stem}.png" for stem in stems}
        left = [stem for stem, mask in masks.items() if not mask.exists()]
        bar = tqdm(left, sample_set.name, unit="photo", leave=False)
        for stem, (photo, label) in zip(left, samples(sample_set, bar), strict=True):
            features = predictor.encode(photo, network_size(photo.shape[:2], model.config))
            cost = model.cost_maps(features, text).stride16
            mask = _label(
                recipe.losses.ranking_scale * cost, label, allowed, own, values, confidence
            )
            image = Image.fromarray(mask.astype(depth))
            photo_file = sample_set.image_path(stem).resolve()
            link = folder / "images" / f"{masks[stem].stem}{photo_file.suffix}"
            link.unlink(missing_ok=True)
            link.symlink_to(photo_file)
            write_whole(masks[stem], partial(image.save, format="PNG"))
        photos += len(stems)
    listed = json.dumps(dict(zip(values.tolist(), classes, strict=True)), indent=1)
    (folder / "classes.json").write_text(listed, encoding="utf-8")
    (folder / "validation.txt").write_text("", encoding="utf-8")
    (folder / SET_FILE).write_text(json.dumps({"weight": WEIGHT}), encoding="utf-8")
    return photos


def _keep_to_teacher(folder: Path, teacher: dict) -> None:
    """Note whose labels a folder holds, or refuse to mix them with another's."""
    noted = folder / TEACHER
    if noted.exists() and json.loads(noted.read_text(encoding="utf-8")) != teacher:
        raise InputError(
            f"{folder} was labelled by another model, with other names or another --sure; give "
            "another folder."
        )
    text = json.dumps(teacher, indent=1)
    write_whole(noted, lambda path: path.write_text(text, encoding="utf-8"))


def _mask_values(classes: int) -> list[int]:
    """Number the names from 1, the first index being the background's; none is what's ignored."""
    return [value for value in range(1, classes + 2) if value != MASK_IGNORE][:classes]


def _label(
    logits: Tensor,
    label: np.ndarray,
    allowed: np.ndarray,
    own: np.ndarray,
    values: np.ndarray,
    confidence: float,
) -> np.ndarray:
    """Turn logits (1, T, h, w) and people's label (H, W), -1 for none, into mask values (H, W)."""
    shares = F.interpolate(logits.softmax(dim=1), size=label.shape, mode="bilinear")[0]
    best, place = (maps.cpu().numpy() for maps in shares.max(dim=0))
    # A pixel that people left to the background can't be what they looked for.
    given = np.where((best >= confidence) & allowed[place], values[place], MASK_IGNORE)
    return np.where(label >= 0, own[label], given)


def _allowed(sample_set: SegmentationSet, classes: list[str]) -> np.ndarray:
    """Say which names the set's photos may get where people gave none, (T,) bool."""
    looked_for = with_synonyms(sample_set.class_names if sample_set.has_background else ())
    return np.array(
        [looked_for.isdisjoint({name} | synonyms(name) | broader_names(name)) for name in classes]
    )


def _own(sample_set: SegmentationSet, classes: list[str], values: np.ndarray) -> np.ndarray:
    """Return the mask value of the synonym of each of the set's classes, ignored without one."""
    found = [
        [value for value, name in zip(values, classes, strict=True) if name in synonyms(label)]
        for label in sample_set.class_names
    ]
    return np.array([same[0] if same else MASK_IGNORE for same in found])
