"""Every switch of the paper's ablations: it trains, changes what it should and nothing else."""

import dataclasses

import numpy as np
import pytest
import torch
from photo_sets import write_sets

from errseg.config import HeadConfig
from errseg.datasets.folders import load_sets
from errseg.distributed import Processes
from errseg.errors import InputError
from errseg.network import crm, escf, layers
from errseg.network.model import ERRSeg
from errseg.training.ablations import ABLATIONS, with_head
from errseg.training.config import LITE, PUBLISHED, with_settings
from errseg.training.run import TrainingRun

STEPS = {"steps": 2, "batch": 2, "crop": 64, "kept_classes": 3, "precision": "float32"}
# What a switch takes away, adds or reshapes: beginnings of parameter names. Everything else stays.
TOUCHED = {
    "head.hsm=false": ("cost_embedding.embed.1.",),
    "head.crm=false": (),
    "head.sfm=false": ("escf.0.sfm.", "escf.1.sfm.", "guidance.spatial.", "guidance.fuse."),
    "head.cfm=false": ("escf.0.cfm.", "escf.1.cfm.", "text_guidance."),
    "head.escf=false": ("escf.", "guidance.spatial.", "guidance.fuse.", "text_guidance."),
    "head.gud=false": ("decoder.stages.", "decoder.head.", "guidance.decoder."),
    "head.spatial_reduction=1": tuple(
        f"escf.{layer}.sfm.attention.{part}"
        for layer in (0, 1)
        for part in ("reduce_key.", "norm_key.", "reduce_value.", "norm_value.")
    ),
    "head.class_reduction=1": (),
    "head.star=false": tuple(
        f"escf.{layer}.{part}.feed_forward.content." for layer in (0, 1) for part in ("sfm", "cfm")
    ),
    "head.image_guidance=false": (
        *("guidance.spatial.", "guidance.fuse."),
        *(
            f"escf.{layer}.sfm.attention.{part}"
            for layer in (0, 1)
            for part in ("query.", "key.", "reduce_key.", "norm_key.")
        ),
    ),
    "head.text_guidance=false": (
        "text_guidance.",
        *(f"escf.{layer}.cfm.attention.{part}." for layer in (0, 1) for part in ("query", "key")),
    ),
    "head.image_guidance_stride16=false": ("guidance.spatial.1.",),
    "head.decoder_guidance_stride16=false": ("guidance.decoder.", "decoder.stages.0.refine1."),
    "head.stop_gradient=false": (),
    "head.cost_kernel=3": ("cost_embedding.embed.",),
    "head.mix_kernel=3": ("escf.0.sfm.mix.", "escf.1.sfm.mix."),
}


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    return load_sets(write_sets(tmp_path_factory.mktemp("data")))


@pytest.fixture
def make_run(make_model, tmp_path, sets):
    def make(change=None, lite=True, **settings):
        model = make_model(lite=lite, cost_shortcut=lite)
        if change is not None:
            config = with_head(model.config, [change])
            model = make_model(lite=lite, **dataclasses.asdict(config.head))
        preset = with_settings(LITE, {"imagenet_share": 0.0}) if lite else PUBLISHED
        recipe = with_settings(preset, STEPS | settings)
        return TrainingRun(model, sets, tmp_path, recipe, Processes(torch.device("cpu")))

    return make


def shapes(model: ERRSeg) -> dict[str, tuple[int, ...]]:
    return {name: tuple(p.shape) for name, p in model.named_parameters()}


def test_each_switch_of_the_tables_is_there():
    assert TOUCHED.keys() == ABLATIONS.keys()


@pytest.mark.parametrize("change", ABLATIONS)
def test_a_switch_changes_what_it_should_trains_and_answers(change, make_run, make_pixels):
    run, whole = make_run(change), make_run()
    before, after = shapes(whole.model), shapes(run.model)
    changed = {n for n in before.keys() | after.keys() if before.get(n) != after.get(n)}
    assert {n for n in changed if not n.startswith(TOUCHED[change])} == set()
    assert [part for part in TOUCHED[change] if not any(n.startswith(part) for n in changed)] == []
    started = {name: p.detach().clone() for name, p in run.model.named_parameters()}
    run.fit(workers=0)
    # Of a key's bias the gradient is 0 on paper: it adds the same to a row's every score.
    head = [n for n in started if not n.startswith("towers.") and not n.endswith(".key.bias")]
    still = [n for n in head if torch.equal(run.model.get_parameter(n), started[n])]
    assert still == [], "every parameter of the head learns"
    answer = run.averaged()
    text = answer.encode_text(["cat", "dog", "sky", "road"])
    with torch.inference_mode():
        out = answer.decode(answer.encode_image(make_pixels(1, 64, 96)), text, kept_classes=2)
    assert out.kept_logits.isfinite().all()
    assert out.kept.shape[1] == (4 if change == "head.crm=false" else 2)


def attended(run, module, monkeypatch) -> list[tuple[int, int]]:
    """Tokens and sources of every attention of a module in one step."""
    seen = []

    def attend(query, key, value, heads):
        seen.append((query.shape[1], key.shape[1]))
        return layers.attend(query, key, value, heads)

    monkeypatch.setattr(module, "attend", attend)
    run.fit(workers=0)
    return seen


def test_without_ssr_and_csr_attention_sees_every_cell(make_run, monkeypatch):
    """At crops of 64 pixels: 16 cells of stride 16, of which SSR leaves 4."""
    ours = attended(make_run(steps=1), escf, monkeypatch)
    assert set(ours) == {(16, 4), (3, 3)}
    assert set(attended(make_run("head.spatial_reduction=1", steps=1), escf, monkeypatch)) == {
        (16, 16),
        (3, 3),
    }


def test_csr_pools_before_classes_meet(make_run, monkeypatch):
    pixels = {}
    for change in (None, "head.class_reduction=1"):
        run, rows = make_run(change, steps=1), []
        project = escf.ClassAttention.project

        def counted(self, tokens, guidance, rows=rows, project=project):
            rows.append(tokens.shape[1])
            return project(self, tokens, guidance)

        monkeypatch.setattr(escf.ClassAttention, "project", counted)
        run.fit(workers=0)
        monkeypatch.setattr(escf.ClassAttention, "project", project)
        pixels[change] = set(rows)
    assert pixels == {None: {4}, "head.class_reduction=1": {16}}


@pytest.mark.parametrize("stop", [True, False])
def test_the_gradient_at_stride_16_is_stopped_or_not(make_model, make_pixels, stop):
    """What GUD's first stage is guided by reaches the image tower only if it isn't stopped."""
    model = make_model(stop_gradient=stop).train()
    encoded = model.towers.encode_image(make_pixels(1, 64, 64), learning=True)
    guided = model.guidance(encoded.pyramid).decoder
    assert guided[0].requires_grad
    guided[0].sum().backward()
    tower = [p.grad for n, p in model.named_parameters() if n.startswith("towers.")]
    assert any(g is not None and g.abs().sum() > 0 for g in tower) is not stop


@pytest.mark.parametrize(
    ("name", "value", "place"),
    [("beta", 0.5, 4), ("votes_per_pixel", 1, 3), ("kept_classes", 1, 2)],
)
@pytest.mark.parametrize("lite", [True, False])
def test_beta_k_and_p_reach_crm(make_run, monkeypatch, name, value, place, lite):
    run, asked = make_run(lite=lite, steps=1, **{name: value}), []
    decode = run.model.decode
    monkeypatch.setattr(
        run.model, "decode", lambda *args, **more: asked.append(args) or decode(*args, **more)
    )
    run.fit(workers=0)
    assert asked[0][place] == value
    others = {2: 3, 3: 3, 4: 0.1}
    assert {at: asked[0][at] for at in others} == others | {place: value}


def test_several_changes_at_once_and_values_of_every_type(make_model):
    config = make_model(lite=True).config
    changes = ["head.star=no", "head.layers=3", "head.decoder_widths=24,16,8", "head.drop_path=0.5"]
    head = with_head(config, changes).head
    expected = {"star": False, "layers": 3, "decoder_widths": (24, 16, 8), "drop_path": 0.5}
    assert head == dataclasses.replace(config.head, **expected)
    assert with_head(config, []) == config


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("head.cmf=false", "'head.cmf=false' sets nothing; give head.FIELD=VALUE.* escf, width"),
        ("cfm=false", "sets nothing"),
        ("head.cfm", "sets nothing"),
        ("head.cfm=maybe", "a value that can't be; at present it is True"),
        ("head.cost_kernel=x", "at present it is 7"),
        ("head.cost_kernel=4", "can't be built: cost_kernel 4 must be odd"),
        ("head.width=30", "can't be built: width 30 is not a multiple of heads 4"),
        ("head.class_reduction=0", "from 1 to 31, not 0"),
    ],
)
def test_what_cannot_be_set_gets_a_sentence(make_model, change, sentence):
    config = dataclasses.replace(make_model(lite=True).config, head=HeadConfig())
    with pytest.raises(InputError, match=sentence):
        with_head(config, [change])


def test_ssr_of_four_leaves_a_sixteenth(make_run, monkeypatch):
    run = make_run("head.spatial_reduction=4", steps=1)
    assert set(attended(run, escf, monkeypatch)) == {(16, 1), (3, 3)}


def test_crm_is_asked_for_every_class_when_it_is_off(make_run, monkeypatch):
    run, counts = make_run("head.crm=false", steps=1, vocabulary=6, whole_lists=False), []
    select = crm.select_classes
    monkeypatch.setattr(
        "errseg.training.lite.select_classes",
        lambda scores, count, always: (
            counts.append((count, scores.shape[1])) or select(scores, count, always)
        ),
    )
    run.fit(workers=0)
    assert counts
    assert all(count == classes for count, classes in counts)
    assert np.all(np.array(counts)[:, 0] > 3)
