"""A photo and typed classes in, a label for every pixel out. Calls are stateless.

All that is kept between calls are bounded caches, keyed by content: text embeddings by prompt (in
memory, and on disk unless the weights are random) and by vocabulary, with what rivals its words
have, what the image tower saw by photo and size, the last results of the network, and each pixel's
best class in the last photos. So changing the classes runs the text tower, CRM and the decoder,
changing P, K or beta runs CRM and the decoder, changing the threshold runs nothing of the network
and only compares scores with it, and one predictor can be shared by any number of threads and
users.
"""

import dataclasses
import functools
import hashlib
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from errseg.device import AUTOMATIC
from errseg.errors import InputError
from errseg.inference.caches import BoundedCache, KeysOfArrays
from errseg.inference.clock import Clock
from errseg.inference.closer import LookAtPlace, look_closer
from errseg.inference.full_memory import told_when_full
from errseg.inference.labelling import best_labels, check_threshold, over_threshold
from errseg.inference.pauses import Pauses
from errseg.inference.photo import (
    Photo,
    check_pixel,
    load_photo,
    network_size,
    resize_photo,
    whole_pixel,
)
from errseg.inference.priors import Priors, priors_of
from errseg.inference.result import CostView, Result, Settings
from errseg.inference.rivals import PhotoRivals, Rivals, rivals_of
from errseg.inference.text_embeddings import VocabularyEmbedder
from errseg.inference.tiles import SEEN_WHOLLY, Tiles, chosen_tiles, said_of
from errseg.inference.token_memory import TokenMemory
from errseg.inference.way_on import ways_on
from errseg.network.attention import Attention, attend_from
from errseg.network.model import ERRSeg, ImageFeatures, Segmentation
from errseg.options import Options, checked_options
from errseg.words.hints import Hint, Reader, hints
from errseg.words.vocabulary import Vocabulary, parse_classes

Words = str | Sequence[str] | Vocabulary

IMAGE_CACHE = 192 * 2**20
"""Bytes of encoded photos that are kept, with the tokens of classes that each may remember: 3 of
errseg-base, 18 of errseg-lite, and one of any model at the largest input."""
HINTS_REMEMBERED = 32  # vocabularies
LABEL_CACHE = 26 * 2**20
"""Bytes of photos' best classes and their scores: one of 2,048 x 2,048 pixels, 3 of 1,280 x 960."""
AGAINST_CACHE = 4 * 2**20
"""Bytes of what tells words from their rivals: 13 vocabularies of 150 classes, two of 1,000."""
RESULT_CACHE = 32 * 2**20  # bytes of decoded photos that are kept: some 9 of errseg-base


@dataclass(frozen=True)
class _Question:
    """A question that was read, and what the towers made of it."""

    photo: np.ndarray  # (H, W, 3) uint8
    vocabulary: Vocabulary
    settings: Settings
    text: Tensor  # (T, C)
    notices: list[str]  # on the photo and the words
    features: ImageFeatures
    memory: TokenMemory  # of the photo's classes
    rivals: PhotoRivals | None  # of the photo, if the model's scores are judged by them
    tiles: Tiles | None  # in which the photo is looked at closer
    key: Hashable  # of what the network says
    clock: Clock


class Predictor:
    """Segment photos with a model.

    All methods take a photo (a path, a PIL image, an array, bytes and more, see `load_photo`),
    words (as a person types them, or a list; see `parse_classes`) and `Options`. Options may also
    be given one by one, which changes what the others say:
    ``predictor(photo, "dog, cat", kept_classes=8)``.

    They raise an `InputError` if the photo, the words or an option can't be used, and a
    `TypeError` if there is no such option.

    Args:
        model: from `load_model` or `build_model`.
    """

    def __init__(self, model: ERRSeg):
        self.model = model.eval()
        self.pauses = Pauses(model)
        self._text = VocabularyEmbedder(self.model)
        self._images = BoundedCache(IMAGE_CACHE)
        self._image_keys = KeysOfArrays()  # of photos and sizes: to resize one takes 8 ms
        self._results = BoundedCache(RESULT_CACHE)
        self._labels = BoundedCache(LABEL_CACHE)
        self._against = BoundedCache(AGAINST_CACHE)
        reader = None
        if model.config.towers.expand_unknown:
            reader = Reader(model.config.name, model.towers.text.pieces)
        self._hints = functools.lru_cache(HINTS_REMEMBERED)(lambda words: hints(words, reader))

    @told_when_full
    @torch.inference_mode()
    def __call__(
        self, image: Photo, classes: Words, options: Options | None = None, **changes: object
    ) -> Result:
        """Segment one photo."""
        question = self._read(image, classes, options, changes)
        settings, begin = question.settings, question.clock.begin
        begin("decode")
        out = self._segment(question)
        begin("label")
        best, scores = self._best_labels(question, out)
        labels = over_threshold(best, scores, settings.threshold)
        begin()
        kept = tuple(out.kept[0].tolist())
        class_scores = out.kept_logits[0].float().sigmoid().cpu().numpy()
        vocabulary = question.vocabulary
        ways = ways_on(vocabulary, labels, scores, class_scores, kept, settings.threshold)
        told = (*self.hints(vocabulary), *ways)
        return Result(
            classes=vocabulary.names,
            labels=labels,
            # Copies: the caller may change them, and they are remembered.
            scores=scores.copy(),
            kept=kept,
            crm_scores=out.crm_scores[0].float().cpu().numpy().copy(),
            votes=out.votes[0].cpu().numpy().copy(),
            ranking=out.ranking[0].cpu().numpy().copy(),
            class_scores=class_scores,
            notices=(*question.notices, *(hint.sentence for hint in told)),
            settings=settings,
            timings=question.clock.laps,
            hints=told,
            closer_box=question.tiles.shares if settings.closer_at else None,
        )

    @told_when_full
    @torch.inference_mode()
    def segment(
        self, image: Photo, classes: Words, options: Options | None = None, **changes: object
    ) -> Segmentation:
        """Return what the network says, before a call lays it on the photo's pixels.

        After a call with the same question it is what that call computed.
        """
        return self._segment(self._read(image, classes, options, changes))

    @told_when_full
    @torch.inference_mode()
    def attention(
        self,
        image: Photo,
        classes: Words,
        pixel: tuple[int, int],
        options: Options | None = None,
        everything: bool = False,
        everywhere: Sequence[int] = (),
        **changes: object,
    ) -> Attention:
        """Return what ESCF attends to from a pixel (x, y): a pass of its own, without GUD.

        It attends to the classes that CRM kept for the masks: those of `segment`, which runs first
        if nobody has asked it. Or to everything, as if CRM dropped no class (P = T). Of the classes
        at the places `everywhere` among those it is also told what they attend to from every pixel.

        Raises:
            InputError: as a call, or the pixel lies outside the photo.
        """
        photo = load_photo(image)
        (x, y), (height, width) = whole_pixel(pixel), photo.pixels.shape[:2]
        check_pixel((x, y), (height, width))
        question = self._read(photo, classes, options, changes)
        features, text = question.features, question.text
        if not everything:
            text = text[self._segment(question).kept[0]]
        rows, columns = features.dense16.shape[-2:]
        cell = (int(y * rows / height), int(x * columns / width))
        # The memory has room for the classes that CRM keeps, not for all.
        memory = None if everything else question.memory
        return attend_from(self.model, features, text[None], cell, memory, everywhere)

    @told_when_full
    @torch.inference_mode()
    def cost_view(
        self,
        image: Photo,
        classes: Words,
        indices: Sequence[int] | None = None,
        options: Options | None = None,
        **changes: object,
    ) -> CostView:
        """Return the cost maps of all classes, or of those with some indices, in their order.

        CRM may keep or drop them.
        """
        question = self._read(image, classes, options, changes)
        text = question.text if indices is None else question.text[list(indices)]
        cost = self.model.cost_maps(question.features, text)
        return CostView(*(m[0].float().cpu().numpy() for m in (cost.stride16, cost.stride32)))

    def forget(self) -> None:
        """Forget photos and what was said of them, but not the words."""
        for remembered in (self._images, self._results, self._labels):
            remembered.clear()

    def hints(self, vocabulary: Vocabulary) -> tuple[Hint, ...]:
        """Say what there is to know about words before they are looked for; runs no network."""
        return self._hints(vocabulary)

    @told_when_full
    def embed(self, vocabulary: Vocabulary, expand: bool = True) -> tuple[Tensor, list[str]]:
        """Embed a vocabulary (T, C), or remember it; also return notices on its words."""
        return self._text(vocabulary, expand)

    @functools.cached_property
    def rivals(self) -> Rivals | None:
        """What hidden rivals take from the model's scores; None where they take nothing."""
        return rivals_of(self.model)

    @functools.cached_property
    def priors(self) -> Priors | None:
        """What is to be expected of the model's words; None where nothing is known of it."""
        return priors_of(self.model)

    def unread(self, vocabulary: Vocabulary, expand: bool = True) -> list[int]:
        """Count the tokens of each prompt of a vocabulary that `embed` would have to encode."""
        return self._text.unread(vocabulary, expand and self.model.config.towers.expand_unknown)

    @told_when_full
    def encode(self, photo: np.ndarray, size: tuple[int, int]) -> ImageFeatures:
        """Resize a photo (H, W, 3) uint8 to the network's size and encode it, or remember it."""
        return self._encode(photo, size)[1]

    def _read(
        self, image: Photo, classes: Words, options: Options | None, changes: dict[str, object]
    ) -> _Question:
        """Check a question, fill in what it leaves to the model, and encode words and photo."""
        clock, config = Clock(self.pauses.begin, self.model.device), self.model.config
        clock.begin("read")
        options = checked_options(options, changes)
        vocabulary, read = parse_classes(classes), load_photo(image)
        photo = read.pixels
        threshold = config.calibration.threshold if options.threshold is None else options.threshold
        check_threshold(threshold)
        size = network_size(photo.shape[:2], config, options.input_size)
        place = options.closer_at
        tiles = chosen_tiles(photo.shape[:2], config, options.tiles, options.input_size, place)
        if options.precision not in (AUTOMATIC, self.model.precision):
            raise InputError(
                f"This model computes in {self.model.precision}, not in {options.precision}; "
                f"load it with the precision {options.precision}."
            )
        resolved = options.changed(
            threshold=threshold,
            input_size=options.input_size or config.input_size,
            expand=options.expand and config.towers.expand_unknown,
            precision=self.model.precision,
            tiles=len(tiles.rows) if tiles else 1,
            closer_at=place if tiles else None,
        )
        clock.begin("text")
        text, notices = self.embed(vocabulary, resolved.expand)
        clock.begin("encode")
        key, *seen = self._encode(photo, size)
        clock.begin()
        settings = Settings(
            **vars(resolved),
            model=config.name,
            weights_hash=self.model.weights_hash,
            weights_origin=self.model.weights_origin,
            network_size=size,
            tile_size=tiles.size if tiles else None,
        )
        key = (key, vocabulary.classes, resolved.of_network)
        notices = [*read.notices, *vocabulary.notices, *notices]
        if tiles:
            # Large photos may be different and yet the same to the network as a whole.
            key = (hashlib.blake2b(np.ascontiguousarray(photo)).digest(), tiles, key)
            notices.append(said_of(settings.tiles, settings.closer_at))
        elif place:
            notices.append(SEEN_WHOLLY)
        return _Question(photo, vocabulary, settings, text, notices, *seen, tiles, key, clock)

    def _encode(
        self, photo: np.ndarray, size: tuple[int, int]
    ) -> tuple[Hashable, ImageFeatures, TokenMemory, PhotoRivals | None]:
        """Do what `encode` does; also return what tells photos apart, its memory and its rivals."""
        key = self._image_keys.get(photo, size)
        known = self._images.get(key)
        if known is None:
            pixels = resize_photo(photo, size, self.model.config)
            key = (hashlib.blake2b(pixels.tobytes()).digest(), size)
            self._image_keys.put(photo, size, key)
            known = self._images.get(key)
        if known is None:
            encoded = self.model.encode_image(torch.from_numpy(pixels).permute(2, 0, 1)[None])
            # The backbone's features have done their work in the guidance.
            features = dataclasses.replace(encoded, pyramid=())
            rivals = self.rivals.of_photo(features) if self.rivals else None
            known = features, TokenMemory.of_photo(self.model, features), rivals
            held = features.bytes + known[1].limit + (rivals.bytes if rivals else 0)
            self._images.put(key, known, held)
        return key, *known

    def _segment(self, question: _Question) -> Segmentation:
        """Run CRM, ESCF and GUD, or remember what they said."""
        out = self._results.get(question.key)
        if out is None:
            run = self._look_closer if question.tiles else self._decode
            out = run(question)
            self._results.put(question.key, out, out.bytes)
        return out

    def _decode(self, question: _Question) -> Segmentation:
        settings = question.settings
        out = self.model.decode(
            question.features,
            question.text,
            settings.kept_classes,
            settings.votes_per_pixel,
            settings.beta,
            tokens_of=question.memory,
            calibrate=self._calibrate(question),
        )
        return self._judge(question, out, [(question.features, question.rivals)])

    def _look_closer(self, question: _Question) -> Segmentation:
        """Do what `_decode` does, for the tiles of a photo too."""
        photo, tiles, begin = question.photo, question.tiles, question.clock.begin
        begin("tiles")
        seen = [(question.features, question.memory, question.rivals)]
        for box in tiles.boxes(photo.shape[:2]):
            seen.append(self._encode(np.ascontiguousarray(photo[box]), tiles.size)[1:])
        begin("decode")
        looks = [(features, memory) for features, memory, _ in seen]
        text, calibrate = question.text, self._calibrate(question)
        out, whole = look_closer(self.model, looks, tiles, text, question.settings, calibrate)
        judged = [(features, rivals) for features, _, rivals in seen]
        out = self._judge(question, out, judged, tiles)
        if not tiles.is_one:
            return out
        whole = self._judge(question, whole, judged[:1])
        return LookAtPlace(**vars(out), whole_logits=whole.kept_logits)

    def _calibrate(self, question: _Question) -> Callable[[Tensor, Tensor], Tensor] | None:
        """Return what calibrates logits where it is known what is to be expected of words."""
        return self.priors.of_words(question.vocabulary, question.text) if self.priors else None

    def _judge(
        self,
        question: _Question,
        out: Segmentation,
        looks: Sequence[tuple[ImageFeatures, PhotoRivals | None]],
        tiles: Tiles | None = None,
    ) -> Segmentation:
        """Let the words' hidden rivals have their share of the scores, if the model has any."""
        if self.rivals is None:
            return out
        key = question.vocabulary.classes, question.settings.expand
        against = self._against.get(key)
        if against is None:
            against = self.rivals.against(question.vocabulary, question.text)
            self._against.put(key, against, against.bytes)
        return self.rivals.judge(out, looks, question.text, against, tiles)

    def _best_labels(self, question: _Question, out: Segmentation) -> tuple[np.ndarray, np.ndarray]:
        """Lay what the network says on the photo's pixels, or remember it: see `best_labels`."""
        size = question.photo.shape[:2]
        key = (question.key, size)
        known = self._labels.get(key)
        if known is None:
            labels, scores = best_labels(out.kept_logits[0], out.kept[0], size)
            if isinstance(out, LookAtPlace):  # elsewhere each pixel is as ever
                (box,) = question.tiles.boxes(size)
                closer = labels[box], scores[box]
                labels, scores = best_labels(out.whole_logits[0], out.kept[0], size)
                labels[box], scores[box] = closer
            if len(question.vocabulary) <= np.iinfo(np.int16).max:
                labels = labels.astype(np.int16)  # half the memory
            known = labels, scores
            self._labels.put(key, known, labels.nbytes + scores.nbytes)
        return known
