"""What ESCF attends to over all of a photo's cells, with CRM and without: Fig. 2 in numbers.

The maps of one pixel say little of a photo. Here every cell of the stride-16 grid that has a class
asks SFM, in the channel of its own class, and what it attends to is summed up: how far that lies,
how much of it is of the same class, and how much of that lies far away. Beside it stands what an
attention that is spread evenly over the photo would come to. Of CFM it is the left side of the
paper's Proposition 1, the share of the attention of the classes present that goes to them.

The first SFM sees each class alone, so CRM changes nothing there.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from math import nan

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from errseg.errors import InputError
from errseg.inference.photo import network_size
from errseg.inference.predictor import Predictor
from errseg.network.attention import attention_weights, class_queries_and_keys, walk_escf
from errseg.network.escf import CFM, SFM
from errseg.network.layers import WEIGHTS_AT_ONCE
from errseg.network.model import ERRSeg, ImageFeatures
from errseg.options import Options
from errseg.words.vocabulary import Vocabulary

FAR = 0.25  # of the photo's diagonal: what lies farther away is far
EXACT = "donot_use_mm_for_euclid_dist"  # torch's faster way to a distance is off near 0


@dataclass(frozen=True)
class Look:
    """Where attention goes, means over the cells that ask, and heads; NaN where none asks."""

    distance: float  # of what is attended to, in shares of the photo's diagonal
    own: float  # share of the attention that goes to the cell's own class, in [0, 1]
    own_far: float  # share that goes to its own class farther away than `FAR`


@dataclass(frozen=True)
class Attended:
    """What the layers of one pass through ESCF attend to."""

    classes: int  # that ESCF sees
    sfm: tuple[Look, ...]  # a layer each; none where SFM is off
    on_present: tuple[float, ...]  # Proposition 1's left side, a layer each; none without CFM
    evenly_on_present: float  # the same of an attention that is spread evenly over the classes


@dataclass(frozen=True)
class Figure2:
    """One photo's figures."""

    cells: int  # that have a class, and ask
    present: tuple[int, ...]  # classes that have a cell or a part of one, by ascending index
    evenly: Look  # what an attention that is spread evenly over the photo would come to
    with_crm: Attended
    without_crm: Attended | None  # None where CRM keeps all T classes: that is the same


@torch.inference_mode()
def figure2(
    predictor: Predictor,
    photo: np.ndarray,
    vocabulary: Vocabulary,
    options: Options,
    label: np.ndarray | None = None,
) -> Figure2:
    """Measure what a photo's cells attend to, with CRM and with P = T.

    Args:
        predictor: of the model.
        photo: (H, W, 3) uint8.
        vocabulary: T classes.
        options: of the question.
        label: (H', W') int, what the photo shows: indices into the vocabulary, -1 where it doesn't
            count; any size. Without it each pixel has the class that the network, with CRM, gives
            the highest score. Classes that CRM drops don't count on either side.

    Raises:
        InputError: as a call of the predictor, or the model has neither SFM nor CFM.
    """
    model = predictor.model
    check_fuses(model)
    out = predictor.segment(photo, vocabulary, options)
    kept = out.kept[0].cpu()
    if label is None:
        label = kept[out.kept_logits[0].argmax(dim=0).cpu()].numpy()
    text, _ = predictor.embed(vocabulary, options.expand)
    size = network_size(photo.shape[:2], model.config, options.input_size)
    features = predictor.encode(photo, size)
    present = np.intersect1d(label, kept.numpy()).tolist()
    grid = tuple(features.dense16.shape[-2:])
    cells = _divide(label, present, grid, photo.shape[:2], model)
    places = [kept.tolist().index(index) for index in present]
    everything = None
    if len(kept) < len(text):
        everything = _attended(model, features, text[None], present, cells)
    return Figure2(
        cells=cells.count,
        present=tuple(present),
        evenly=_look(cells, _evenly(cells)),
        with_crm=_attended(model, features, text[None, out.kept[0]], places, cells),
        without_crm=everything,
    )


def check_fuses(model: ERRSeg) -> None:
    """Refuse a model that attends to nothing with an `InputError`."""
    if not (model.config.head.sfm or model.config.head.cfm):
        raise InputError("This model has neither SFM nor CFM, so there is no attention to measure.")


def share_on(query: Tensor, key: Tensor, present: Sequence[int], heads: int) -> Tensor:
    """Measure the share of attention from the classes present that goes to them.

    Queries and keys (cells, classes, C) give (cells, heads, rows), a row a class present.
    """
    present = list(present)
    # All cells at once would be gigabytes for some hundred classes.
    at_once = max(1, WEIGHTS_AT_ONCE // (heads * max(len(present), 1) * key.shape[1]))
    parts = zip(query[:, present].split(at_once), key.split(at_once), strict=True)
    weights = (attention_weights(q, k, heads) for q, k in parts)  # (cells, heads, rows, classes)
    return torch.cat([part[..., present].sum(dim=-1) for part in weights])


@dataclass(frozen=True)
class _Cells:
    """A photo's cells: those of the stride-16 grid ask, those of SSR's grid are attended to."""

    asking: tuple[Tensor, ...]  # of each class present the numbers of its cells, row by row
    covers: Tensor  # (present, h' w'): the share of each cell attended to that a class has
    places: Tensor  # (h w, 2): y and x of the asking cells' centres, in the photo's diagonals
    sources: Tensor  # (h' w', 2): the same of the cells attended to
    at_once: int  # cells that ask at a time

    @property
    def count(self) -> int:
        """How many ask."""
        return sum(map(len, self.asking))


def _divide(
    label: np.ndarray,
    present: Sequence[int],
    grid: tuple[int, int],
    photo: tuple[int, int],
    model: ERRSeg,
) -> _Cells:
    """Divide a photo into cells.

    Args:
        label: what it shows, see `figure2`.
        present: the classes that count.
        grid: h, w of the cells that ask; one has the class that covers most of it, if what has
            none of the classes doesn't cover more.
        photo: its H, W.
        model: that looks at it.
    """
    head, device = model.config.head, model.device
    step = head.spatial_reduction
    own = torch.from_numpy(label)
    covers = [F.adaptive_avg_pool2d((own == index)[None].float(), grid) for index in present]
    nothing = 1 - sum(covers, start=torch.zeros(1, *grid))
    shares = torch.cat([*covers, nothing])  # (present + 1, h, w)
    owner = shares.argmax(dim=0).flatten()
    reduced = F.avg_pool2d(shares[:, None], step)[:-1, 0]  # (present, h', w')
    covers = reduced.flatten(1)
    return _Cells(
        asking=tuple((owner == place).nonzero()[:, 0].to(device) for place in range(len(present))),
        covers=covers.to(device),
        places=_centres(grid, 1, grid, photo).to(device),
        sources=_centres(tuple(reduced.shape[1:]), step, grid, photo).to(device),
        at_once=max(1, WEIGHTS_AT_ONCE // (head.heads * covers.shape[1])),
    )


def _centres(
    cells: tuple[int, int], step: int, grid: tuple[int, int], photo: tuple[int, int]
) -> Tensor:
    """Find centres (cells, 2), y and x in the photo's diagonals, of cells of `step` grid cells."""
    diagonal = math.hypot(*photo)
    y, x = (
        (torch.arange(count) + 0.5) * step / whole * side / diagonal
        for count, whole, side in zip(cells, grid, photo, strict=True)
    )
    return torch.cartesian_prod(y, x)


def _attended(
    model: ERRSeg, features: ImageFeatures, text: Tensor, places: Sequence[int], cells: _Cells
) -> Attended:
    """Walk through ESCF once; text is (1, P, C), the classes present have places among the P."""
    image_guidance, text_guidance = features.guidance.spatial, model.guide_classes(text)
    looks, shares = [], []
    for layer, own, fused in walk_escf(model, features, text):
        if isinstance(layer.sfm, SFM):
            looks.append(_look(cells, _rows_of(layer.sfm, own, image_guidance, places)))
        if isinstance(layer.cfm, CFM):
            query, key = class_queries_and_keys(layer.cfm, fused, text_guidance)
            heads = layer.cfm.attention.heads
            shares.append(share_on(query, key, places, heads).mean().item())
    classes = text.shape[1]
    return Attended(classes, tuple(looks), tuple(shares), len(places) / classes)


Rows = Callable[[int, Tensor], Tensor]
"""A class present and the numbers of n of its cells -> what they attend to, (n, h' w')."""


def _rows_of(sfm: SFM, tokens: Tensor, guidance: Tensor | None, places: Sequence[int]) -> Rows:
    """Let cells ask an SFM that gets tokens (1, P, h, w, C), in their own class's channel."""
    attention, shared = sfm.attention, sfm.attention.guidance(guidance)

    def rows(present: int, some: Tensor) -> Tensor:
        channel = sfm.norm1(tokens[:, places[present], None])
        query, key = (x[0, 0].flatten(0, 1)[None] for x in attention.project(channel, shared))
        return attention_weights(query[:, some], key, attention.heads)[0].mean(dim=0)

    return rows


def _evenly(cells: _Cells) -> Rows:
    sources = len(cells.sources)
    return lambda present, some: cells.sources.new_full((len(some), sources), 1 / sources)


def _look(cells: _Cells, rows: Rows) -> Look:
    """Sum up what all cells attend to, some at a time."""
    total = torch.zeros(len(fields(Look)), dtype=torch.float64)
    for present, asking in enumerate(cells.asking):
        for some in asking.split(cells.at_once):
            weights = rows(present, some)
            distance = torch.cdist(cells.places[some], cells.sources, compute_mode=EXACT)
            own = weights * cells.covers[present]
            sums = (weights * distance).sum(), own.sum(), own[distance > FAR].sum()
            total += torch.stack(sums).cpu().double()
    return Look(*(total / cells.count).tolist()) if cells.count else Look(nan, nan, nan)
