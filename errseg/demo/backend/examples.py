"""The example photos: files with words that fit them."""

import base64
import io
import json
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps

from errseg.config import EXAMPLES
from errseg.demo.backend.request import Request, check_request
from errseg.words.vocabulary import parse_classes, suggested_kept_classes

THUMBNAIL = (176, 128)  # width and height in pixels: twice what is shown, for dense screens


@dataclass(frozen=True)
class Example:
    """One photo that a visitor can try."""

    path: Path
    classes: str  # as a person would type them
    description: str  # for those who can't see the photo

    @property
    def name(self) -> str:
        """The file's name without its ending, as it stands in a link."""
        return self.path.stem

    def thumbnail(self) -> str:
        """A small JPEG as a data URI: it is there with the page, whatever else is slow."""
        with Image.open(self.path) as photo:
            small = ImageOps.fit(photo.convert("RGB"), THUMBNAIL, Image.Resampling.LANCZOS)
        file = io.BytesIO()
        small.save(file, "JPEG", quality=80)
        return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


def load_examples() -> tuple[Example, ...]:
    """Read the list of examples, in its order."""
    return tuple(
        Example(EXAMPLES.parent / entry["file"], entry["classes"], entry["description"])
        for entry in json.loads(EXAMPLES.read_text(encoding="utf-8"))
    )


def opening_request(example: Example) -> Request:
    """The question that an example asks when nobody has turned a knob."""
    kept = suggested_kept_classes(len(parse_classes(example.classes)))
    return check_request(example.path, example.classes, kept_classes=kept)
