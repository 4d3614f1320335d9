"""What a weights file tells without its network being loaded: its configuration and its hash."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

from safetensors import SafetensorError, safe_open

from errseg.config import (
    EMBEDDED,
    Calibration,
    ClipConfig,
    HeadConfig,
    LiteConfig,
    ModelConfig,
    model_config,
)
from errseg.errors import InputError

CONFIG_KEY = "config"
"""The configuration's place in a safetensors file's metadata."""
OWN_ENDING = ".safetensors"
"""Ending of the files that `save_model` writes."""
EARLIER_TOWERS = {"reliance": "conse_weight", "looks": "views"}
EARLIER_CALIBRATION = {
    "score_scale": "scale",
    "score_bias": "bias",
    "score_competition": "competition",
    "threshold": "threshold",
}
"""Fields that earlier files, the embedded one among them, have under other names."""
HELD_OUT_FILE = "held_out.txt"
"""Beside weights from before configurations had `ModelConfig.held_out`: its names, one a line."""


def check_weights_ending(path: Path) -> None:
    """Refuse a file to write weights to that `load_model` would take for another kind.

    Raises:
        InputError: it doesn't end in `OWN_ENDING`.
    """
    if path.suffix != OWN_ENDING:
        raise InputError(f"Weights are written as {OWN_ENDING}; {path.name} ends otherwise.")


def config_as_json(config: ModelConfig) -> str:
    """Write a configuration as a weights file carries it."""
    return json.dumps(dataclasses.asdict(config))


def config_from_metadata(metadata: dict[str, str] | None, path: Path) -> ModelConfig:
    """Read a configuration from a weights file's metadata.

    Args:
        metadata: as safetensors returns it.
        path: the file's; `HELD_OUT_FILE` beside it counts if the configuration lacks the field.

    Raises:
        InputError: there is none, or it was written for another version.
    """
    if CONFIG_KEY not in (metadata or {}):
        raise InputError(
            f"{path.name} holds no ERR-Seg configuration; give a file that save_model wrote."
        )
    try:
        fields = {"held_out": _held_out_beside(path), **json.loads(metadata[CONFIG_KEY])}
        towers = {EARLIER_TOWERS.get(k, k): v for k, v in fields.pop("towers").items()}
        earlier = {
            new: fields.pop(old) for old, new in EARLIER_CALIBRATION.items() if old in fields
        }
        parts = {
            "towers": _dataclass(ClipConfig if "open_clip_name" in towers else LiteConfig, towers),
            "head": _dataclass(HeadConfig, fields.pop("head")),
            "calibration": _dataclass(Calibration, fields.pop("calibration", earlier)),
        }
        return _dataclass(ModelConfig, {**fields, **parts})
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path.name} was written for another version ({error}).") from None


def advised_threshold(model: str | Path) -> float:
    """Read the threshold that a model advises, without its tensors and without torch.

    Args:
        model: a name of `list_models`, or a weights file; the released checkpoints advise none.

    Returns:
        a score in [0, 1]; 0, which refuses no pixel, where no threshold is advised.

    Raises:
        InputError: there is no such model, or a file of ours is not what it should be.
    """
    path = Path(EMBEDDED.get(str(model), model))
    if not path.suffix:
        return model_config(str(model)).calibration.threshold
    if path.suffix != OWN_ENDING:
        return 0.0
    try:
        with safe_open(path, framework="numpy") as file:
            return config_from_metadata(file.metadata(), path).calibration.threshold
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path.name} is not a safetensors file ({error}).") from None


def file_hash(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal, as ``sha256sum`` prints it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _held_out_beside(path: Path) -> list[str]:
    listing = path.with_name(HELD_OUT_FILE)
    return listing.read_text(encoding="utf-8").splitlines() if listing.is_file() else []


def _dataclass(kind: type, fields: dict) -> object:
    return kind(**{name: _as_tuples(value) for name, value in fields.items()})


def _as_tuples(value: object) -> object:
    return tuple(map(_as_tuples, value)) if isinstance(value, list) else value
