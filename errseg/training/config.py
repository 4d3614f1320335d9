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


@dataclass(frozen=True)
class Run:
    """How long a run is, where it starts, and what it computes in."""

    steps: int = 80_000
    batch: int = 4  # photos of a step, of all processes together
    accumulate: int = 1  # parts that a process takes its share of a step in, to save memory
    precision: str = AUTOMATIC  # of the computation (autocast); the weights stay float32
    start: str = ""  # weights to go on from; the towers' public weights if empty
    fresh_head: bool = False  # take the towers of the start only, under a head of random weights
    seed: int = 0
    save_every: int = 500  # steps between checkpoints


@dataclass(frozen=True)
class Selection:
    """CRM in training: of every photo the classes present are kept, the others by their votes."""

    kept_classes: int = KEPT_CLASSES  # P
    votes_per_pixel: int = VOTES_PER_PIXEL  # K
    beta: float = BETA


@dataclass(frozen=True)
class Optimiser:
    """AdamW; a linear warm-up, then a cosine to 0; by default the published one."""

    rate: float = 2e-4
    weight_decay: float = 1e-4
    warm_up: int = 1000  # steps
    warm_up_from: float = 0.001  # share of the rate at the first step
    clip_gradient: float = 0.0  # largest norm of the gradient; 0 is any
    average: float = 0.0  # decay of the exponential moving average of the weights; 0 is none


@dataclass(frozen=True)
class PublishedCrops:
    """Photos resized and cropped as published; the classes are those that the sets list."""

    crop: int = 640  # pixels of a side; smaller photos are padded
    shortest_edge: int = 640  # that a photo is resized to before it is cropped
    longest_edge: int = 2560  # at most, then
    category_area: float = 1.0  # largest share of a crop for one class, in ten tries; 1 is any
    colours: bool = True  # vary them as SSD does (Liu et al. 2016)
    flip: float = 0.5  # share of crops that are mirrored
    held_out: tuple[str, ...] = ()  # class names kept out of training


@dataclass(frozen=True)
class LiteCrops:
    """Which photos errseg-lite sees, and how they are cropped."""

    crop: int = 256  # pixels of a side
    zoom: float = 2.0  # most that a crop magnifies a photo, over the whole photo's short side
    same_set: int = 4  # crops of a batch in a row that come from one set
    balance: float = 0.7  # share of crops for which a class is drawn first, then its photo
    copy_paste: float = 0.2  # probability of a thing of another set pasted onto a labelled scene
    held_out: tuple[str, ...] = ()  # class names kept out of training


@dataclass(frozen=True)
class LiteWords:
    """Which words a step of errseg-lite asks about."""

    vocabulary: int = 128  # T, present classes included; 0 is all of them
    whole_lists: bool = True  # with them every class of the sets that the crops are from
    imagenet_share: float = 0.25  # share of the vocabulary's absent classes that ImageNet gives
    similar: float = 0.45  # cosine of text embeddings above which an ImageNet name is no negative
    broader: int = 3  # broader names of present classes in a step's vocabulary (a lion: animal)
    expanded: float = 0.1  # share of prompts with hypernyms behind the name: lion, big cat, animal


@dataclass(frozen=True)
class LiteLosses:
    """How errseg-lite is judged; see `errseg.training.losses`."""

    positive_weight: float = 2.0
    ignored_is_negative: bool = False  # undecided pixels count as wrong for every class
    balance_power: float = 0.5  # 0 counts every pixel of a crop alike, 1 every class of it
    ranking: float = 1.0  # weight of the cross-entropy between classes, beside the binary one
    ranking_scale: float = 24.0  # logit of a cosine in that cross-entropy
    cost_loss: float = 0.5  # weight of the loss on the stride-16 cost maps
    cost_scale: float = 12.0  # logit of a cosine: scale * cosine - offset
    cost_offset: float = 4.0
    anchor: float = 0.1  # weight of the pull to ConSE where no label says otherwise
    cost_steps: int = 0  # first steps that train the cost maps only: cheap, no decoder runs


@dataclass(frozen=True)
class LiteRates:
    """How fast the parts of errseg-lite's towers learn, relative to the rate of the rest."""

    trunk_rate: float = 0.1  # of the stages at strides 16 and 32
    residual_rate: float = 1.0


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
    clip_rate: float = 0.01  # of what is fine-tuned of CLIP, relative to the rate of the rest


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


def kinds_of(recipe: Recipe) -> dict[str, type]:
    """List the types of a recipe's settings by name; a tuple is one of names."""
    return {name: type(value) for name, value in settings_of(recipe).items()}


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
