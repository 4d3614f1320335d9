"""Settings of training: the published ones, and errseg-lite's."""

from dataclasses import dataclass

from errseg.config import LiteConfig, ModelConfig
from errseg.errors import InputError


@dataclass(frozen=True)
class TrainConfig:
    """Settings of one training run; saved beside its weights."""

    steps: int = 80_000
    cost_steps: int = 0  # first steps that train the cost maps only: cheap, no decoder runs
    batch: int = 4
    crop: int = 640  # pixels of a side
    kept_classes: int = 32  # P
    vocabulary: int = 0  # classes of a step's vocabulary, present ones included; 0 is all of them
    whole_lists: bool = False  # with them every class of the sets that the crops are from
    same_set: int = 1  # crops of a batch in a row that come from one set
    balance: float = 0.0  # share of crops for which a class is drawn first, then its photo
    imagenet_share: float = 0.0  # share of the vocabulary's absent classes that ImageNet gives
    similar: float = 0.45  # cosine of text embeddings above which an ImageNet name is no negative
    rate: float = 2e-4
    clip_rate: float = 0.01  # of the towers' fine-tuned parameters, relative to `rate`
    trunk_rate: float = 0.0  # of lite's stages at strides 16 and 32, relative to `rate`
    residual_rate: float = 1.0  # of lite's residual, relative to `rate`
    weight_decay: float = 1e-4
    warm_up: int = 1000  # steps
    positive_weight: float = 1.0
    cost_loss: float = 0.0  # weight of the loss on the stride-16 cost maps
    anchor: float = 0.0  # weight of the pull to ConSE where no label says otherwise (lite)
    ranking: float = 0.0  # weight of the cross-entropy between classes, beside the binary one
    ranking_scale: float = 24.0  # logit of a cosine in that cross-entropy
    balance_power: float = 0.0  # 0 counts every pixel of a crop alike, 1 every class of it
    cost_scale: float = 12.0  # logit of a cosine: scale * cosine - offset
    cost_offset: float = 4.0
    ignored_is_negative: bool = True  # published: ignored pixels have all-zero targets
    average: float = 0.0  # decay of the exponential moving average of the weights; 0 is none
    clip_gradient: float = 1.0
    copy_paste: float = 0.0  # probability of a thing of another set pasted onto a labelled scene
    zoom: float = 2.0  # most that a crop magnifies a photo, over the whole photo's short side
    held_out: tuple[str, ...] = ()  # class names kept out of training
    broader: int = 0  # broader names of present classes in a step's vocabulary (a lion: animal)
    expanded: float = 0.0  # share of prompts with hypernyms behind the name: lion, big cat, animal
    bfloat16: bool = False  # compute in bfloat16 (autocast); the weights stay float32
    start: str = ""  # a weights file to go on from; the towers' public weights if empty
    seed: int = 0
    save_every: int = 500  # steps


PUBLISHED = TrainConfig()  # the paper's training of errseg-base and errseg-large

LITE = TrainConfig(
    steps=2000,
    batch=8,
    crop=256,
    kept_classes=12,
    vocabulary=128,
    whole_lists=True,
    same_set=4,
    balance=0.7,
    imagenet_share=0.25,
    rate=6e-4,  # at 2e-3 ESCF's tokens grow without bound
    trunk_rate=0.1,
    weight_decay=0.02,
    warm_up=150,
    positive_weight=2.0,
    cost_loss=0.5,
    anchor=0.1,
    ranking=1.0,
    balance_power=0.5,
    ignored_is_negative=False,
    average=0.998,
    copy_paste=0.2,
    broader=3,
    expanded=0.1,
)
"""Training of errseg-lite on two CPU cores, once its cost maps are trained: see the commands in
assets/errseg-lite/TRAINING.md."""

LITE_ONLY = ("similar", "trunk_rate", "residual_rate", "anchor", "expanded")
CLIP_ONLY = ("clip_rate",)


def check_settings(config: TrainConfig, model: ModelConfig) -> None:
    """Refuse settings that a model's towers have no use for with an `InputError`."""
    foreign = CLIP_ONLY if isinstance(model.towers, LiteConfig) else LITE_ONLY
    given = [name for name in foreign if getattr(config, name) != getattr(PUBLISHED, name)]
    if given:
        raise InputError(
            f"{model.name} has no use for {', '.join(given).replace('_', '-')}; leave it out."
        )
