"""What is in a photo, without a word from anybody: CRM alone over many names."""

from dataclasses import dataclass

import torch

from errseg.config import BETA, VOTES_PER_PIXEL
from errseg.inference.photo import load_image, network_size
from errseg.inference.predictor import Photo, Predictor
from errseg.network.crm import count_votes, rank_vocabulary, score_votes
from errseg.words.union import SUGGESTED, check_count, named_union
from errseg.words.wordnet import listed_part


@dataclass(frozen=True)
class Suggestion:
    """One thing that a photo may show."""

    name: str
    synonyms: tuple[str, ...]  # all its names, this one first
    score: float  # CRM's: stride-16 pixels that vote for it, weighted by rank


@torch.inference_mode()
def suggest_classes(
    predictor: Predictor, image: Photo, count: int = SUGGESTED
) -> tuple[Suggestion, ...]:
    """Suggest words for a photo, the best first.

    The photo is encoded, its cost maps over `named_union` are computed, and the classes are ranked
    by CRM's score; there is no ESCF and no GUD. A class that no pixel votes for is not suggested,
    nor is a kind behind its head noun: `cabinet door` says nothing new behind `door`.

    Args:
        predictor: a model's. The union's text embeddings ship with errseg-lite; another model
            computes them at its first call.
        image: a PIL image, a path or an (H, W, 3) uint8 array.
        count: how many at the most, 1 to `errseg.words.union.MOST_SUGGESTED`.

    Raises:
        InputError: the photo can't be used, or the count is out of range.
    """
    check_count(count)
    model, photo, union = predictor.model, load_image(image), named_union()
    text, _ = predictor.embed(union, model.config.towers.expand_unknown)
    features = predictor.encode(photo, network_size(photo.shape[:2], model.config))
    ranking = rank_vocabulary(features.dense16, text, VOTES_PER_PIXEL)
    scores = score_votes(count_votes(ranking, len(union)), BETA)[0]
    best = scores.sort(descending=True, stable=True)
    found: list[Suggestion] = []
    said: set[str] = set()  # their names
    for score, place in zip(*(part.tolist() for part in best), strict=True):
        prompt = union.classes[place]
        if len(found) == count or not score:
            break
        if said.isdisjoint({listed_part(prompt.name)} - {*prompt.synonyms}):
            found.append(Suggestion(prompt.name, prompt.synonyms, score))
            said.update(prompt.synonyms)
    return tuple(found)
