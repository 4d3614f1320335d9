"""Table IV: how much of one vocabulary another one has, by name and by the text tower."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from errseg.datasets.sets import SegmentationSet
from errseg.inference.predictor import Predictor
from errseg.measuring.tables.photos import Asked
from errseg.words.relations import plain_name
from errseg.words.vocabulary import load_vocabulary, named_vocabularies, parse_classes

COSINES = (0.95, 0.9, 0.85, 0.8, 0.7)
PUBLISHED_TRAINING = "coco171"  # what the released models were trained on: COCO-Stuff
OWN_TRAINING = "this model's training"
ROUNDING = 1e-6  # of a cosine of two equal embeddings


@dataclass(frozen=True)
class Similarity:
    """How much of the vocabulary ``of`` is ``among`` another; shares of its classes."""

    of: str
    among: str
    classes: int  # of the first
    equal: float  # the other has a class of the same name
    above: dict[float, float]  # cosine -> the nearest embedding of the other reaches it
    nearest: float  # mean cosine of the nearest


Named = tuple[str, Sequence[str]]


def compare(of: Named, among: Named, embed: Callable[[Sequence[str]], Tensor]) -> Similarity:
    """Compare two lists of names.

    Args:
        of: the name of the list that is looked for, and its classes.
        among: the same of the list that is looked in.
        embed: names to L2-normalised embeddings (T, C).
    """
    known = {plain_name(name) for name in among[1]}
    nearest = (embed(of[1]) @ embed(among[1]).T).amax(dim=1)
    return Similarity(
        of=of[0],
        among=among[0],
        classes=len(of[1]),
        equal=sum(plain_name(name) in known for name in of[1]) / len(of[1]),
        above={c: (nearest >= c - ROUNDING).float().mean().item() for c in COSINES},
        nearest=nearest.mean().item(),
    )


@torch.inference_mode()
def measure_similarity(
    predictor: Predictor, sets: Sequence[SegmentationSet], asked: Asked
) -> tuple[Similarity, ...]:
    """Compare the sets' classes with those of training, and the named vocabularies pair by pair.

    Training's classes are COCO-Stuff's, as in the paper, and where the model says which words its
    own training saw, these too.
    """
    named = [(name, load_vocabulary(name).names) for name in named_vocabularies()]
    training = [(PUBLISHED_TRAINING, dict(named)[PUBLISHED_TRAINING])]
    if words := predictor.model.config.towers.trained_words:
        training.insert(0, (OWN_TRAINING, words))

    def embed(names: Sequence[str]) -> Tensor:
        return predictor.embed(parse_classes(list(names)), asked.expand)[0]

    pairs = [((s.name, s.class_names), seen) for seen in training for s in sets]
    pairs += [(of, training[0]) for of in named] if words else []
    pairs += [(of, among) for of in named for among in named if of is not among]
    return tuple(compare(of, among, embed) for of, among in pairs)
