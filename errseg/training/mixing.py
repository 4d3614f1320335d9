"""Scenes mixed class by class: half of what one shows, laid over another (ClassMix).

Olsson et al. 2021, arXiv 2007.07936. Few photos name every pixel, and a model learns whole scenes
by heart; of two scenes as many mixtures can be made as there are halves of the classes of one.
"""

import numpy as np
from PIL import Image


def mix_classes(
    rng: np.random.Generator,
    image: Image.Image,
    label: np.ndarray,
    other: Image.Image,
    other_label: np.ndarray,
) -> None:
    """Lay half of the classes of another crop over a crop and its label, both in place.

    The classes are drawn at random, of an odd number one more than are left; what the other crop
    leaves unlabelled is never laid over. The images are RGB of one size, the labels (S, S) int64,
    negative where they name nothing.
    """
    shown = np.unique(other_label[other_label >= 0])
    chosen = rng.permutation(shown)[: (len(shown) + 1) // 2]
    laid = np.isin(other_label, chosen)
    image.paste(other, (0, 0), Image.fromarray(laid.astype(np.uint8) * 255))
    label[laid] = other_label[laid]
