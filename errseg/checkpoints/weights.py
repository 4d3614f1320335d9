"""Names and files -> models: our safetensors files, and the released checkpoints.

Our file carries its own configuration and, for errseg-lite, its tokenizer, so a path is enough.
"""

import dataclasses
import json
from pathlib import Path
from typing import Self

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from errseg.checkpoints.checksum import (
    CHECKSUM_KEY,
    check_content,
    check_known,
    content_checksum,
)
from errseg.checkpoints.compilation import check_compilable, compile_network
from errseg.checkpoints.file_kinds import check_kind
from errseg.checkpoints.hub_address import SCHEME, HubAddress
from errseg.checkpoints.hub_model import HubModel
from errseg.checkpoints.quantized import dequantize, quantize
from errseg.checkpoints.sources import find_weights, weights_here
from errseg.checkpoints.stored_config import (
    CONFIG_KEY,
    OWN_ENDING,
    check_weights_ending,
    config_from_metadata,
    file_hash,
)
from errseg.checkpoints.whole_files import write_whole
from errseg.config import (
    MODELS,
    Calibration,
    ClipConfig,
    ModelConfig,
    list_models,
    with_current_settings,
)
from errseg.device import FLOAT32, find_device, find_precision
from errseg.errors import InputError
from errseg.network.model import ERRSeg, build_model
from errseg.network.published import check_tensors

NAME_SHOWN = 40  # characters of an entry of a file that nothing is known of
TOWERS = "towers."  # before the towers' names for their parameters, which know how they are stored
VARIANT_TENSOR = "sem_seg_head.clip_model.text_projection"
"""The released checkpoints' variants are told apart by this tensor's shape."""


class PretrainedERRSeg(HubModel):
    """A network with the weights of a file; what `load_model` returns."""

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | Path,
        *,
        revision: str | None = None,
        token: str | None = None,
        force_download: bool = False,
        local_files_only: bool = False,
        **settings: object,
    ) -> Self:
        """Load a model that `push_to_hub` or `save_pretrained` wrote, or any other of ours.

        Args:
            pretrained_model_name_or_path: ``owner/name`` on the Hub, a folder, or what `load_model`
                takes.
            revision: a commit, tag or branch there; the newest one by default.
            token: that shows a private repository; by default the one of ``hf auth login``.
            force_download: although it is here.
            local_files_only: never ask the Hub.
            settings: ``device``, ``precision`` and ``compile``, as for `load_model`.

        Raises:
            InputError: see `load_model`.
        """
        name = str(pretrained_model_name_or_path)
        if HubAddress.read(name) is None and not (Path(name).exists() or name in list_models()):
            name = SCHEME + name
        if (address := HubAddress.read(name)) is not None:
            name = str(dataclasses.replace(address, revision=revision or address.revision))
        if local_files_only and weights_here(name) is None:
            raise InputError(f"{name} isn't on this machine.")
        if not local_files_only:
            find_weights(name, again=force_download, token=token)
        return load_model(name, **settings)

    def save(self, path: Path) -> None:
        """Write a file of ours, see `save_model`."""
        save_model(self, path)


def load_model(
    name_or_path: str | Path,
    device: str | torch.device = "cpu",
    precision: str = FLOAT32,
    compile: bool = False,
) -> PretrainedERRSeg:
    """Load a model with its weights, in evaluation mode.

    Args:
        name_or_path: a name of `list_models`, the path of a released ``.pth`` or of our
            ``.safetensors``, a folder with one of them, or where it lies on the Hub:
            ``hf://owner/name[/file][@revision]``. What isn't in the Hub's cache is fetched, with a
            progress bar.
        device: where to put it, see `find_device`; "auto" is a GPU where there is one.
        precision: what it computes in, see `find_precision`; "auto" is the fastest.
        compile: on a CUDA GPU, let torch compile it: first calls take long, later ones less.

    Raises:
        InputError: there is no such model, file, device or precision, its weights aren't here and
            can't be fetched, the file is not what it should be or was changed since it was written,
            or it is to be compiled where that doesn't help.
    """
    device = find_device(device)
    dtype = find_precision(precision, device)
    if compile:
        check_compilable(device)
    if not isinstance(name_or_path, str | Path):
        what = f"{name_or_path!r:.{NAME_SHOWN}}"
        raise InputError(f"A model is given by its name or its file's path, not as {what}.")
    weights = find_weights(name_or_path)
    path = weights.path
    check_kind(path)
    weights_hash = file_hash(path)
    check_known(path, weights_hash)
    if path.suffix == OWN_ENDING:
        model = _load_safetensors(path, weights_hash)
    else:
        model = _load_released(path)
    if weights.variant not in ("", model.config.name):
        raise InputError(
            f"{weights.origin} holds {model.config.name}, not {weights.variant}; give the address "
            "of another file there."
        )
    model.weights_hash, model.weights_origin = weights_hash, weights.origin
    model = model.to(device).cast(dtype)
    return compile_network(model) if compile else model


def released_variant(width: int) -> ModelConfig | None:
    """Find the released variant whose text embeddings are so wide; None if there is none."""
    released = (config for config in MODELS if isinstance(config.towers, ClipConfig))
    return next((config for config in released if config.towers.embedding == width), None)


def load_for_training(name_or_path: str | Path, device: torch.device | str = "cpu") -> ERRSeg:
    """Load weights to train further or to calibrate: uncalibrated, with their preset's settings.

    See `errseg.config.with_current_settings`.

    Raises:
        InputError: see `load_model`.
    """
    model = load_model(name_or_path, device)
    config = with_current_settings(model.config)
    model.config = dataclasses.replace(config, calibration=Calibration())
    model.towers.config = config.towers
    return model


def save_model(model: ERRSeg, path: Path, exact: bool = False) -> None:
    """Write a model as one safetensors file with its configuration and a checksum of it all.

    Matrices are stored as float16, those that the towers name as int8 with a scale per row. A
    depth-wise kernel is small and stays float16.

    Args:
        model: with its weights.
        path: of the file; its folders are made.
        exact: store every tensor as it is instead, so that nothing is rounded.

    Raises:
        InputError: the file doesn't end in ``.safetensors``.
    """
    check_weights_ending(path)
    tensors, quantized = {}, tuple(TOWERS + name for name in model.towers.quantized)
    for name, tensor in model.state_dict().items():
        tensor = tensor.detach().cpu()
        if exact or tensor.ndim < 2:
            tensors[name] = tensor.contiguous()
        elif name.startswith(quantized) and tensor.shape[1] > 1:
            tensors |= quantize(name, tensor)
        else:
            tensors[name] = tensor.half().contiguous()
    config = json.dumps(dataclasses.asdict(model.config))
    metadata = {CONFIG_KEY: config, **model.towers.metadata()}
    metadata[CHECKSUM_KEY] = content_checksum(tensors, metadata)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, lambda partial: save_file(tensors, partial, metadata))


def _load_safetensors(path: Path, weights_hash: str) -> PretrainedERRSeg:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            stored = {name: file.get_tensor(name) for name in file.keys()}
    except SafetensorError as error:
        raise InputError(f"{path.name} is not a safetensors file ({error}).") from None
    check_content(stored, metadata, path, weights_hash)
    config = config_from_metadata(metadata, path)
    import timm  # takes a second

    if not timm.is_model(trunk := config.towers.trunk):
        raise InputError(f"{path.name} asks for an image tower unknown here: {trunk}.")
    try:
        with torch.device("meta"):
            model = build_model(config, PretrainedERRSeg)
    except Exception as error:  # timm and torch raise a dozen kinds for parts that don't fit
        raise InputError(
            f"{path.name} asks for a network that can't be built ({type(error).__name__})."
        ) from None
    if unknown := metadata.keys() - {CONFIG_KEY, CHECKSUM_KEY, *model.towers.metadata_keys}:
        raise InputError(f"{path.name} holds something unknown: {min(unknown):.{NAME_SHOWN}}.")
    tensors = _as_named_today(model, dequantize(stored))
    check_tensors(tensors, model.state_dict(), f"a complete {model.config.name}")
    model.load_state_dict(tensors, assign=True)
    model.towers.rebuild_buffers()
    try:
        model.towers.take_metadata(metadata)
    except ValueError as error:
        raise InputError(f"{path.name} {error}; give a file that save_model wrote.") from None
    return model


def _load_released(path: Path) -> PretrainedERRSeg:
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # torch raises a dozen kinds for a file that is not a checkpoint
        raise InputError(
            f"{path.name} can't be read as a PyTorch checkpoint ({type(error).__name__})."
        ) from None
    state_dict = checkpoint.get("model", checkpoint) if isinstance(checkpoint, dict) else None
    if not isinstance(state_dict, dict) or not isinstance(state_dict.get(VARIANT_TENSOR), Tensor):
        raise InputError(
            f"{path.name} is not a released ERR-Seg checkpoint: it has no {VARIANT_TENSOR}."
        )
    width = state_dict[VARIANT_TENSOR].shape[-1]
    config = released_variant(width)
    if config is None:
        raise InputError(f"{path.name} has text embeddings {width} wide; no variant has those.")
    with torch.device("meta"):
        model = build_model(config, PretrainedERRSeg)
    model.to_empty(device="cpu")
    model.towers.rebuild_buffers()
    model.load_published(state_dict)
    return model


def _as_named_today(model: ERRSeg, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Give tensors of an earlier file the names they have today, and add what it lacks."""
    for earlier, today in model.towers.earlier_names.items():
        old, new = TOWERS + earlier, TOWERS + today
        tensors = {name.replace(old, new): tensor for name, tensor in tensors.items()}
    zero = tuple(TOWERS + name for name in model.towers.zero_at_first)
    ours = model.state_dict().items()
    return {n: torch.zeros(t.shape) for n, t in ours if n.startswith(zero)} | tensors
