"""The stored opening: the page paints a finished example before anything is computed.

``python -m errseg.demo.page.opening`` computes the first example with the embedded weights and
writes it to ``examples/opening.json``; run it after the weights have changed. A stored opening of
other weights or of another question is not shown; the page computes it then.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from errseg.checkpoints.stored_config import file_hash
from errseg.config import EMBEDDED, EXAMPLES
from errseg.demo.backend import view
from errseg.demo.backend.examples import Example, load_examples, opening_request
from errseg.demo.backend.models import Models
from errseg.demo.backend.service import Service
from errseg.demo.page import html
from errseg.inference.photo import load_image

FILE = EXAMPLES.with_name("opening.json")
FORMAT = "errseg-opening-4"
"""What `write_opening` writes; change it with what the scripts of the panels read."""
QUERIES_STORED = 700_000
"""Characters of the stored queries and keys; those of further classes are asked for."""


@dataclass(frozen=True)
class Opening:
    """What the panels show of the first example."""

    masks: dict  # `view.masks`
    ranking: dict  # `view.ranking`
    attention: dict  # `view.attention`
    queries: dict  # `view.queries`
    timing: str  # how long it took, and on what


def load_opening(example: Example, model: str, file: Path = FILE) -> Opening | None:
    """Read the stored opening, or None if there is none for this example and model.

    Args:
        example: the example that the page opens on.
        model: the model's name; only those whose weights ship with the code are stored.
        file: where it is stored.
    """
    weights = EMBEDDED.get(model)
    if weights is None or not weights.is_file() or not file.is_file():
        return None
    stored = json.loads(file.read_text(encoding="utf-8"))
    if stored.pop("question", None) != _question(example, weights):
        return None
    opening = Opening(**stored)
    opening.masks["photo"] = view.photo_picture(load_image(example.path))
    return opening


def write_opening(example: Example, model: str, file: Path = FILE) -> None:
    """Compute an example with an embedded model and store it; the photo itself is not stored."""
    service = Service(Models(model, "cpu"), opening_request(example))
    answer, attention = service.opening()
    opening = Opening(
        masks={**view.masks(answer), "photo": ""},
        ranking=view.ranking(answer),
        attention=view.attention(attention),
        queries=view.queries(attention, QUERIES_STORED)[0],
        timing=html.timing(answer, service.device),
    )
    stored = {"question": _question(example, EMBEDDED[model]), **asdict(opening)}
    text = json.dumps(stored, separators=(",", ":"), ensure_ascii=True)
    file.write_text(text + "\n", encoding="utf-8")


def _question(example: Example, weights: Path) -> dict:
    """All that the stored answer depends on."""
    return {
        "format": FORMAT,
        "weights": file_hash(weights),
        "photo": file_hash(example.path),
        "classes": example.classes,
    }


def main() -> None:
    """Store the opening of the embedded model."""
    (model,) = EMBEDDED
    write_opening(load_examples()[0], model)
    print(f"Wrote {FILE.name}, {FILE.stat().st_size / 1000:.0f} kB.")


if __name__ == "__main__":
    main()
