"""Every stage of errseg-base against what the published network computes (golden/README.md)."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from golden_weights import GOLDEN, rule_state_dict
from network_stages import stages_of
from torch import Tensor

from errseg.inference.token_memory import TokenMemory
from errseg.measuring import as_drawn
from errseg.network.hsm import CostMaps
from errseg.network.model import ERRSeg, ImageFeatures, Segmentation, build_model

CASES = ("golden_b_voc20", "golden_b_ade150")
PROMPT = "A photo of a {} in the scene"
LARGEST_DIFFERENCE = 1e-3  # of a logit, between ours and the network as drawn


@dataclass(frozen=True)
class Ours:
    """What our network computes for one case."""

    text: Tensor
    features: ImageFeatures
    cost: CostMaps
    out: Segmentation
    text_guidance: Tensor
    stages: dict[str, Tensor]


@dataclass(frozen=True)
class Stage:
    """How one golden array is read out of our network's results, and how close it must be."""

    array: str
    read: Callable[[Ours], Tensor]
    atol: float


# Steps in which the arrays were thinned out.
TEXT_STEP, FEATURE_STEP, CLASS_STEP, CHANNEL_STEP, LOGIT_STEP = 5, 16, 8, 4, 3


def channels_first(tokens: Tensor) -> Tensor:
    return tokens.movedim(-1, 2)


def thinned(maps: Tensor) -> Tensor:
    return maps[0, ::CLASS_STEP, ::CHANNEL_STEP]


# Measured differences are a tenth of these or less; ESCF's tokens grow to 55 by the last layer.
STAGES = (
    Stage("text", lambda ours: ours.text[::TEXT_STEP], 2e-6),
    *(
        Stage(
            f"feat_os{stride}",
            lambda ours, level=level: ours.features.pyramid[level][0, ::FEATURE_STEP],
            1e-4,
        )
        for level, stride in enumerate((4, 8, 16, 32))
    ),
    Stage("cost16", lambda ours: ours.cost.stride16[0, ::TEXT_STEP], 2e-6),
    Stage("cost32", lambda ours: ours.cost.stride32[0, ::TEXT_STEP], 2e-6),
    Stage("scores", lambda ours: ours.out.crm_scores[0], 1e-4),
    Stage(
        "cost_embedding", lambda ours: thinned(channels_first(ours.stages["cost_embedding"])), 5e-6
    ),
    # (B, h, w, C) -> (B, C, h, w)
    Stage("image_guidance", lambda ours: ours.features.guidance.spatial.permute(0, 3, 1, 2), 1e-4),
    Stage("text_guidance", lambda ours: ours.text_guidance, 5e-6),
    *(
        Stage(
            f"aggregator{layer}",
            lambda ours, layer=layer: thinned(channels_first(ours.stages[f"escf.{layer}"])),
            atol,
        )
        for layer, atol in enumerate((5e-5, 1e-4, 2e-4, 4e-4))
    ),
    *(
        Stage(
            f"up{stage + 1}", lambda ours, stage=stage: thinned(ours.stages[f"gud.{stage}"]), 1e-4
        )
        for stage in range(3)
    ),
    Stage("logits", lambda ours: ours.out.kept_logits[0, ::LOGIT_STEP], 5e-4),
)


@pytest.fixture(scope="module")
def model() -> ERRSeg:
    seeds = {int(np.load(GOLDEN / f"{case}.npz")["seed"]) for case in CASES}
    assert len(seeds) == 1
    return build_model("errseg-base").load_published(rule_state_dict("errseg-base", seeds.pop()))


@pytest.fixture(scope="module", params=CASES)
def case(request, model) -> tuple[dict[str, np.ndarray], Ours]:
    """The golden arrays of one case, and ours."""
    golden = dict(np.load(GOLDEN / f"{request.param}.npz"))
    with torch.inference_mode():
        text = model.encode_text([PROMPT.format(name) for name in golden["classes"]])
        features = model.encode_image(torch.from_numpy(golden["image"]))
        out, stages = stages_of(
            model, lambda: model.decode(features, text, kept_classes=int(golden["P"]))
        )
        cost, guidance = model.cost_maps(features, text), model.guide_classes(text[out.kept])
        return golden, Ours(text, features, cost, out, guidance, stages)


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.array)
def test_stage(case, stage):
    golden, ours = case
    expected = torch.from_numpy(golden[stage.array])
    torch.testing.assert_close(stage.read(ours), expected, rtol=0, atol=stage.atol)


def test_same_classes_are_kept(case):
    golden, ours = case
    assert ours.out.kept[0].tolist() == golden["selected"].tolist()


def test_argmax(case):
    golden, ours = case
    assert (ours.out.logits[0].argmax(dim=0).numpy() == golden["argmax"]).mean() > 0.999


def test_dropped_classes_and_kept_ones_make_up_the_logits(case):
    golden, ours = case
    kept = golden["selected"].tolist()
    dropped = sorted(set(range(len(golden["classes"]))) - set(kept))
    assert torch.equal(ours.out.logits[0, kept], ours.out.kept_logits[0])
    assert (ours.out.logits[0, dropped] == -100).all()


def test_every_golden_array_is_compared(case):
    golden, _ = case
    inputs = {"image", "classes", "P", "seed"}
    assert set(golden) - inputs == {stage.array for stage in STAGES} | {"selected", "argmax"}


@pytest.mark.slow
@torch.inference_mode()
def test_every_saving_is_exact(model, case):
    """The network as the paper draws it, all stages in one, from the photo and the words."""
    golden, ours = case
    prompts = [PROMPT.format(name) for name in golden["classes"]]
    pixels = torch.from_numpy(golden["image"])
    encoded, text = as_drawn.encode_image(model, pixels), as_drawn.encode_text(model, prompts)
    drawn = as_drawn.decode(model, *encoded, text, kept_classes=int(golden["P"]))
    assert torch.equal(drawn.kept, ours.out.kept)
    assert (drawn.logits - ours.out.logits).abs().max() < LARGEST_DIFFERENCE


@pytest.mark.slow
@torch.inference_mode()
def test_a_photo_that_remembers_is_exact(model, case):
    """Another P and another K on a photo whose classes are known in part."""
    golden, ours = case
    kept_classes = int(golden["P"])
    encoded = as_drawn.encode_image(model, torch.from_numpy(golden["image"]))
    memory = TokenMemory.of_photo(model, ours.features)
    model.decode(ours.features, ours.text, kept_classes * 3 // 4, tokens_of=memory)
    for settings in ((kept_classes, 3), (kept_classes, 2), (kept_classes // 2, 1)):
        drawn = as_drawn.decode(model, *encoded, ours.text, *settings)
        out = model.decode(ours.features, ours.text, *settings, tokens_of=memory)
        assert memory.bytes > 0
        assert torch.equal(drawn.kept, out.kept)
        assert (drawn.logits - out.logits).abs().max() < LARGEST_DIFFERENCE
