"""Text embeddings that ship with a model's weights, so that its first question takes no text time.

``python -m errseg embed`` writes them. A file holds one row a word: the weighted sum of all that is
read for it, in 16 bits. It says of which weights its rows are, how they were prompted, and for each
word what was read (a rare word's hypernyms stand behind it); a row whose words or weights are
others is not used, and a file that was changed is refused.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from errseg.checkpoints.sealed import WEIGHTS_KEY, read_sealed, write_sealed
from errseg.config import EMBEDDED_TEXT, ClipConfig, LiteConfig, shipped_with
from errseg.network.model import ERRSeg

Readings = Mapping[str, str]
"""Words -> what the text tower reads for each, the word itself or the word with its hypernyms."""

ROWS = "rows"  # the tensor's name: (N, C), rows in the order of the words
PROMPTING_KEY, READINGS_KEY = "prompting", "readings"


class ShippedText:
    """Rows by word and reading; empty where none fit a model.

    Args:
        readings: of the words, in the order of the rows.
        rows: (N, C).
    """

    def __init__(self, readings: Readings, rows: Tensor):
        self._places = {pair: place for place, pair in enumerate(readings.items())}
        self._rows = rows

    def __len__(self) -> int:
        return len(self._places)

    def known(self, readings: Readings) -> dict[str, Tensor]:
        """Return the rows (C,) of those words that are read as they were when it was written."""
        places = ((word, self._places.get((word, read))) for word, read in readings.items())
        return {word: self._rows[place] for word, place in places if place is not None}


def no_text() -> ShippedText:
    """Return what ships where nothing does."""
    return ShippedText({}, torch.empty(0))


def shipped_text(model: ERRSeg) -> ShippedText:
    """Read what ships with a model's weights: nothing, if they are not those that ship.

    Raises:
        InputError: the file can't be read, or was changed after it was written.
    """
    path = shipped_with(model.weights_hash, EMBEDDED_TEXT)
    return read_text(path, model) if path else no_text()


def read_text(path: Path, model: ERRSeg) -> ShippedText:
    """Read a file that `write_text` wrote; nothing, if it was written for something else.

    Raises:
        InputError: it can't be read, or was changed after it was written.
    """
    found = read_sealed(path, _origin(model), "embed")
    if found is None:
        return no_text()
    tensors, metadata = found
    return ShippedText(json.loads(metadata[READINGS_KEY]), tensors[ROWS].float().to(model.device))


def write_text(path: Path, model: ERRSeg, readings: Readings, rows: Mapping[str, Tensor]) -> None:
    """Write the rows (C,) of some words, to be read for the same weights and prompting only."""
    ordered = torch.stack([rows[word] for word in readings])
    metadata = {**_origin(model), READINGS_KEY: json.dumps(dict(readings), ensure_ascii=False)}
    write_sealed(path, {ROWS: ordered.to(torch.float16)}, metadata)


def _origin(model: ERRSeg) -> dict[str, str]:
    """Say all that a row depends on besides its word and reading."""
    return {WEIGHTS_KEY: model.weights_hash, PROMPTING_KEY: _prompting(model.config.towers)}


def _prompting(towers: ClipConfig | LiteConfig) -> str:
    share = towers.hypernyms_share if isinstance(towers, LiteConfig) else 0.0
    return json.dumps({"templates": list(towers.templates), "hypernyms_share": share})
