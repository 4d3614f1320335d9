"""Settings of training: the published recipe, and errseg-lite's.

A recipe nests what belongs together. Every setting has a name of its own, so that the command line
and `with_settings` need not say where it stands.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from errseg.config import BETA, KEPT_CLASSES, VOTES_PER_PIXEL, ClipConfig, LiteConfig
from errseg.device import AUTOMATIC, FLOAT32
from errseg.errors import InputError


def _setting(default: Any, meaning: str) -> Any:
    """Declare a setting with what `train --help` says of it."""
    return field(default=default, metadata={"meaning": meaning})


@dataclass(frozen=True)
class Run:
    """How long a run is, where it starts, and what it computes in."""

    steps: int = _setting(80_000, "how many there are")
    batch: int = _setting(4, "photos of a step, of all processes together")
    accumulate: int = _setting(
        1, "parts that a process takes its share of a step in, to save memory"
    )
    precision: str = _setting(AUTOMATIC, "what is computed in (autocast); the weights stay float32")
    start: str = _setting("", "weights to go on from; the towers' public weights if empty")
    fresh_head: bool = _setting(
        False, "take the towers of the start only, under a head of random weights"
    )
    seed: int = _setting(0, "of what is drawn: crops, words, dropped paths")
    save_every: int = _setting(500, "steps between checkpoints")


@dataclass(frozen=True)
class Selection:
    """CRM in training: of every photo the classes present are kept, the others by their votes."""

    kept_classes: int = _setting(KEPT_CLASSES, "P, classes that CRM keeps")
    votes_per_pixel: int = _setting(VOTES_PER_PIXEL, "K, classes that vote at one pixel")
    beta: float = _setting(BETA, "CRM's score coefficient")


@dataclass(frozen=True)
class Optimiser:
    """AdamW; a linear warm-up, then a cosine to 0; by default the published one."""

    rate: float = _setting(2e-4, "learning rate of AdamW")
    weight_decay: float = _setting(1e-4, "AdamW's")
    warm_up: int = _setting(1000, "steps in which the rate rises")
    warm_up_from: float = _setting(0.001, "share of the rate at the first step")
    clip_gradient: float = _setting(0.0, "largest norm of the gradient; 0 is any")
    average: float = _setting(
        0.0, "decay of the exponential moving average of the weights; 0 is none"
    )


@dataclass(frozen=True)
class PublishedCrops:
    """Photos resized and cropped as published; the classes are those that the sets list."""

    crop: int = _setting(640, "pixels of a side; smaller photos are padded")
    shortest_edge: int = _setting(640, "of a photo before it is cropped, pixels")
    longest_edge: int = _setting(2560, "most of it then, pixels")
    category_area: float = _setting(
        1.0, "largest share of a crop for one class, in ten tries; 1 is any"
    )
    colours: bool = _setting(True, "varied as SSD does it (Liu et al. 2016)")
    flip: float = _setting(0.5, "share of crops that are mirrored")
    held_out: tuple[str, ...] = _setting((), "class names kept out of training")


@dataclass(frozen=True)
class LiteCrops:
    """Which photos errseg-lite sees, and how they are cropped."""

    crop: int = _setting(256, "pixels of a side")
    zoom: float = _setting(
        2.0, "most that a crop magnifies a photo, over the whole photo's short side"
    )
    same_set: int = _setting(4, "crops of a batch in a row that come from one set")
    balance: float = _setting(
        0.7, "share of crops for which a class is drawn first, then its photo"
    )
    copy_paste: float = _setting(
        0.2, "probability of a thing of another set pasted onto a labelled scene"
    )
    mix: float = _setting(
        0.0, "probability of half of another labelled scene's classes laid over one (ClassMix)"
    )
    held_out: tuple[str, ...] = _setting((), "class names kept out of training")


@dataclass(frozen=True)
class LiteWords:
    """Which words a step of errseg-lite asks about."""

    vocabulary: int = _setting(128, "T, present classes included; 0 is all of them")
    whole_lists: bool = _setting(True, "with them every class of the sets that the crops are from")
    imagenet_share: float = _setting(
        0.25, "share of the vocabulary's absent classes that ImageNet gives"
    )
    similar: float = _setting(
        0.45, "cosine of text embeddings above which an ImageNet name is no negative"
    )
    broader: int = _setting(
        3, "broader names of present classes in a step's vocabulary (a lion: animal)"
    )
    expanded: float = _setting(
        0.1, "share of prompts with hypernyms behind the name: lion, big cat, animal"
    )
    unseen: float = _setting(
        0.0, "share of names that the decoder meets as if training had never seen them (CapDec)"
    )


@dataclass(frozen=True)
class LiteLosses:
    """How errseg-lite is judged; see `errseg.training.losses`."""

    positive_weight: float = _setting(2.0, "of a class that is right, in the binary cross-entropy")
    ignored_is_negative: bool = _setting(False, "undecided pixels count as wrong for every class")
    balance_power: float = _setting(
        0.5, "0 counts every pixel of a crop alike, 1 every class of it"
    )
    ranking: float = _setting(
        1.0, "weight of the cross-entropy between classes, beside the binary one"
    )
    ranking_scale: float = _setting(24.0, "logit of a cosine in that cross-entropy")
    cost_loss: float = _setting(0.5, "weight of the loss on the stride-16 cost maps")
    cost_scale: float = _setting(
        12.0, "logit of a cosine on the cost maps: cost-scale * cosine - cost-offset"
    )
    cost_offset: float = _setting(4.0, "what is taken off it, see cost-scale")
    anchor: float = _setting(0.1, "weight of the pull to ConSE where no label says otherwise")
    cost_steps: int = _setting(
        0, "first steps that train the cost maps only: cheap, no decoder runs"
    )


@dataclass(frozen=True)
class LiteRates:
    """How fast the parts of errseg-lite's towers learn, relative to the rate of the rest."""

    trunk_rate: float = _setting(0.1, "the stages' at strides 16 and 32, relative to the rate")
    residual_rate: float = _setting(1.0, "the residual's, relative to the rate")
    always_dropped: bool = _setting(
        False, "the residual's channels are dropped even while the towers don't learn (dropout)"
    )


@dataclass(frozen=True)
class Recipe:
    """What the recipes share."""

    run: Run = field(default_factory=Run)
    selection: Selection = field(default_factory=Selection)
    optimiser: Optimiser = field(default_factory=Optimiser)


@dataclass(frozen=True)
class PublishedRecipe(Recipe):
    """The paper's training of errseg-base and errseg-large (section 4 and published code)."""

    data: PublishedCrops = field(default_factory=PublishedCrops)
    clip_rate: float = _setting(0.01, "of what is tuned of CLIP, relative to the rate")


@dataclass(frozen=True)
class LiteRecipe(Recipe):
    """Training of errseg-lite on two CPU cores, once its cost maps are trained.

    See the commands in assets/errseg-lite/TRAINING.md.
    """

    run: Run = field(default_factory=lambda: Run(steps=2000, batch=8, precision=FLOAT32))
    selection: Selection = field(default_factory=lambda: Selection(kept_classes=12))
    optimiser: Optimiser = field(
        default_factory=lambda: Optimiser(
            rate=6e-4,  # at 2e-3 ESCF's tokens grow without bound
            weight_decay=0.02,
            warm_up=150,
            warm_up_from=0.01,
            clip_gradient=1.0,
            average=0.998,
        )
    )
    data: LiteCrops = field(default_factory=LiteCrops)
    words: LiteWords = field(default_factory=LiteWords)
    losses: LiteLosses = field(default_factory=LiteLosses)
    towers: LiteRates = field(default_factory=LiteRates)


AnyRecipe = TypeVar("AnyRecipe", PublishedRecipe, LiteRecipe)


def settings_of(recipe: Recipe) -> dict[str, Any]:
    """List a recipe's settings, name -> value, in their order."""
    return {setting.name: getattr(part, setting.name) for part, setting in _leaves(recipe)}


def meanings_of(recipe: Recipe) -> dict[str, str]:
    """Say what a recipe's settings are, by name."""
    return {setting.name: setting.metadata["meaning"] for _, setting in _leaves(recipe)}


def with_settings(recipe: AnyRecipe, changes: Mapping[str, Any] | None = None) -> AnyRecipe:
    """Return a recipe with some settings changed, wherever in it they stand.

    Raises:
        InputError: it has no such setting.
    """
    changes = dict(changes or {})
    if unknown := [name for name in changes if name not in settings_of(recipe)]:
        options = ", ".join(name.replace("_", "-") for name in unknown)
        raise InputError(
            f"The {recipe_name(recipe)} recipe has no use for {options}; leave it out."
        )
    return _changed(recipe, changes)


def recipe_name(recipe: Recipe) -> str:
    """Name a recipe for people."""
    return "published" if isinstance(recipe, PublishedRecipe) else "errseg-lite's"


def fits(recipe: Recipe, towers: ClipConfig | LiteConfig) -> bool:
    """Say whether a recipe is for a model with these towers."""
    return isinstance(recipe, LiteRecipe) == isinstance(towers, LiteConfig)


def _leaves(part: Any) -> Iterator[tuple[Any, dataclasses.Field]]:
    for setting in dataclasses.fields(part):
        value = getattr(part, setting.name)
        if dataclasses.is_dataclass(value):
            yield from _leaves(value)
        else:
            yield part, setting


def _changed(part: Any, changes: Mapping[str, Any]) -> Any:
    values = {setting.name: getattr(part, setting.name) for setting in dataclasses.fields(part)}
    return dataclasses.replace(
        part,
        **{
            name: _changed(value, changes) if dataclasses.is_dataclass(value) else changes[name]
            for name, value in values.items()
            if dataclasses.is_dataclass(value) or name in changes
        },
    )


PUBLISHED = PublishedRecipe()
LITE = LiteRecipe()
FINE_TUNING = _changed(
    LITE,
    {
        "steps": 300,
        "rate": 3e-4,
        "warm_up": 30,
        "average": 0.98,
        "anchor": 0.0,
        "imagenet_share": 0.0,
        "vocabulary": 0,
        "save_every": 100,
    },
)
"""errseg-lite on a folder of a person's own masks, in some minutes: see README, Fine-tune."""
RECIPES: Mapping[str, PublishedRecipe | LiteRecipe] = {
    "published": PUBLISHED,
    "lite": LITE,
    "fine-tune": FINE_TUNING,
}
