"""Which words a training step asks about, and their text embeddings."""

from itertools import chain

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from errseg.distributed import Processes
from errseg.network.lite_sources import imagenet_names
from errseg.network.model import ERRSeg
from errseg.training.config import LiteRecipe
from errseg.training.label_space import LabelSpace, Sample
from errseg.words.expansion import with_hypernyms
from errseg.words.relations import broader_names, prompt_names, with_synonyms
from errseg.words.vocabulary import fill_templates

LEAST_PIXELS = 16
"""Pixels of a class from which on a crop shows it: those of one logit, at stride 4."""


class TrainingVocabulary:
    """Which classes a step trains on, and their text embeddings."""

    def __init__(self, model: ERRSeg, space: LabelSpace, recipe: LiteRecipe):
        self.config = config = recipe.words
        self.space, self.kept_classes = space, recipe.selection.kept_classes
        self.templates = model.config.towers.templates
        hidden = with_synonyms(recipe.data.held_out)
        self.names = [name for name in space.names if name not in hidden]
        self.prompts = {name: prompt_names(name) for name in space.names}
        self.broader = {
            name: [b for b in sorted(broader_names(name, with_wholes=True)) if b not in hidden]
            for name in self.names
        }
        for names in self.broader.values() if config.broader else ():
            self.prompts |= {name: (name,) for name in names if name not in self.prompts}
        extra = imagenet_names() if config.imagenet_share else []
        self.imagenet = [name for name in extra if name not in self.prompts]
        self.prompts |= {name: (name,) for name in self.imagenet}
        # The text tower is frozen: it embeds every prompt once.
        words = list(dict.fromkeys(chain(*self.prompts.values())))
        self.expanded: dict[str, str] = {}  # word -> the word with its hypernyms
        if config.expanded:
            pieces = model.towers.text.pieces
            self.expanded = {word: with_hypernyms(word, pieces) for word in words}
            words = list(dict.fromkeys([*words, *self.expanded.values()]))
        filled = [prompt for word in words for prompt in fill_templates(word, self.templates)]
        with torch.no_grad():
            embedded = model.encode_text(filled).split(len(self.templates))
        self.bank = dict(zip(words, embedded, strict=True))  # (templates, C) each
        first = torch.stack([self._mean(name) for name in space.names])
        self._similar = {  # ImageNet name -> (N,) bool
            name: (first @ self._mean(name)).cpu() > config.similar for name in self.imagenet
        }

    def seen_words(self) -> set[str]:
        """Gather the words whose masks training sees, in lower case."""
        return {word.lower() for name in self.names for word in self.prompts[name]}

    def draw(
        self, samples: list[Sample], rng: np.random.Generator, processes: Processes | None = None
    ) -> tuple[list[str], Tensor]:
        """Choose a step's vocabulary: what the crops show, their sets' other names, any others.

        All processes that share a step choose the same.

        Returns:
            T words, each class under one of its names at random, and which of them each crop
            shows, (B, T) bool.
        """
        config = self.config
        gather = processes.gather if processes else lambda value: [value]
        present = [[self.space.names[i] for i in s.present(LEAST_PIXELS)] for s in samples]
        vocabulary = list(dict.fromkeys(chain.from_iterable(chain(*gather(present)))))
        if config.broader:
            broad = {b for name in vocabulary for b in self.broader[name]} - set(vocabulary)
            vocabulary += rng.permutation(sorted(broad))[: config.broader].tolist()
            present = [[*names, *(b for n in names for b in self.broader[n])] for names in present]
        if config.whole_lists:
            listed = frozenset().union(*(sample.listed for sample in samples))
            listed = sorted(frozenset().union(*gather(listed)))
            vocabulary = list(dict.fromkeys([*vocabulary, *listed]))
        taken = set(vocabulary)
        rest = [name for name in self.names if name not in taken]
        if config.vocabulary:
            missing = max(config.vocabulary - len(vocabulary), 0)
            extra = min(round(missing * config.imagenet_share), len(self.imagenet))
            rest = rng.permutation(rest)[: missing - extra].tolist()
            rest += rng.permutation(self.imagenet)[:extra].tolist()
        vocabulary += rest
        shown = torch.tensor([[name in names for name in vocabulary] for names in present])
        # More classes than P can be present; those that don't fit are left to CRM's scores.
        crowded = shown.sum(dim=1, keepdim=True) > self.kept_classes
        words = [self.prompts[name][rng.integers(len(self.prompts[name]))] for name in vocabulary]
        return words, shown & ~crowded

    def embed(self, words: list[str], rng: np.random.Generator) -> Tensor:
        """Embed a vocabulary (T, C), each word in one template, or their mean as at inference."""
        rows = []
        for word in words:
            expand = self.config.expanded and rng.random() < self.config.expanded
            templates = self.bank[self.expanded[word] if expand else word]
            ways = [*templates, templates.mean(dim=0)]
            rows.append(ways[rng.integers(len(ways))])
        return F.normalize(torch.stack(rows), dim=-1)

    def unsafe(self, classes: list[str]) -> Tensor:
        """Say which labels are too similar in meaning to deny an ImageNet name, (P, N) bool."""
        none = torch.zeros(len(self.space.names), dtype=torch.bool)
        return torch.stack([self._similar.get(name, none) for name in classes])

    def _mean(self, name: str) -> Tensor:
        return F.normalize(self.bank[name].mean(dim=0), dim=-1)
