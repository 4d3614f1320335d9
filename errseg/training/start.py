"""The model that a run begins with."""

from collections.abc import Sequence

import torch

from errseg.checkpoints.weights import load_for_training
from errseg.config import model_config
from errseg.errors import InputError
from errseg.network.model import ERRSeg, build_model
from errseg.training.ablations import with_head
from errseg.training.config import LiteRecipe, PublishedRecipe, fits, recipe_name


def starting_model(
    name: str, recipe: LiteRecipe | PublishedRecipe, head: Sequence[str] = ()
) -> ERRSeg:
    """Build the model that a run begins with.

    A head that is changed begins with random weights, as does any with ``fresh_head``.

    Args:
        name: of `list_models`; empty for that of the weights to start from.
        recipe: says whether there are such, and seeds what is random.
        head: changes of the model's head, see `errseg.training.ablations.with_head`.

    Raises:
        InputError: there is no such model, weights or head, the weights are another model's, the
            recipe is not for it, or its towers' public weights can't be had.
    """
    torch.manual_seed(recipe.run.seed)
    start = load_for_training(recipe.run.start) if recipe.run.start else None
    if start and name and start.config.name != name:
        raise InputError(f"{recipe.run.start} is {start.config.name}, not {name}.")
    config = with_head(start.config if start else model_config(name), head)
    if not fits(recipe, config.towers):
        raise InputError(f"The {recipe_name(recipe)} recipe is not for {config.name}.")
    if start and config == start.config and not recipe.run.fresh_head:
        return start
    torch.manual_seed(recipe.run.seed)  # whatever was loaded, a fresh head is the same
    model = build_model(config)
    if start is None:
        model.towers.load_public_weights(config.clip_weights)
    else:
        model.towers.load_state_dict(start.towers.state_dict())
        model.towers.take_metadata(start.towers.metadata())
    return model
