"""Photos by seed, and questions about them whose answers are known."""

import hashlib
import io

import numpy as np
from hostile_photos import saved
from PIL import Image

from attack.app import App, Client, Said, uploaded

SIZE = (96, 72)
WORDS = "sky, grass, wall"
KEPT, VOTES, THRESHOLD = 32, 3, 0
BLOCKS = (6, 8, 3)  # of colour, in a made-up photo


def blocks(seed: int, size: tuple[int, int] = SIZE) -> Image.Image:
    """Blocks of colour; others for every seed."""
    colors = np.random.default_rng(seed).integers(0, 255, BLOCKS, dtype=np.uint8)
    return Image.fromarray(colors).resize(size, Image.Resampling.NEAREST)


def photo(seed: int, size: tuple[int, int] = SIZE) -> bytes:
    """A JPEG of `blocks`."""
    return saved(blocks(seed, size), "JPEG", quality=90)


def noise(seed: int, size: tuple[int, int]) -> bytes:
    """A JPEG that compresses badly."""
    values = np.random.default_rng(seed).integers(0, 255, (*size[::-1], 3), dtype=np.uint8)
    return saved(Image.fromarray(values), "JPEG", quality=90)


def segment(
    app: App, client: Client, path: str, words: object = WORDS, kept: object = KEPT
) -> Said:
    """Ask the endpoint /segment for a photo that was uploaded."""
    question = [uploaded(path), words, kept, VOTES, THRESHOLD]
    return client.ask(app.functions["segment"], question)


def page_values(app: App, event: str, path: str, **changed: object) -> list:
    """List what a page would send of a photo: values as they stand there.

    Args:
        app: whose page.
        event: the event's name.
        path: of the uploaded photo.
        changed: other values, by the components' ids (``errseg-input-size`` as ``input_size``).
    """
    parts = {one["id"]: one for one in app.config["components"]}
    names = {number: _name(part) for number, part in parts.items()}
    assert changed.keys() <= {*names.values()}, f"the page has no {', '.join(changed)}"
    inputs = next(d["inputs"] for d in app.config["dependencies"] if d["api_name"] == event)
    values = []
    for number in inputs:
        part = parts[number]
        own = {"image": uploaded(path), "file": [uploaded(path)], "state": None}
        usual = own.get(part["type"], part["props"].get("value"))
        values.append(changed.get(names[number], usual))
    return values


def _name(part: dict) -> str:
    return str(part["props"].get("elem_id")).removeprefix("errseg-").replace("-", "_")


def upload_and_segment(app: App, client: Client, name: str, data: bytes, words: str) -> Said:
    """Ask for a photo's file; what the upload says if it isn't taken."""
    sent = client.upload(name, data)
    return segment(app, client, sent.data[0], words) if sent.answered else sent


def mask(client: Client, said: Said) -> np.ndarray:
    """The indices (H, W) of an answer of /segment."""
    return np.asarray(Image.open(io.BytesIO(client.fetch(said.data[1]))))


def digest(client: Client, said: Said) -> str:
    """What tells an answer of /segment from any other: its mask's pixels and its names."""
    pixels = mask(client, said)
    names = [entry["name"] for entry in said.data[2]["classes"]]
    told = f"{pixels.shape} {names}".encode()
    return hashlib.sha256(told + pixels.tobytes()).hexdigest()


class Ordinary:
    """An ordinary question whose answer is known, to see whether an app still answers rightly."""

    SEED = 17
    WORDS = f"{WORDS}, garden gnome"
    """The last one's text doesn't ship, so that the cache of text embeddings has something."""

    def __init__(self, app: App):
        self.expected = self._ask(app)

    def holds(self, app: App) -> bool:
        """Ask it again: is the answer the same? The app may be another process by now."""
        return self._ask(app) == self.expected

    def _ask(self, app: App) -> str:
        with Client(app.url) as client:
            said = upload_and_segment(app, client, "ordinary.jpg", photo(self.SEED), self.WORDS)
            return digest(client, said) if said.answered else f"refused: {said.sentence}"
