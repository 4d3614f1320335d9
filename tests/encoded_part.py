"""A photo, or a part of it, as the towers see it."""

import numpy as np
import torch

from errseg.inference.photo import resize_photo
from errseg.network.model import ERRSeg, ImageFeatures


def encode_part(model: ERRSeg, part: np.ndarray, size: tuple[int, int]) -> ImageFeatures:
    """Encode a part (H, W, 3) of a photo at a size (h, w)."""
    resized = resize_photo(np.ascontiguousarray(part), size, model.config)
    return model.encode_image(torch.from_numpy(resized).permute(2, 0, 1)[None])
