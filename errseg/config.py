"""Configurations: a frozen dataclass per part of the network, a preset per variant. No torch."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar, Self

from errseg.config_checks import check_divisible, check_fields
from errseg.errors import InputError

ARXIV = "2501.17642"  # the paper's number on arxiv.org
PAPER = f"https://arxiv.org/abs/{ARXIV}"
_ROOT = Path(__file__).resolve().parent.parent
EMBEDDED = {"errseg-lite": _ROOT / "assets/errseg-lite/model.safetensors"}
"""Variants whose weights ship with the code."""
EMBEDDED_SHA256 = {
    "errseg-lite": "b7bb05059628ec8e5d4c0aced38ddd02af00bc2de8d9f8b5560e66b340be06da"
}
"""The very files that ship, as ``sha256sum`` prints it: a damaged one answers nonsense in silence.
Whoever ships another file puts its hash here."""
EMBEDDED_TEXT = {name: path.with_name("text.safetensors") for name, path in EMBEDDED.items()}
"""Beside the weights: text embeddings of the words that the page offers."""
EMBEDDED_RIVALS = {name: path.with_name("rivals.json") for name, path in EMBEDDED.items()}
"""Beside the weights: how much hidden rivals take from a score (`errseg.inference.rivals`)."""
EMBEDDED_PRIORS = {name: path.with_name("priors.safetensors") for name, path in EMBEDDED.items()}
"""Beside the weights: places of photos on which words are tried (`errseg.inference.priors`)."""
EXAMPLES = _ROOT / "examples/examples.json"  # the list of example photos, with words that fit them

STRIDES = (4, 8, 16, 32)
"""Pixels of the photo between the cells of the network's grids: its logits have the first, CRM and
ESCF work on the third, and inputs are multiples of the last."""
KEPT_CLASSES = 32  # default P, classes that CRM keeps (paper, Table XIII: ADE20K-150 and training)
VOTES_PER_PIXEL = 3  # default K, classes that vote at one pixel (paper, Table VII)
BETA = 0.1  # default CRM score coefficient: rank r (from 0) votes with weight ``beta ** r``
SMALLEST_INPUT, LARGEST_INPUT = 128, 1024
"""Pixels of a side of the network's input that make sense for the models."""


@dataclass(frozen=True)
class ClipConfig:
    """CLIP's two towers: a ConvNeXt image tower and a causal text transformer (open_clip)."""

    open_clip_name: str  # open_clip's name for these sizes: training starts from its weights
    trunk: str  # timm's name of the image tower
    widths: tuple[int, int, int, int]  # channels at strides 4, 8, 16, 32
    embedding: int  # width C that pixels and text share
    projection: str  # "linear" or "mlp": from the trunk's last stage to the shared width
    text_width: int
    text_heads: int
    text_layers: int
    trained_words: ClassVar[tuple[str, ...]] = ()  # CLIP reads every word as it is
    context_length: int = 77  # tokens; longer prompts are cut
    templates: tuple[str, ...] = ("A photo of a {} in the scene",)
    expand_unknown: bool = False  # CLIP has seen most words with their pictures
    # ImageNet's statistics on 0..255, as in the published configuration, although CLIP uses others.
    pixel_mean: tuple[float, float, float] = (123.675, 116.28, 103.53)
    pixel_std: tuple[float, float, float] = (58.395, 57.12, 57.375)

    def __post_init__(self):
        """Refuse what a field can't hold, and sizes that don't fit together."""
        check_fields(self)
        check_divisible(self, "text_width", "text_heads")

    def with_settings_of(self, preset: Self) -> Self:
        """Return these towers: all of CLIP's settings shape its weights."""
        return self

    def with_trained_words(self, words: Iterable[str]) -> Self:
        """Return these towers: no word is read in another way once it was trained."""
        return self


@dataclass(frozen=True)
class LiteConfig:
    """The embedded model's towers: EfficientNet-Lite and MiniLM, aligned over ImageNet's names."""

    trunk: str = "tf_efficientnet_lite2"
    widths: tuple[int, int, int, int] = (24, 48, 120, 1280)  # channels at strides 4, 8, 16, 32
    embedding: int = 384
    residual_hidden: int = 512  # width of the residual MLP behind ConSE
    residual_dropout: float = 0.25  # in training, of the MLP's hidden channels
    conse_weight: float = 0.6  # of ConSE beside the trained embedding (errseg-lite's TRAINING.md)
    # Further views of a photo, weighted pixel by pixel: size, relative, and flipped.
    # The last one's are also those of stride 32: its stride 16, at half the size.
    views: tuple[tuple[float, bool], ...] = ((0.56, True), (0.42, False))
    imagenet_classes: int = 1000
    text_heads: int = 12
    text_layers: int = 6
    text_hidden: int = 1536
    text_vocabulary: int = 30522  # word pieces
    context_length: int = 64  # tokens; longer prompts are cut
    templates: tuple[str, ...] = ("{}", "a photo of a {}")
    expand_unknown: bool = True  # words that MiniLM spells out get their hypernyms behind them
    trained_words: tuple[str, ...] = ()  # whose masks training saw, lower case: read as they are
    hypernyms_share: float = 0.25  # of the hypernyms alone, beside the word with them
    pixel_mean: tuple[float, float, float] = (127.0, 127.0, 127.0)
    pixel_std: tuple[float, float, float] = (128.0, 128.0, 128.0)

    def __post_init__(self):
        """Refuse what a field can't hold, and sizes that don't fit together."""
        check_fields(self)
        check_divisible(self, "embedding", "text_heads")

    def with_settings_of(self, preset: Self) -> Self:
        """Return these towers with a preset's views, weight of ConSE and share of hypernyms."""
        # One weight a view was trained: another number of them can't be asked of it.
        views = preset.views if len(preset.views) == len(self.views) else self.views
        share = preset.hypernyms_share
        return replace(self, conse_weight=preset.conse_weight, views=views, hypernyms_share=share)

    def with_trained_words(self, words: Iterable[str]) -> Self:
        """Return these towers with other words whose masks training saw."""
        return replace(self, trained_words=tuple(words))


@dataclass(frozen=True)
class HeadConfig:
    """Everything after the towers: cost embedding, guidance, ESCF and GUD.

    The switches turn the parts of the paper off one by one, for its ablations.
    """

    width: int = 128  # channels of the cost embedding and of ESCF
    layers: int = 4
    heads: int = 4
    feed_forward: int = 384  # hidden width of the star operation
    cost_channels: int = 256  # cost embedding before the fusion of the strides
    cost_kernel: int = 7
    mix_kernel: int = 7  # depth-wise convolution in SFM's feed-forward
    guidance_channels: int = 256  # image guidance before the fusion of the strides
    decoder_widths: tuple[int, int, int] = (64, 32, 16)  # GUD at strides 16, 8, 4
    decoder_guidance: tuple[int, int, int] = (32, 16, 8)  # guidance channels at strides 16, 8, 4
    drop_path: float = 0.075  # of the last layer; grows linearly from 0 (training only)
    hsm: bool = True  # cost maps at strides 16 and 32; off: stride 16 only
    crm: bool = True  # off: every class is kept
    sfm: bool = True
    cfm: bool = True
    gud: bool = True  # off: the head at stride 16, then a bilinear resize
    spatial_reduction: int = 2  # SSR; 1 is off
    class_reduction: int = 2  # CSR; 1 is off
    star: bool = True  # off: ReLU6(W1 x) alone
    image_guidance: bool = True
    image_guidance_stride16: bool = True  # off: SFM is guided by stride 32 alone
    text_guidance: bool = True
    decoder_guidance_stride16: bool = True  # off: GUD's first stage has no guidance
    stop_gradient: bool = True  # off: GUD's guidance at stride 16 trains the image tower too
    text_guidance_dropout: float = 0.0  # share of classes whose text guidance is hidden in training
    cost_shortcut: bool = False  # logits = network + scaled stride-16 cost maps (errseg-lite)

    def __post_init__(self):
        """Refuse what a field can't hold, and sizes that don't fit together."""
        check_fields(self)
        check_divisible(self, "width", "heads")
        if any(width % 8 for width in self.decoder_widths):
            raise ValueError(f"decoder_widths {self.decoder_widths} must be multiples of 8")
        for name in ("cost_kernel", "mix_kernel"):
            if (kernel := getattr(self, name)) % 2 == 0:
                raise ValueError(f"{name} {kernel} must be odd")


@dataclass(frozen=True)
class Calibration:
    """How logits become scores that mean something, see `errseg.network.scores`.

    By default a score is the plain sigmoid of its logit, as published. A model's are
    checked with it: while they are fitted they are tensors.
    """

    scale: float = 1.0
    bias: float = 0.0
    competition: float = 0.0  # in [0, 1]: between a sigmoid and a softmax
    threshold: float = 0.0  # advised: a score below it means "none of these"


@dataclass(frozen=True)
class ModelConfig:
    """One variant of ERR-Seg, and how a trained one's scores are to be read."""

    name: str
    description: str
    towers: ClipConfig | LiteConfig
    head: HeadConfig = field(default_factory=HeadConfig)
    input_size: int = 640  # pixels of a side of the square input, or of its square root of the area
    keep_aspect: bool = False  # the published evaluation squeezes the photo into a square
    clip_weights: str = ""  # the CLIP weights that training starts from (open_clip's tag)
    held_out: tuple[str, ...] = ()  # names that training was kept from seeing a mask of
    calibration: Calibration = field(default_factory=Calibration)

    def __post_init__(self):
        """Refuse what a field can't hold."""
        check_fields(self, input_size=(SMALLEST_INPUT, LARGEST_INPUT))
        check_fields(self.calibration)


MODELS = (
    ModelConfig(
        name="errseg-lite",
        description="embedded: EfficientNet-Lite2 and MiniLM, ships with the code, for CPUs",
        towers=LiteConfig(),
        head=HeadConfig(
            width=64,
            layers=2,
            feed_forward=192,
            cost_channels=64,
            guidance_channels=64,
            decoder_widths=(48, 32, 16),
            decoder_guidance=(32, 16, 8),
            text_guidance_dropout=0.4,
            cost_shortcut=True,
        ),
        input_size=608,
        keep_aspect=True,
    ),
    ModelConfig(
        name="errseg-base",
        description="published ERR-Seg, CLIP ConvNeXt-B, 640 x 640",
        towers=ClipConfig(
            open_clip_name="convnext_base_w_320",
            trunk="convnext_base",
            widths=(128, 256, 512, 1024),
            embedding=640,
            projection="linear",
            text_width=640,
            text_heads=10,
            text_layers=12,
        ),
        clip_weights="laion_aesthetic_s13b_b82k",
    ),
    ModelConfig(
        name="errseg-large",
        description="published ERR-Seg, CLIP ConvNeXt-L, 768 x 768",
        towers=ClipConfig(
            open_clip_name="convnext_large_d_320",
            trunk="convnext_large",
            widths=(192, 384, 768, 1536),
            embedding=768,
            projection="mlp",
            text_width=768,
            text_heads=12,
            text_layers=16,
        ),
        input_size=768,
        clip_weights="laion2b_s29b_b131k_ft_soup",
    ),
)


def with_current_settings(config: ModelConfig) -> ModelConfig:
    """Return a configuration with what its preset says today of settings that shape no weight.

    Weights that were trained yesterday see a photo as today's do: its input size, the towers'
    `with_settings_of`, and the dropout of text guidance if they are trained on. Configurations
    without a preset of their name stay as they are.
    """
    preset = next((preset for preset in MODELS if preset.name == config.name), config)
    dropout = preset.head.text_guidance_dropout
    return replace(
        config,
        towers=config.towers.with_settings_of(preset.towers),
        head=replace(config.head, text_guidance_dropout=dropout),
        input_size=preset.input_size,
    )


def shipped_with(weights_hash: str, files: Mapping[str, Path]) -> Path | None:
    """Find which of some files (variant -> path) ships with weights, by their SHA-256; or None."""
    names = (name for name, shipped in EMBEDDED_SHA256.items() if shipped == weights_hash)
    return next((files[name] for name in names if files[name].is_file()), None)


def list_models() -> dict[str, str]:
    """Name every variant: name -> one-line description."""
    return {config.name: config.description for config in MODELS}


def model_config(name: str) -> ModelConfig:
    """Find a variant's configuration by name.

    Raises:
        InputError: no variant has this name; the message lists those there are.
    """
    for config in MODELS:
        if config.name == name:
            return config
    raise InputError(f"There is no model {name!r}; the models are {', '.join(list_models())}.")
