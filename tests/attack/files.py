"""Odd, broken and hostile files: each has a right answer or one sentence, in bounds."""

import statistics

import numpy as np
from hostile_photos import saved
from odd_photos import CHINA, ORIENTATION
from PIL import Image

from attack.app import App, Client, Peak, Said
from attack.figures import Figures, is_sentence
from attack.odd_files import ANSWERED, REFUSED, SIZE, OddFile, odd_files, picture
from attack.photos import mask, photo, upload_and_segment

LEAST_FILES = 100  # issue 17: 100 / 100
MOST_SECONDS = 2.0  # issue 17
MOST_MEGABYTES = 300.0  # issue 17: above idle, of the process and its children
TRIES = 3  # of a file that takes too long or too much: others may be at work on this machine
WARM_UPS = 5
SAME = 0.98  # of the pixels, where a file shows the picture to the bit
LOSSY = 0.9  # of the pixels, where it was compressed on its way
WORDS = "sky, tree, building, water, person"
QUICK = 8  # each so-maniest file is tried then
STORED = {  # EXIF's orientation -> how an upright picture is stored
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
TURNED_SIZE = (320, 213)


def attack(app: App, quick: bool = False) -> Figures:
    """Send all files, one after the other."""
    limits = f"{MOST_SECONDS:g} s and {MOST_MEGABYTES:.0f} MB"
    figures = Figures(
        "hostile files", f"all right, under {limits}", least=1 if quick else LEAST_FILES
    )
    with figures.timed(), Client(app.url) as client:
        plain = [_measured(app, client, _plain(seed))[1].seconds for seed in range(WARM_UPS)]
        quiet, worst, most, busiest = min(plain), 0.0, 0.0, 1.0
        reference = mask(client, _ask(app, client, OddFile("picture.png", saved(picture(), "PNG"))))
        for number, file in enumerate(odd_files(QUICK if quick else 1)):
            said, peak = _measured(app, client, file)
            beside, busy = quiet, 1.0
            for attempt in range(TRIES):
                if peak.seconds <= MOST_SECONDS * busy and peak.above_idle <= MOST_MEGABYTES:
                    break
                plain_file = _plain((number + WARM_UPS) * TRIES + attempt)
                beside = _measured(app, client, plain_file)[1].seconds
                busy = max(1.0, beside / quiet)
                said, peak = _measured(app, client, file)
            wrong = _wrong(client, file, said, reference)
            if peak.seconds > MOST_SECONDS * busy:
                wrong.append(f"{peak.seconds:.1f} s (a plain photo {beside:.1f} s)")
            if peak.above_idle > MOST_MEGABYTES:
                wrong.append(f"{peak.above_idle:.0f} MB")
            figures.count(not wrong, f"{file.name}: {', '.join(wrong)}")
            worst, most = max(worst, peak.seconds), max(most, peak.above_idle)
            busiest = max(busiest, busy)
    figures.measured = (
        f"{worst:.1f} s, {most:.0f} MB at most; a plain photo {statistics.median(plain):.1f} s, "
        f"beside slow files {busiest:.1f} times the quickest"
    )
    return figures


def turned(app: App, quick: bool = False) -> Figures:
    """Send one photo in all of EXIF's orientations: the masks have to be upright."""
    figures = Figures("EXIF orientations", "all masks upright")
    with figures.timed(), Client(app.url) as client:
        with Image.open(CHINA) as opened:
            upright = opened.convert("RGB").resize(TURNED_SIZE)
        kinds = {"png": ("PNG", {}), "webp": ("WEBP", {"lossless": True}), "tif": ("TIFF", {})}
        kinds["jpg"] = "JPEG", {"quality": 97}
        file = OddFile("upright.png", saved(upright, "PNG"))
        reference = mask(client, _ask(app, client, file))
        for ending, (kind, more) in list(kinds.items())[:: 3 if quick else 1]:
            for orientation in range(1, 9):
                way = STORED.get(orientation)
                stored = upright.transpose(way) if way is not None else upright
                exif = Image.Exif()
                exif[ORIENTATION] = orientation
                name, data = f"{orientation}.{ending}", saved(stored, kind, exif=exif, **more)
                said = _ask(app, client, OddFile(name, data))
                agree = said.answered and _agree(mask(client, said), reference)
                least = LOSSY if ending == "jpg" else SAME
                figures.count(agree > least, f"{name}: {agree:.3f} of the pixels, {said.sentence}")
    return figures


def _plain(seed: int) -> OddFile:
    return OddFile("plain.jpg", photo(seed, SIZE))


def _ask(app: App, client: Client, file: OddFile) -> Said:
    return upload_and_segment(app, client, file.name, file.data, WORDS)


def _measured(app: App, client: Client, file: OddFile) -> tuple[Said, Peak]:
    with Peak(app) as peak:
        said = _ask(app, client, file)
    return said, peak


def _wrong(client: Client, file: OddFile, said: Said, reference: np.ndarray) -> list[str]:
    """List what is wrong with an answer."""
    if not said.answered:
        wrong = [] if is_sentence(said.sentence) else [f"said {said.sentence!r} ({said.status})"]
        if file.right == ANSWERED:
            wrong.append(f"refused: {said.sentence}")
        return wrong
    if file.right == REFUSED:
        return ["answered"]
    agree = _agree(mask(client, said), reference)
    return [f"{agree:.3f} of the pixels are right"] if file.same and agree < SAME else []


def _agree(one: np.ndarray, other: np.ndarray) -> float:
    return float((one == other).mean()) if one.shape == other.shape else 0.0
