"""A vocabulary -> its text embeddings, remembered in memory and on disk."""

import functools

import torch
from torch import Tensor
from torch.nn import functional as F

from errseg.inference.caches import BoundedCache, DiskCache, cache_folder
from errseg.inference.shipped_text import Readings, ShippedText, no_text, shipped_text
from errseg.network.model import ERRSeg
from errseg.words.expansion import expand_name
from errseg.words.vocabulary import Vocabulary, fill_templates

TEXT_CACHE = 32 * 2**20
"""Bytes of text embeddings that are kept: some 10,000 prompts of errseg-large."""
VOCABULARY_CACHE = 4 * 2**20
"""Bytes of embedded vocabularies that are kept whole: 18 of 150 classes of errseg-lite."""
READ_VOCABULARIES = 32  # whose words' readings are remembered
EXPANSIONS_SAID = 5  # expanded words that are named one by one in a result's notices


class VocabularyEmbedder:
    """Embed vocabularies with a model's text tower, every prompt once.

    What ships with the weights is never computed, so that an answer doesn't depend on what was
    asked before. What is embedded is kept on disk too, unless the model's weights are random.

    Args:
        model: whose text tower reads the words.
        use_shipped: false to compute everything.
    """

    def __init__(self, model: ERRSeg, use_shipped: bool = True):
        self.model = model
        self._use_shipped = use_shipped
        self._prompts = BoundedCache(TEXT_CACHE)
        self._vocabularies = BoundedCache(VOCABULARY_CACHE)
        self._readings = functools.lru_cache(READ_VOCABULARIES)(self._read)
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

        Raises:
            InputError: what ships with the weights was damaged.
        """
        key = vocabulary.classes, expand
        known = self._vocabularies.get(key)
        if known is None:
            known = self._embed(vocabulary, expand)
            self._vocabularies.put(key, known, known[0].nbytes)
        text, notices = known
        return text.clone(), [*notices]  # copies: the caller may change them

    def _embed(self, vocabulary: Vocabulary, expand: bool) -> tuple[Tensor, list[str]]:
        readings = self.readings(vocabulary, expand)
        rows = self.rows(readings)
        # The mean's length doesn't matter: it is normalised.
        text = torch.stack(
            [sum(rows[word] for word in prompt.synonyms) for prompt in vocabulary.classes]
        )
        too_long = self._too_long(self._not_shipped(readings))
        notices = [
            f"{prompt.name!r} is too long for the text tower; its end is not read."
            for prompt in vocabulary.classes
            if not too_long.isdisjoint(prompt.synonyms)
        ]
        expanded = {word: read for word, read in readings.items() if read != word}
        return F.normalize(text, dim=-1), expansion_notices(expanded) + notices

    def unread(self, vocabulary: Vocabulary, expand: bool = True) -> list[int]:
        """Count the tokens of each prompt of a vocabulary that a call would have to encode.

        Those beyond the text tower's context aren't counted.
        """
        if self._vocabularies.get((vocabulary.classes, expand)) is not None:
            return []
        readings = self._not_shipped(self.readings(vocabulary, expand))
        prompts = _each_once(self._prompts_of(readings))
        missing = [prompt for prompt in prompts if self._prompts.get(prompt) is None]
        stored = self._disk.get(missing) if self._disk and missing else {}
        new = [prompt for prompt in missing if prompt not in stored]
        limit = self.model.config.towers.context_length
        return [min(length, limit) for length in self.model.towers.prompt_lengths(new)]

    def readings(self, vocabulary: Vocabulary, expand: bool = True) -> Readings:
        """Map every word of a vocabulary to what the text tower reads for it."""
        return self._readings(vocabulary, expand)

    def _read(self, vocabulary: Vocabulary, expand: bool) -> Readings:
        towers = self.model.config.towers
        words = dict.fromkeys(word for prompt in vocabulary.classes for word in prompt.synonyms)
        if not (expand and towers.expand_unknown):
            return {word: word for word in words}
        pieces = self.model.towers.text.pieces
        return {word: expand_name(word, pieces, towers.trained_words) for word in words}

    @torch.inference_mode()
    def rows(self, readings: Readings) -> dict[str, Tensor]:
        """Embed words: the weighted sum (C,) of all that is read for each."""
        shipped = self._shipped.known(readings)
        new = {word: read for word, read in readings.items() if word not in shipped}
        prompts = self._prompts_of(new)
        embedded = self._embed_prompts(_each_once(prompts))
        computed = (sum(w * embedded[p] for p, w in own.items()) for own in prompts)
        return shipped | dict(zip(new, computed, strict=True))

    @functools.cached_property
    def _shipped(self) -> ShippedText:
        return shipped_text(self.model) if self._use_shipped else no_text()

    def _not_shipped(self, readings: Readings) -> dict[str, str]:
        shipped = self._shipped.known(readings)
        return {word: read for word, read in readings.items() if word not in shipped}

    def _prompts_of(self, readings: Readings) -> list[dict[str, float]]:
        """List what is read for each word, and how much each prompt counts."""
        towers, prompts = self.model.config.towers, []
        for word, read in readings.items():
            parts = {read: 1.0}
            if read != word:
                parts[read.removeprefix(f"{word}, ")] = towers.hypernyms_share
            filled = {
                prompt: weight
                for words, weight in parts.items()
                for prompt in fill_templates(words, towers.templates)
            }
            prompts.append(filled)
        return prompts

    def _too_long(self, readings: Readings) -> set[str]:
        """Find the words of which some prompt doesn't fit the text tower."""
        limit, prompts = self.model.config.towers.context_length, self._prompts_of(readings)
        lengths = iter(self.model.towers.prompt_lengths([p for own in prompts for p in own]))
        longest = [max(next(lengths) for _ in own) for own in prompts]
        return {word for word, most in zip(readings, longest, strict=True) if most > limit}

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
