"""What the readers of published benchmarks share: folders found, photos paired with masks, lists.

A benchmark that is missing or half unpacked is refused in one sentence that says which file was
expected where, and where to get it.
"""

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from errseg.datasets.files import by_stem, read_list, some
from errseg.datasets.sets import SegmentationSet
from errseg.errors import InputError
from errseg.words.vocabulary import load_vocabulary

Files = dict[str, tuple[str, str]]
"""Stem -> a photo and its mask, from the set's folder on."""
CONVERTED = "_labelTrainIds"
"""How mmsegmentation's converters end the stems of what they put beside the published masks."""


@dataclass(frozen=True)
class Benchmark:
    """What a benchmark is called, where it is to be had, and what the paper says of it."""

    name: str  # as `open_dataset` has it
    title: str
    address: str  # where to get it
    folders: tuple[str, ...]  # what it unpacks to, of which the root may be the parent
    words: str = ""  # its class names in `errseg.words.vocabulary`, if they are there
    kept_classes: int | None = None  # P (Table XIII)
    exhaustive: bool = True  # whether every pixel has one of the classes, or is ignored

    def home(self, root: Path | str, expected: Sequence[str]) -> Path:
        """Return the folder, the root or one below it, that holds one of some files or folders.

        Raises:
            InputError: none does.
        """
        root = Path(root)
        for folder in (root, *(root / name for name in self.folders)):
            if any((folder / path).exists() for path in expected):
                return folder
        raise self.lacks(f"there is no {' or '.join(expected)} in {root}")

    def pairs(
        self,
        home: Path,
        photos: str,
        masks: Sequence[str],
        mask_suffix: str = "",
        photo_endings: Sequence[str] = (".jpg",),
    ) -> Files:
        """Pair a folder's photos with their masks; nothing if there is no such folder.

        Args:
            home: the benchmark's folder.
            photos: a folder below it.
            masks: folders below it, the first of which that exists holds the masks, PNG files.
            mask_suffix: what a mask's stem has behind its photo's.
            photo_endings: the photos'.

        Raises:
            InputError: there is no folder of masks, or a photo lacks its mask or a mask its photo.
        """
        if not (home / photos).is_dir():
            return {}
        folder = next((name for name in masks if (home / name).is_dir()), None)
        if folder is None:
            raise self.lacks(f"there is no {home / masks[0]} with the masks of {home / photos}")
        found = by_stem(home / photos, photo_endings, "photos")
        labels = {
            stem.removesuffix(mask_suffix): name
            for stem, name in by_stem(home / folder, (".png",), "masks").items()
            if stem.endswith(mask_suffix) and not stem.endswith(CONVERTED)
        }
        self.check_whole(home / folder, "masks", sorted(found.keys() - labels.keys()), len(found))
        self.check_whole(home / photos, "photos", sorted(labels.keys() - found.keys()), len(labels))
        return {s: (f"{photos}/{found[s]}", f"{folder}/{labels[s]}") for s in found}

    def check_whole(self, folder: Path, what: str, missing: Sequence[str], of: int) -> None:
        """Refuse a folder that lacks photos or masks with an `InputError` that names the first."""
        if missing:
            raise self.lacks(f"{folder} lacks {len(missing):,} of {of:,} {what} ({some(missing)})")

    def listed(self, path: Path, stems: Collection[str]) -> list[str]:
        """Read a list of photos; `InputError` if there is no such list or one of its photos."""
        if not path.is_file():
            raise self.lacks(f"there is no list {path}")
        try:
            return read_list(path, stems)
        except InputError as error:
            raise self.lacks(str(error).removesuffix(".")) from error

    def lacks(self, what: str) -> InputError:
        """Return the refusal of a data set that lacks something."""
        return InputError(f"{self.title}: {what}; unpack the whole of it, from {self.address}.")

    def classes(self, values: Iterable[int]) -> dict[int, str]:
        """Name mask values, given in the order of the benchmark's T classes."""
        return dict(zip(values, load_vocabulary(self.words).names, strict=True))

    def make(
        self,
        home: Path,
        training: Files,
        validation: Files,
        classes: dict[int, str],
        **fields: object,
    ) -> SegmentationSet:
        """Make the set.

        Args:
            home: the benchmark's folder.
            training: photos and masks to train on; may be empty.
            validation: those to measure with; may be empty, but not both.
            classes: mask value -> name, in class order; see `classes`.
            **fields: of `SegmentationSet`, what else there is to say.

        Raises:
            InputError: there is no photo at all, or one is in both parts.
        """
        if not training and not validation:
            raise self.lacks(f"there are no photos with masks in {home}")
        if both := sorted(training.keys() & validation.keys()):
            raise InputError(f"{self.title}: {some(both)} in {home} are listed in both parts.")
        published = load_vocabulary(self.words, published_spelling=True).names if self.words else ()
        said = {"has_background": False, "exhaustive": self.exhaustive} | fields
        return SegmentationSet(
            name=self.name,
            folder=home,
            files={**training, **validation},
            classes=classes,
            training=tuple(sorted(training)),
            validation=tuple(sorted(validation)),
            kept_classes=self.kept_classes,
            published_names=published,
            **said,
        )


def read_values(name: str) -> dict:
    """Read what a benchmark's masks hold: a file of ``values/``, which names its source."""
    file = Path(__file__).with_name("values") / f"{name}.json"
    return json.loads(file.read_text(encoding="utf-8"))
