"""Hidden rivals: what a place may show besides the words that a person typed.

The scores of a calibrated model compete among the kept classes. One word alone has nobody to lose
to, and `dog` takes a cat. So the things of the named vocabularies, whose text embeddings ship with
errseg-lite, stand beside the person's words in the cost maps of stride 16, though not in the
decoder. A word's margin at a place is its cosine there less that of the best rival unlike it. From
the margin at the place, and from the best margins in the photo, a logistic regression
(`errseg.measuring.rival_fit`) says how likely the word is not to be beaten there, and its score is
multiplied by that. But where all are beaten, how badly is no sign of which of them is right (a
wheel's margins are smaller than a door's): then the best word's chance counts for all of them, and
so the order of the words changes only where one that is surely not beaten comes to the top.

A rival that is alike may be right where the word is, unless one of the lists has both side by side
(`errseg.words.apart`): a pixel that looks more like a sidewalk than like a road is no road. The
margin of a place's best word over the best of those says how likely the place is none of the
words, and all their scores there are multiplied by that.

So what a word loses depends on the photo, itself, and what is best at the place.
"""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from errseg.config import EMBEDDED_RIVALS, shipped_with
from errseg.inference.closer import blend
from errseg.inference.text_embeddings import VocabularyEmbedder
from errseg.inference.tiles import Tiles
from errseg.network.layers import resize
from errseg.network.model import ERRSeg, ImageFeatures, Segmentation
from errseg.words.apart import ApartNames
from errseg.words.nearness import NearNames
from errseg.words.union import named_union
from errseg.words.vocabulary import Vocabulary

LIKE = 0.6
"""Cosine of two text embeddings from which on they are taken for names of like things."""
BEST_RIVALS = 16
"""Rivals of a place that are remembered; where all are like a word, the last one stands for those
behind them, which are no better."""
BEST_CELLS = 10  # of the stride-16 grid, whose mean margin says whether a photo shows a word
NO_RIVAL = 1.0  # margin of a word that nothing is told apart from: one hardly met
SURE = 1 / 150
"""Odds against a word's not being beaten that let it take a place from a better one. Chosen on
validation photos: at 1, parts of cars lose 2 points of mIoU; at none, held-out furniture does."""
CERTAIN = 1e-6  # odds against a score, at the least: its logit is finite
LEAST_LOGIT = -40.0  # below it a score is under 1e-17, and the product of two odds still a number


@dataclass(frozen=True)
class RivalWeights:
    """A logistic regression of "not beaten by a rival", and one of "by none told apart from it"."""

    presence: float  # weight of the mean of the word's `BEST_CELLS` margins in the photo
    margin: float  # weight of the margin at the place
    bias: float
    apart_margin: float  # weight of the margin at the place over what is told apart
    apart_bias: float


@dataclass(frozen=True)
class Against:
    """Which rivals count against each class of a vocabulary, or of a part of it."""

    unlike: Tensor  # (T, R) bool
    apart: Tensor  # (T, R) bool: alike, but told apart by a list

    def __getitem__(self, classes: Tensor | list[int]) -> "Against":
        """Take some classes' rows."""
        return Against(self.unlike[classes], self.apart[classes])

    @property
    def bytes(self) -> int:
        """What this holds."""
        return self.unlike.nbytes + self.apart.nbytes


@dataclass(frozen=True)
class PhotoRivals:
    """The best rivals at each place of a photo, the best first."""

    cosines: Tensor  # (B, h16 * w16, N)
    places: Tensor  # (B, h16 * w16, N) in the list of all rivals

    @property
    def bytes(self) -> int:
        """What this holds."""
        return self.cosines.nbytes + self.places.nbytes


class Rivals:
    """What hidden rivals take from the scores of a model's words.

    Args:
        weights: of the regression.
        names: each rival's synonyms, R of them.
        text: their embeddings (R, C).
    """

    def __init__(self, weights: RivalWeights, names: Sequence[Sequence[str]], text: Tensor):
        self.weights, self._text = weights, text
        self._owner = [place for place, synonyms in enumerate(names) for _ in synonyms]
        self._near = NearNames([name for synonyms in names for name in synonyms])
        self._apart = ApartNames(names)

    def of_photo(self, features: ImageFeatures) -> PhotoRivals:
        """Find the best rivals at each place."""
        cost = features.dense16.flatten(2).transpose(1, 2) @ self._text.T  # (B, h w, R)
        return PhotoRivals(*cost.topk(min(BEST_RIVALS, cost.shape[2]), dim=2))

    def against(self, vocabulary: Vocabulary, text: Tensor) -> Against:
        """Say which rivals count against each class of a vocabulary.

        Unlike are those that are not near by name (`errseg.words.nearness`) nor by their text. Of
        the others those are told apart that `errseg.words.apart` finds.

        Args:
            vocabulary: T classes.
            text: their embeddings (T, C).
        """
        unlike = text @ self._text.T < LIKE
        apart = torch.zeros_like(unlike)
        for row, own, prompt in zip(unlike, apart, vocabulary.classes, strict=True):
            near = [self._owner[place] for place in self._near.near(prompt.synonyms)]
            row[near] = False
            alike = (~row).nonzero().flatten().tolist()
            own[self._apart.apart(prompt.synonyms, alike)] = True
        return Against(unlike, apart)

    def judge(
        self,
        out: Segmentation,
        looks: Sequence[tuple[ImageFeatures, PhotoRivals | None]],
        text: Tensor,
        against: Against,
        tiles: Tiles | None = None,
    ) -> Segmentation:
        """Return what the network says, its scores multiplied by the chance of no better rival.

        The best word of a place may lose it to one that is surely not beaten (`SURE`); else what
        it loses to the unlike, and what it loses to those told apart from it, all words there lose.

        Args:
            out: what the network said of photos and a vocabulary.
            looks: at the whole photos, and at the tiles if there are any: what the towers made of
                each, and its rivals if they are known.
            text: of the vocabulary (T, C).
            against: the same classes.
            tiles: where they lie.
        """
        text, against, by = text[out.kept], against[out.kept], self.weights
        every = [self.margins(features, text, against.unlike, rivals) for features, rivals in looks]
        apart = [self.margins_apart(features, text, against.apart) for features, _ in looks]
        # A photo shows what any look at it shows.
        present = torch.stack([best_margins(margins) for margins in every]).amax(dim=0)
        margins, apart = (blend(m[0], m[1:], tiles) if tiles else m[0] for m in (every, apart))
        size = tuple(out.kept_logits.shape[-2:])
        evidence = by.presence * present[..., None, None] + by.margin * margins + by.bias
        words, beaten = odds_against(out.kept_logits), odds_against(resize(evidence, size))
        odds = against_either(words, beaten)
        best, next_best = (odd.argmin(dim=1, keepdim=True) for odd in (words, odds))
        in_order = against_either(words, beaten.gather(1, best))
        odds = torch.where(beaten.gather(1, next_best) < SURE, odds, in_order)
        # Where the best word is another thing, so are all: which of them is best stays as it is.
        evidence = resize(by.apart_margin * apart + by.apart_bias, size)
        evidence = evidence.gather(1, odds.argmin(dim=1, keepdim=True))
        odds = against_either(odds, odds_against(evidence))
        return dataclasses.replace(out, kept_logits=-torch.log(odds.clamp_(min=CERTAIN)))

    def margins(
        self,
        features: ImageFeatures,
        text: Tensor,
        unlike: Tensor,
        rivals: PhotoRivals | None = None,
    ) -> Tensor:
        """Compute the margins of classes with text (B, P, C) over their rivals: (B, P, h16, w16).

        ``unlike`` (B, P, R) says which rivals count.
        """
        rivals = rivals or self.of_photo(features)
        margins = torch.einsum("bchw,bpc->bphw", features.dense16, text)
        for photo, own in enumerate(margins):
            for place, cosine in enumerate(own):
                counts = unlike[photo, place][rivals.places[photo]]
                counts[:, -1] = True
                first = counts.int().argmax(dim=1, keepdim=True)  # the first of the greatest
                cosine -= rivals.cosines[photo].gather(1, first).view_as(cosine)
        return margins

    def margins_apart(self, features: ImageFeatures, text: Tensor, apart: Tensor) -> Tensor:
        """Compute the margins of classes with text (B, P, C) over what is told apart from them.

        ``apart`` (B, P, R) says which rivals those are; without any the margin is `NO_RIVAL`.

        Returns:
            (B, P, h16, w16).
        """
        some = apart.flatten(0, 1).any(dim=0).nonzero().flatten()  # few of the R
        margins = torch.einsum("bchw,bpc->bphw", features.dense16, text)
        cosines = torch.einsum("bchw,rc->brhw", features.dense16, self._text[some])
        for photo, own in enumerate(margins):
            for place, cosine in enumerate(own):
                counts = apart[photo, place, some]
                if counts.any():
                    cosine -= cosines[photo, counts].amax(dim=0)
                else:
                    cosine.fill_(NO_RIVAL)
        return margins


def odds_against(logits: Tensor) -> Tensor:
    """Give the odds against what has these logits: with odds of A, A to 1 are against it."""
    return torch.exp(-logits.clamp(min=LEAST_LOGIT))


def against_either(one: Tensor, other: Tensor) -> Tensor:
    """Give the odds against two independent things, A + B + A B.

    It is a sum of what is positive, so nothing is lost, in a fifth of the time of logarithms of
    sigmoids.
    """
    return torch.addcmul(one, one, other).add_(other)


def best_margins(margins: Tensor) -> Tensor:
    """Take the mean of the `BEST_CELLS` greatest margins (B, P, h, w) of each class: (B, P)."""
    flat = margins.flatten(2)
    return flat.topk(min(BEST_CELLS, flat.shape[2]), dim=2).values.mean(dim=2)


def rivals_of(model: ERRSeg) -> Rivals | None:
    """Return the rivals of a model whose regression ships with it; None for all others."""
    path = shipped_with(model.weights_hash, EMBEDDED_RIVALS)
    if path is None:
        return None
    weights = RivalWeights(**json.loads(path.read_text(encoding="utf-8")))
    return make_rivals(model, weights)


def make_rivals(model: ERRSeg, weights: RivalWeights) -> Rivals:
    """Take the things of the named vocabularies as rivals."""
    union = named_union()
    text, _ = VocabularyEmbedder(model)(union)
    return Rivals(weights, [prompt.synonyms for prompt in union.classes], text)
