"""What the network asks of its two towers, whichever they are: `clip.py` and `lite.py` answer."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from errseg.config import ClipConfig, LiteConfig

PROMPTS_AT_ONCE = 64  # prompts per pass of a text tower, which bounds its memory

Part = Literal["head", "clip", "trunk", "residual", "frozen"]
"""What a parameter is to training, which has a learning rate for each: newly made and trained like
the decoder, fine-tuned CLIP, lite's last stages, lite's residual, or never changed."""


@dataclass(frozen=True, kw_only=True)
class EncodedImage:
    """What an image tower sees in a batch of photos."""

    pyramid: tuple[Tensor, ...]  # (B, C, h, w) at strides 4, 8, 16, 32; may be dropped once used
    dense16: Tensor  # L2-normalised pixel embeddings (B, C, h16, w16)
    dense32: Tensor  # the same at stride 32, (B, C, h32, w32)
    # While the towers learn: the stride-16 embeddings that their own losses look at.
    aligned16: Tensor | None = None


class Towers(nn.Module, ABC):
    """An image tower and a text tower whose embeddings meet, with all that is theirs to know."""

    quantized: ClassVar[tuple[str, ...]] = ()  # beginnings of parameters that files hold as int8
    text_learns: ClassVar[bool] = False  # whether training changes the text tower
    # How earlier weights files differ: names that began otherwise, and zeros that they lack.
    earlier_names: ClassVar[Mapping[str, str]] = MappingProxyType({})
    zero_at_first: ClassVar[tuple[str, ...]] = ()
    metadata_keys: ClassVar[tuple[str, ...]] = ()  # what `metadata` returns
    config: ClipConfig | LiteConfig

    @abstractmethod
    def encode_image(self, pixels: Tensor, learning: bool = False) -> EncodedImage:
        """Encode uint8 RGB photos (B, 3, H, W); ``learning`` while the towers themselves train."""

    @abstractmethod
    def encode_text(self, prompts: list[str]) -> Tensor:
        """Encode prompts to L2-normalised float32 embeddings (T, C)."""

    @abstractmethod
    def prompt_lengths(self, prompts: list[str]) -> list[int]:
        """Count the tokens of each prompt, so that those that will be cut can be named."""

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return next(self.parameters()).device

    def cast(self, dtype: torch.dtype) -> None:
        """Compute in another precision from now on; the embeddings stay float32."""
        self.to(dtype)

    @abstractmethod
    def part(self, name: str) -> Part:
        """Say what one of the towers' parameters is to training."""

    @abstractmethod
    def load_public_weights(self, tag: str) -> None:
        """Take the public weights that training starts from; CLIP's by open_clip's tag.

        Raises:
            InputError: they can't be had here.
        """

    def metadata(self) -> dict[str, str]:
        """Return what a weights file carries for the towers beside tensors."""
        return {}

    def take_metadata(self, metadata: Mapping[str, str]) -> None:
        """Take over what `metadata` gave.

        Raises:
            ValueError: it lacks something, or holds what can't be used. The message goes on from
                the name of the file.
        """

    def rebuild_buffers(self) -> None:
        """Make the buffers anew that no file holds, for towers that were built on "meta"."""

    def compiled_parts(self) -> Iterator[nn.Module]:
        """List what `torch.compile` speeds up: parts that see photos of one size."""
        return iter(())


def normalise_pixels(pixels: Tensor, config: ClipConfig | LiteConfig) -> Tensor:
    """Turn uint8 RGB (B, 3, H, W) into a tower's float32 input."""
    x = pixels.to(torch.float32, copy=True)
    # Numbers of the program, channel by channel: a tensor of them would be sent to a GPU each time.
    for channel, mean, std in zip(x.unbind(1), config.pixel_mean, config.pixel_std, strict=True):
        channel.sub_(mean).div_(std)
    return x
