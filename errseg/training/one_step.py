"""How long a step of the published training takes on a device: made-up photos, true work."""

import statistics
import time

import torch

from errseg.device import AUTOMATIC, find_precision, wait_for
from errseg.network.model import build_model
from errseg.training.config import PUBLISHED
from errseg.training.published import published_loss, trained_parameters
from errseg.words.vocabulary import load_vocabulary

WARM_UP = 2  # steps that don't count; in the first the optimiser makes its state
NAMES_OF = "coco171"
SHOWN = 10  # classes in a made-up photo


def seconds_of_a_step(
    model_name: str,
    device: torch.device,
    side: int,
    photos: int,
    classes: int,
    kept_classes: int,
    steps: int,
) -> float:
    """Take steps of the published recipe with random weights; return the median's seconds.

    Args:
        model_name: errseg-base or errseg-large.
        device: where.
        side: pixels of a side of the photos.
        photos: of a step.
        classes: T, up to COCO-Stuff's.
        kept_classes: P.
        steps: that count.
    """
    model = build_model(model_name).to(device).train()
    trained = trained_parameters(model)
    groups = []
    for name, parameter in model.released_parameters().items():
        parameter.requires_grad_(name in trained)
        if name in trained:
            rate, decay = trained[name]
            rate *= PUBLISHED.optimiser.rate
            groups.append({"params": [parameter], "lr": rate, "weight_decay": decay})
    optimizer = torch.optim.AdamW(groups)
    names = load_vocabulary(NAMES_OF).names[:classes]
    seeded = torch.Generator().manual_seed(0)
    shape = (photos, 3, side, side)
    images = torch.randint(256, shape, dtype=torch.uint8, generator=seeded)
    labels = torch.randint(min(SHOWN, classes), (photos, side, side), generator=seeded)
    dtype = find_precision(AUTOMATIC, device)
    scaler = torch.amp.GradScaler(device.type, enabled=dtype == torch.float16)
    taken = []
    for _ in range(WARM_UP + steps):
        wait_for(device)
        started = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device.type, dtype, dtype != torch.float32):
            loss = published_loss(model, images, labels, names, kept_classes)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        wait_for(device)
        taken.append(time.perf_counter() - started)
    return statistics.median(taken[WARM_UP:])
