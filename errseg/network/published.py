"""The released checkpoints: how their tensors are named, and loading them strictly."""

import re

from torch import Tensor, nn

from errseg.errors import InputError

PREFIX = "sem_seg_head."
LISTED = 5  # names shown of each kind of difference
LONGEST_NAME = 200  # characters shown of each

# Our names (patterns, in order) -> the released checkpoints' names.
_RENAMES = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"^towers\.clip\.", "clip_model."),
        (r"^towers\.dense_norm\.", "clip_model.visual.modify_downsample.0."),
        (r"^towers\.dense_downsample\.", "clip_model.visual.modify_downsample.2."),
        (r"^cost_embedding\.embed\.(\d)\.", r"decoder.corr_proj_convs.\1.0."),
        (r"^cost_embedding\.fuse\.", "decoder.low_corr_fusion."),
        (r"^guidance\.spatial\.(\d)\.", r"decoder.img_guidance_projection_agg.\1.0."),
        (r"^guidance\.fuse\.", "decoder.low_img_fusion."),
        (r"^guidance\.decoder\.(\d)\.", r"decoder.img_guidance_projection_dec.\1.0."),
        (r"^text_guidance\.", "decoder.text_guidance_projection.0."),
        (r"^escf\.(\d+)\.sfm\.", r"decoder.aggregator_layers.\1.spatial_fusion.sa."),
        (r"^escf\.(\d+)\.cfm\.", r"decoder.aggregator_layers.\1.class_fusion.sa."),
        (r"\.sa\.attention\.([qkv])(?:uery|ey|alue)\.", r".sa.attention.\1."),
        (r"\.sa\.attention\.out\.", ".sa.attention.proj."),
        (r"\.sa\.attention\.reduce_([kv])(?:ey|alue)\.", r".sa.attention.sr_\1."),
        (r"\.sa\.attention\.norm_([kv])(?:ey|alue)\.", r".sa.attention.norm_\1."),
        (r"\.sa\.feed_forward\.gate\.", ".sa.mlp.fc1."),
        (r"\.sa\.feed_forward\.content\.", ".sa.mlp.fc2."),
        (r"\.sa\.feed_forward\.out\.", ".sa.mlp.fc3."),
        (r"\.sa\.mix\.", ".sa.mlp.dwconv.dwconv."),
        (r"^decoder\.stages\.0\.", "decoder.up_decoder1."),
        (r"^decoder\.stages\.1\.", "decoder.up_decoder2."),
        (r"^decoder\.stages\.2\.", "decoder.up_decoder3."),
        (r"(up_decoder\d)\.up\.", r"\1.up_conv."),
        (r"(up_decoder\d)\.refine1\.", r"\1.textual_fusion.0."),
        (r"(up_decoder\d)\.norm1\.", r"\1.textual_fusion.1."),
        (r"(up_decoder\d)\.refine2\.", r"\1.textual_fusion.3."),
        (r"(up_decoder\d)\.norm2\.", r"\1.textual_fusion.4."),
    )
)


def published_name(name: str) -> str:
    """Translate one of our parameters' names to the released checkpoints' name for it."""
    for pattern, replacement in _RENAMES:
        name = pattern.sub(replacement, name)
    return PREFIX + name


def load_published(model: nn.Module, state_dict: dict[str, Tensor], variant: str) -> None:
    """Copy tensors under the released names into a model of their variant, every one of them.

    Raises:
        InputError: tensors are missing, unknown or of another shape; nothing was loaded.
    """
    ours = model.state_dict()
    renamed = {published_name(name): name for name in ours}
    expected = {released: ours[name] for released, name in renamed.items()}
    check_tensors(state_dict, expected, f"a released {variant} checkpoint")
    model.load_state_dict({renamed[name]: tensor for name, tensor in state_dict.items()})


def check_tensors(tensors: dict[str, Tensor], like: dict[str, Tensor], what: str) -> None:
    """Compare names and shapes of tensors with those of others.

    Raises:
        InputError: they differ; the message counts and lists the differences.
    """
    found, expected = (
        {name: tuple(tensor.shape) for name, tensor in named.items()} for named in (tensors, like)
    )
    differences = {
        "missing": [f"{name} {expected[name]}" for name in expected if name not in found],
        "unknown": [
            f"{name:.{LONGEST_NAME}} {found[name]}" for name in found if name not in expected
        ],
        "of another shape": [
            f"{name} {found[name]} (expected {expected[name]})"
            for name in expected
            if name in found and found[name] != expected[name]
        ],
    }
    parts = [
        f"{len(names)} {kind}: {', '.join(names[:LISTED])}{', ...' if len(names) > LISTED else ''}"
        for kind, names in differences.items()
        if names
    ]
    if parts:
        raise InputError(f"These tensors are not {what} ({'; '.join(parts)}).")
