"""The released checkpoints' file and ours, one into the other, with no weight changed."""

import dataclasses
from pathlib import Path

import torch

from errseg.checkpoints.hub import ENDINGS
from errseg.checkpoints.stored_config import OWN_ENDING
from errseg.checkpoints.weights import load_model, released_variant, save_model
from errseg.checkpoints.whole_files import write_whole
from errseg.config import ClipConfig, ModelConfig
from errseg.errors import InputError
from errseg.network.published import published_name

RELEASED_ENDINGS = tuple(ending for ending in ENDINGS if ending != OWN_ENDING)
WEIGHTS_ENTRY = "model"  # where detectron2 checkpoints, as the released ones are, have tensors
WITHOUT_MEANING = ("name", "description", "clip_weights")
"""Fields of a configuration that change nothing of what its model answers."""
OF_TRAINING = ("drop_path", "text_guidance_dropout")  # fields of the head that only training reads


def convert(source: Path, target: Path) -> tuple[str, ...]:
    """Write a released ``.pth`` as our ``.safetensors``, or ours as a released one.

    Every weight stays as it is: loaded again, both give the same numbers. A released checkpoint
    holds exactly the released tensors, under the released names, in float32.

    Returns:
        what the source has and a released checkpoint has no place for: fields of `ModelConfig`
        that aren't as its variant has them. None when ours is written.

    Raises:
        InputError: the endings are not one of each kind, the source can't be loaded, or it is no
            released variant, such as errseg-lite.
    """
    check_conversion(source, target)
    model = load_model(source)
    if target.suffix == OWN_ENDING:
        save_model(model, target, exact=True)
        return ()
    left = _left_out(model.config, source)
    tensors = {published_name(name): t.contiguous() for name, t in model.state_dict().items()}
    write_whole(target, lambda partial: torch.save({WEIGHTS_ENTRY: tensors}, partial))
    return left


def check_conversion(source: Path, target: Path) -> None:
    """Refuse names that aren't one of each kind with an `InputError`."""
    for file in (source, target):
        if file.suffix not in ENDINGS:
            raise InputError(f"{file.name} must end in {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}.")
    if (source.suffix == OWN_ENDING) == (target.suffix == OWN_ENDING):
        other = RELEASED_ENDINGS[0] if target.suffix == OWN_ENDING else OWN_ENDING
        raise InputError(
            f"{source.name} and {target.name} are of one kind; let one of them end in {other}."
        )


def _left_out(config: ModelConfig, source: Path) -> tuple[str, ...]:
    """List what loading a released checkpoint would not give back."""
    released = None
    if isinstance(config.towers, ClipConfig):
        released = released_variant(config.towers.embedding)
    if released is None:
        raise InputError(
            f"{source.name} holds {config.name}, which has no released form; "
            "only errseg-base and errseg-large have one."
        )
    settings = {name: getattr(released.head, name) for name in OF_TRAINING}
    if (config.towers, dataclasses.replace(config.head, **settings)) != (
        released.towers,
        released.head,
    ):
        raise InputError(
            f"{source.name} is not {released.name} as released: parts of its network differ."
        )
    fields = [f.name for f in dataclasses.fields(ModelConfig) if f.name not in WITHOUT_MEANING]
    return tuple(name for name in fields if getattr(config, name) != getattr(released, name))
