"""How much hidden rivals take from a word's score, fitted on training photos.

Each class that a photo shows is asked alone, and so are words that it lacks. A score is right where
the pixel's label is the word's. The decoder's own score stays as it is: three numbers say what it
is multiplied by (`errseg.inference.rivals`), found by maximum likelihood. What a present word
paints beside its pixels is left to the decoder and doesn't count.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from errseg.datasets.sets import SegmentationSet, at_even_distances, samples, with_photos
from errseg.inference.photo import network_size
from errseg.inference.predictor import Predictor
from errseg.inference.rivals import CERTAIN, Rivals, RivalWeights, best_margins, make_rivals
from errseg.measuring.alone import LEAST_SHARE
from errseg.network.layers import resize
from errseg.words.nearness import are_near
from errseg.words.union import named_union
from errseg.words.vocabulary import parse_classes

ABSENT_WEIGHT = 10.0
"""Weight of the absent words beside the present ones. With 1 the fit leaves absent words as they
are, as most of them get nothing anyway."""
LENIENCE = 2.4
"""What is added to the fitted bias, as present words score less on photos that training never saw:
chosen on validation photos by hand, see TRAINING.md."""
APART = (40.0, 5.5)
"""Weight and bias of the margin over what is told apart, chosen by hand in the same way."""
ABSENT_WORDS = 4  # of the set's other classes, and as many of the rivals, asked of a photo
PIXELS_PER_WORD = 300  # that are drawn of each word asked
SEED = 0  # of the words and pixels that are drawn
FIRST_GUESS = (20.0, 15.0, 6.0)  # where the search begins


@dataclass(frozen=True)
class Asked:
    """Pixels of one word that was asked alone."""

    present: bool
    logits: Tensor  # (N,) calibrated; the word is right at all of them, or absent from the photo
    margins: Tensor  # (N,) over the best unlike rival there
    best: float  # mean of the photo's best margins


def ask(
    predictor: Predictor, rivals: Rivals, sample_set: SegmentationSet, photos: int
) -> Iterator[Asked]:
    """Ask one word at a time of training photos at even distances in the set's list."""
    model, rng = predictor.model, np.random.default_rng(SEED)
    others = [prompt.name for prompt in named_union().classes]
    names = sample_set.class_names
    chosen = at_even_distances(sample_set.training, photos)
    bar = tqdm(chosen, sample_set.name, unit="photo", leave=False)
    for photo, label in samples(sample_set, bar):
        features = predictor.encode(photo, network_size(photo.shape[:2], model.config))
        best = rivals.of_photo(features)
        shares = np.bincount(label[label >= 0], minlength=len(names)) / label.size
        shown = [names[place] for place in np.flatnonzero(shares)]
        words = {names[place]: label == place for place in np.flatnonzero(shares >= LEAST_SHARE)}
        for some in (names, others):
            lacked = [w for w in some if not any(are_near(w, name) for name in shown)]
            drawn = rng.permutation(len(lacked))[:ABSENT_WORDS]
            words |= {lacked[place]: None for place in drawn}
        for word, own in words.items():
            vocabulary = parse_classes([word])
            text, _ = predictor.embed(vocabulary)
            maps = model.decode(features, text).kept_logits
            unlike = rivals.against(vocabulary, text).unlike
            margins = rivals.margins(features, text[None], unlike[None], best)
            wide = resize(margins, tuple(maps.shape[-2:]))[0, 0]
            where = np.ones(label.shape, bool) if own is None else own
            rows, columns = rng.permutation(np.argwhere(where))[:PIXELS_PER_WORD].T
            rows = rows * maps.shape[-2] // label.shape[0]
            columns = columns * maps.shape[-1] // label.shape[1]
            yield Asked(
                present=own is not None,
                logits=maps[0, 0][rows, columns].cpu(),
                margins=wide[rows, columns].cpu(),
                best=best_margins(margins).item(),
            )


def fit(asked: Sequence[Asked], absent_weight: float = ABSENT_WEIGHT) -> RivalWeights:
    """Fit three numbers by maximum likelihood; `APART` are the other two.

    Args:
        asked: words; those present count as one, those absent as the weight.
        absent_weight: above 0.
    """
    counts = {flag: sum(one.present == flag for one in asked) for flag in (True, False)}
    parts = {"logits": [], "margins": [], "best": [], "right": [], "weights": []}
    for one in asked:
        size = len(one.logits)
        total = 1.0 if one.present else absent_weight
        parts["logits"].append(one.logits)
        parts["margins"].append(one.margins)
        parts["best"].append(torch.full((size,), one.best))
        parts["right"].append(torch.full((size,), float(one.present)))
        parts["weights"].append(torch.full((size,), total / counts[one.present] / size))
    data = {name: torch.cat(values).double() for name, values in parts.items()}
    own = F.logsigmoid(data["logits"])
    numbers = torch.tensor(FIRST_GUESS, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([numbers], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        presence, margin, bias = numbers
        evidence = presence * data["best"] + margin * data["margins"] + bias
        score = (own + F.logsigmoid(evidence)).clamp(max=-CERTAIN)  # its logarithm
        wrong = torch.log(-torch.expm1(score))
        said = data["right"] * score + (1 - data["right"]) * wrong
        loss = -(data["weights"] * said).sum()
        loss.backward()
        return loss

    optimizer.step(loss)
    return RivalWeights(*(round(number, 2) for number in numbers.tolist()), *APART)


@torch.inference_mode()
def fit_rivals(
    predictor: Predictor, sets: Sequence[SegmentationSet], photos: int
) -> tuple[RivalWeights, int]:
    """Fit the numbers on training photos of each set, and add `LENIENCE`.

    Returns:
        the numbers, and how many words were asked.

    Raises:
        InputError: no set has training photos, or a file isn't as its set says.
    """
    rivals = make_rivals(predictor.model, RivalWeights(0.0, 0.0, 0.0, 0.0, 0.0))
    asked = []
    for sample_set in with_photos(sets, "training"):
        asked += ask(predictor, rivals, sample_set, photos)
    with torch.inference_mode(False), torch.enable_grad():
        copies = [
            Asked(one.present, one.logits.clone(), one.margins.clone(), one.best) for one in asked
        ]
        fitted = fit(copies)
    return dataclasses.replace(fitted, bias=round(fitted.bias + LENIENCE, 2)), len(copies)
