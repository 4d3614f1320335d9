"""Labels are those of every class's scores resized to the photo."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from errseg.inference.labelling import label_pixels
from errseg.network.model import Segmentation


def brute_force(out: Segmentation, size, threshold):
    """Resize every class's scores to the photo, then take the best class of each pixel."""
    scores = F.interpolate(out.kept_logits.sigmoid(), size=size, mode="bilinear")[0]
    best, place = scores.max(dim=0)
    labels = out.kept[0][place]
    labels[best < threshold] = -1
    return labels.numpy(), best.numpy()


@pytest.mark.parametrize("size", [(75, 110), (24, 24), (130, 61), (16, 400)])
@pytest.mark.parametrize("threshold", [0.0, 0.5, 0.9])
def test_labels_are_those_of_a_full_resize(randn, size, threshold):
    logits = 3 * randn(1, 6, 24, 24)
    logits[0, 3, 5:9] = 30  # a score of exactly 1 ...
    logits[0, 5, 7:12] = 30  # ... ties with another: the lower index wins
    out = Segmentation(
        kept_logits=logits,
        kept=torch.tensor([[1, 4, 5, 8, 11, 12]]),
        crm_scores=torch.zeros(1, 20),
        ranking=torch.zeros(1, 3, 6, 6, dtype=torch.int64),
        votes=torch.zeros(1, 20, 3, dtype=torch.int64),
    )
    labels, scores = label_pixels(out.kept_logits[0], out.kept[0], size, threshold)
    expected_labels, expected_scores = brute_force(out, size, threshold)
    # To the bit where the processor multiplies and adds at once, as most do.
    np.testing.assert_allclose(scores, expected_scores, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(labels, expected_labels)
