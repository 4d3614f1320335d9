"""Answers of the demo as a model might give them."""

import numpy as np
import torch

from errseg.demo.backend.answers import Answer, AttentionAnswer
from errseg.demo.backend.live_attention import live_class
from errseg.demo.backend.request import check_request
from errseg.inference.result import CostView, Result, Settings
from errseg.network.attention import Attention, Everywhere
from errseg.pictures.export import legend, result_colors

NASTY = ("<img src=x onerror=alert(1)>", '"><script>alert(2)</script>', "dog", "sky $x$ {{y}}")


def make_answer() -> Answer:
    """An answer of a 40 x 20 photo whose names are what an attacker would type."""
    labels = np.zeros((20, 40), np.int64)
    labels[:5], labels[5:6] = 1, -1
    generator = np.random.default_rng(0)
    result = Result(
        classes=NASTY,
        labels=labels,
        scores=generator.random((20, 40), np.float32),
        kept=(0, 1),
        crm_scores=np.array([40, 20, 3.5, 0], np.float32),
        votes=np.array([[30, 9], [10, 1], [0, 30], [0, 0]]),
        ranking=generator.integers(0, 4, (2, 4, 8)),
        class_scores=generator.random((2, 5, 10), np.float32),
        notices=("Left out as repeated: <b>.",),
        settings=Settings(
            kept_classes=2,
            votes_per_pixel=2,
            threshold=0.0,
            precision="float32",
            model="errseg-lite",
            weights_hash="ab" * 32,
            network_size=(320, 480),
        ),
        timings={"encode": 0.2, "decode": 0.1},
    )
    colors = result_colors(result)
    photo = generator.integers(0, 255, (20, 40, 3), np.uint8)
    request = check_request("photo.jpg", list(NASTY), kept_classes=2, votes_per_pixel=2)
    return Answer(photo, result, colors, legend(result, colors), request)


def make_attention() -> AttentionAnswer:
    """Attention of the same: two layers, two kept classes, two heads, grids of 4 x 8 and 2 x 4."""
    generator = torch.Generator().manual_seed(0)

    def rows(*shape, ends=1):
        values = torch.rand(*shape, generator=generator)
        return values / values.sum(dim=tuple(range(-ends, 0)), keepdim=True)

    def vectors(*shape):
        return torch.randn(*shape, generator=generator)

    everywhere = Everywhere(
        query=vectors(2, 2, 4, 8, 6),
        key=vectors(2, 2, 2, 4, 6),
        average=rows(2, 2, 2, 2, 4, ends=2),
        classes=rows(2, 2, 2, 2, 4, 2),
    )
    maps = Attention(rows(2, 2, 2, 2, 4, ends=2), rows(2, 2, 2, 2), rows(2, 2, 2, 2), everywhere)
    costs = CostView(np.random.rand(2, 4, 8), np.random.rand(2, 2, 4))  # noqa: NPY002
    return AttentionAnswer(
        pixel=(30, 10),
        size=(20, 40),
        classes=NASTY,
        kept=(0, 1),
        best=1,
        attention=maps,
        costs=costs,
        present=(1,),
        share=0.5,
        winners=np.arange(16 * 32, dtype=np.uint8).reshape(16, 32) % 2,
        class_reduction=2,
        live=tuple(live_class(index, everywhere, index, None) for index in (1, 0)),
    )
