"""A vocabulary -> its text embeddings, remembered in memory and on disk."""

import torch
from torch import Tensor
from torch.nn import functional as F

from errseg.inference.caches import BoundedCache, DiskCache, cache_folder
from errseg.network.model import ERRSeg
from errseg.words.expansion import expand_name
from errseg.words.vocabulary import ClassPrompt, Vocabulary, fill_templates

TEXT_CACHE = 32 * 2**20
"""Bytes of text embeddings that are kept: some 10,000 prompts of errseg-large."""
EXPANSIONS_SAID = 5  # expanded words that are named one by one in a result's notices


class VocabularyEmbedder:
    """Embed vocabularies with a model's text tower, every prompt once.

    What it embeds is kept on disk too, unless the model's weights are random.
    """

    def __init__(self, model: ERRSeg):
        self.model = model
        self._prompts = BoundedCache(TEXT_CACHE)
        self._disk = None
        if model.weights_hash and (folder := cache_folder()):
            self._disk = DiskCache(folder, origin=f"{model.weights_hash} {model.precision}")

    @torch.inference_mode()
    def __call__(self, vocabulary: Vocabulary, expand: bool = True) -> tuple[Tensor, list[str]]:
        """Embed a vocabulary: the mean over synonyms and templates, L2-normalised, (T, C).

        For a word that was expanded its hypernyms alone enter the mean as well, with the
        configuration's share: the spelling of a word that nobody knows says little.

        Returns:
            the embeddings, and notices: words that were expanded (see `Predictor`), and prompts
            that are too long to be read whole.
        """
        prompts, expanded = self._prompts_by_class(vocabulary, expand)
        embedded = self._embed_prompts(_each_once(prompts))
        # The mean's length doesn't matter: it is normalised.
        text = torch.stack([sum(w * embedded[p] for p, w in own.items()) for own in prompts])
        limit = self.model.config.towers.context_length
        too_long = [
            f"{prompt.name!r} is too long for the text tower; its end is not read."
            for prompt, own in zip(vocabulary.classes, prompts, strict=True)
            if max(self.model.towers.prompt_lengths(list(own))) > limit
        ]
        return F.normalize(text, dim=-1), expansion_notices(expanded) + too_long

    def unread(self, vocabulary: Vocabulary, expand: bool = True) -> list[int]:
        """Count the tokens of each prompt of a vocabulary that a call would have to encode.

        Those beyond the text tower's context aren't counted.
        """
        prompts = _each_once(self._prompts_by_class(vocabulary, expand)[0])
        missing = [prompt for prompt in prompts if self._prompts.get(prompt) is None]
        stored = self._disk.get(missing) if self._disk and missing else {}
        new = [prompt for prompt in missing if prompt not in stored]
        limit = self.model.config.towers.context_length
        return [min(length, limit) for length in self.model.towers.prompt_lengths(new)]

    def _prompts_by_class(
        self, vocabulary: Vocabulary, expand: bool
    ) -> tuple[list[dict[str, float]], dict[str, str]]:
        """List what is read for each class, and the words that were expanded."""
        expanded = self._expand(vocabulary) if expand else {}
        return [self._prompts_of(prompt, expanded) for prompt in vocabulary.classes], expanded

    def _prompts_of(self, prompt: ClassPrompt, expanded: dict[str, str]) -> dict[str, float]:
        """List what is read for a class, and how much each prompt counts."""
        towers, weights = self.model.config.towers, {}
        for word in prompt.synonyms:
            read = {expanded.get(word, word): 1.0}
            if word in expanded:
                read[expanded[word].removeprefix(f"{word}, ")] = towers.hypernyms_share
            for words, weight in read.items():
                for filled in fill_templates(words, towers.templates):
                    weights[filled] = weights.get(filled, 0.0) + weight
        return weights

    def _expand(self, vocabulary: Vocabulary) -> dict[str, str]:
        """Map the words that the text tower doesn't know to what it reads for them."""
        towers = self.model.config.towers
        if not towers.expand_unknown:
            return {}
        words = dict.fromkeys(word for prompt in vocabulary.classes for word in prompt.synonyms)
        pieces = self.model.towers.text.pieces
        read = {word: expand_name(word, pieces, towers.trained_words) for word in words}
        return {word: prompt for word, prompt in read.items() if prompt != word}

    def _embed_prompts(self, prompts: list[str]) -> dict[str, Tensor]:
        known = {prompt: self._prompts.get(prompt) for prompt in prompts}
        missing = [prompt for prompt, embedding in known.items() if embedding is None]
        stored = self._disk.get(missing) if self._disk else {}
        found = {
            prompt: torch.frombuffer(bytearray(value), dtype=torch.float32).to(self.model.device)
            for prompt, value in stored.items()
        }
        if new := [prompt for prompt in missing if prompt not in found]:
            rows = self.model.encode_text(new)
            # Copies: a view would hold all the others.
            computed = {prompt: row.clone() for prompt, row in zip(new, rows, strict=True)}
            found |= computed
            if self._disk:
                self._disk.put({p: e.cpu().numpy().tobytes() for p, e in computed.items()})
        for prompt, embedding in found.items():
            self._prompts.put(prompt, embedding, embedding.nbytes)
        return known | found


def _each_once(prompts: list[dict[str, float]]) -> list[str]:
    return list(dict.fromkeys(prompt for own in prompts for prompt in own))


def expansion_notices(expanded: dict[str, str]) -> list[str]:
    """Say which words were read with their hypernyms; of many only the first."""
    said = [f"{word!r} was read as {prompt!r}." for word, prompt in expanded.items()]
    more = len(said) - EXPANSIONS_SAID
    if more > 0:
        said[EXPANSIONS_SAID:] = [f"So were {more:,} more words that the text tower spells out."]
    return said
