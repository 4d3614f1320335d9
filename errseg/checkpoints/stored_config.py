"""What a weights file tells without its network being loaded: its configuration and its hash."""

import hashlib
import json
from pathlib import Path

from safetensors import SafetensorError, safe_open

from errseg.checkpoints.file_kinds import check_kind
from errseg.checkpoints.hub import OWN_ENDING
from errseg.checkpoints.sources import offered_metadata, weights_here
from errseg.config import (
    EMBEDDED,
    Calibration,
    ClipConfig,
    HeadConfig,
    LiteConfig,
    ModelConfig,
    list_models,
    model_config,
)
from errseg.errors import InputError

CONFIG_KEY = "config"  # the configuration's place in a safetensors file's metadata
LONGEST_CONFIG = 10**6
"""Characters of a configuration; the embedded file's has 5,000, most of them trained words."""
LONGEST_QUOTE = 200  # characters of another error's message
EARLIER_TOWERS = {"reliance": "conse_weight", "looks": "views"}
EARLIER_CALIBRATION = ("score_scale", "score_bias", "score_competition", "threshold")
"""Fields that earlier files, the embedded one among them, have elsewhere or under other names."""
HELD_OUT_FILE = "held_out.txt"
"""Beside weights from before configurations had `ModelConfig.held_out`: its names, one a line."""


def check_weights_ending(path: Path) -> None:
    """Refuse a file to write weights to, with an `InputError`, that doesn't end in `OWN_ENDING`.

    `load_model` would take it for another kind.
    """
    if path.suffix != OWN_ENDING:
        raise InputError(f"Weights are written as {OWN_ENDING}; {path.name} ends otherwise.")


def config_from_metadata(metadata: dict[str, str] | None, path: Path) -> ModelConfig:
    """Read a configuration from a weights file's metadata, as safetensors returns it.

    `HELD_OUT_FILE` beside the file counts if the configuration lacks the field.

    Raises:
        InputError: there is none, it was written for another version, or a field holds what it
            can't; the message names the file and the field.
    """
    if CONFIG_KEY not in (metadata or {}):
        raise InputError(
            f"{path.name} holds no ERR-Seg configuration; give a file that save_model wrote."
        )
    text = metadata[CONFIG_KEY]
    if len(text) > LONGEST_CONFIG:
        raise InputError(
            f"{path.name} holds a configuration of {len(text):,} characters; "
            f"at most {LONGEST_CONFIG:,} are possible."
        )
    try:
        stored = json.loads(text)
        fields = _as_tuples({"held_out": _held_out_beside(path), **stored})
        towers = {EARLIER_TOWERS.get(k, k): v for k, v in fields.pop("towers").items()}
        moved = [field for field in EARLIER_CALIBRATION if field in fields]
        earlier = {field.removeprefix("score_"): fields.pop(field) for field in moved}
        return ModelConfig(
            towers=(ClipConfig if "open_clip_name" in towers else LiteConfig)(**towers),
            head=HeadConfig(**fields.pop("head")),
            calibration=Calibration(**fields.pop("calibration", earlier)),
            **fields,
        )
    except (AttributeError, KeyError, TypeError, json.JSONDecodeError) as error:
        what = _one_line(error)
        raise InputError(f"{path.name} was written for another version ({what}).") from None
    except (ValueError, RecursionError) as error:
        what = _one_line(error)
        raise InputError(f"{path.name} holds a configuration that can't be: {what}.") from None


def advised_threshold(model: str | Path) -> float:
    """Read the threshold that a model's name or file advises, without torch.

    It is a score in [0, 1]; 0, which refuses no pixel, where none is advised, as by the released
    checkpoints.

    Raises:
        InputError: see `stored_config`.
    """
    config = stored_config(model)
    return config.calibration.threshold if config else 0.0


def stored_config(model: str | Path) -> ModelConfig | None:
    """Read the configuration of a model's name or file, without torch; released files have none.

    Of files that lie on the Hub no more than this is fetched.

    Raises:
        InputError: there is no such model, or a file of ours is not what it should be.
    """
    if (name := str(model)) in list_models() and name not in EMBEDDED:
        return model_config(name)
    path = weights_here(model)
    if path is None:
        metadata = offered_metadata(name)
        return None if metadata is None else config_from_metadata(metadata, Path(name))
    if path.suffix != OWN_ENDING:
        return None
    try:
        check_kind(path)
        with safe_open(path, framework="numpy") as file:
            return config_from_metadata(file.metadata(), path)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path.name} is not a safetensors file ({error}).") from None


def file_hash(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal, as ``sha256sum`` prints it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _one_line(error: Exception) -> str:
    """Quote an error, which may itself quote a name in the file: text of any length."""
    return " ".join(f"{error!s:.{LONGEST_QUOTE}}".split())


def _held_out_beside(path: Path) -> list[str]:
    listing = path.with_name(HELD_OUT_FILE)
    return listing.read_text(encoding="utf-8").splitlines() if listing.is_file() else []


def _as_tuples(value: object) -> object:
    if isinstance(value, dict):
        return {name: _as_tuples(inner) for name, inner in value.items()}
    return tuple(map(_as_tuples, value)) if isinstance(value, list) else value
