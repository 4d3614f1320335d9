"""errseg-base on a Space's free hardware: two cores, 16 GB. Run with -s for the figures.

Memory counts from the app's start, so that loading may not hold the weights twice.
"""

import os
import sys
import time
from pathlib import Path

import pytest
import torch
from app_server import launch_app
from gradio_client import Client, handle_file

from errseg.config import EXAMPLES
from errseg.network.model import build_model
from errseg.words.vocabulary import load_vocabulary

pytestmark = [
    pytest.mark.slow,
    pytest.mark.alone,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc"),
]

CORES = 2
MOST_BYTES, MOST_SECONDS = 4e9, 4.0
NEW_WORDS = 50  # at a time: one question may not cost more than the app's budget
PHOTOS = ("china.jpg", "coffee.jpg", "astronaut.jpg")


@pytest.fixture
def released(tmp_path):
    """A file like the released one, with random weights."""
    torch.manual_seed(0)
    tensors = build_model("errseg-base").released_parameters()
    path = tmp_path / "base.pth"
    torch.save({"model": {name: tensor.detach() for name, tensor in tensors.items()}}, path)
    yield path
    path.unlink()


def test_the_app_with_errseg_base_fits(released, tmp_path, capsys):
    names = load_vocabulary("ade150").names
    more = {"OMP_NUM_THREADS": str(CORES), "ERRSEG_CACHE": str(tmp_path / "cache")}
    with launch_app("--model", str(released), **more) as (url, _):
        process = Path("/proc") / str(process_of(url))
        client = Client(url, verbose=False)

        def ask(photo: str, words: tuple[str, ...]) -> dict:
            image = handle_file(EXAMPLES.with_name(photo))
            classes = ", ".join(words)
            return client.predict(image=image, classes=classes, api_name="/segment")[-1]

        for count in range(NEW_WORDS, len(names) + 1, NEW_WORDS):
            ask("cat.jpg", names[:count])
        taken = []
        for photo in PHOTOS:
            before = time.monotonic(), cpu_seconds(process)
            result = ask(photo, names)
            wall = time.monotonic() - before[0]
            # What other programs take of the cores is not the app's.
            taken.append((min(wall, (cpu_seconds(process) - before[1]) / CORES), wall))
        peak = peak_bytes(process)
    assert len(result["classes"]) == len(names)
    assert result["settings"]["model"] == "errseg-base"
    figures = ", ".join(f"{own:.1f} ({wall:.1f})" for own, wall in taken)
    with capsys.disabled():
        sys.stdout.write(f"\nseconds a photo of two cores (on the wall): {figures}; ")
        sys.stdout.write(f"peak {peak / 1e9:.2f} GB\n")
    assert peak < MOST_BYTES
    assert min(own for own, _ in taken) < MOST_SECONDS


def process_of(url: str) -> int:
    port = "--port=" + url.strip("/").rsplit(":", 1)[1]
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_text().split("\0")
        except OSError:  # it has ended
            continue
        if port in command:
            return int(folder.name)
    raise AssertionError(f"nobody serves {url}")


def cpu_seconds(process: Path) -> float:
    fields = (process / "stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_bytes(process: Path) -> int:
    lines = (process / "status").read_text().splitlines()
    [peak] = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return int(peak) * 1024
