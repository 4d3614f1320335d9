"""Photos that come as arrays of numbers, of any type and with any usual number of channels."""

import numpy as np
from PIL import Image

from errseg.errors import InputError
from errseg.inference.photo_files import ReadPhoto, check_size, upright_pixels
from errseg.tones import find_tones

CHANNELS = (1, 2, 3, 4)  # grey, grey and opacity, RGB, RGBA
MODES = {2: "LA", 3: "RGB", 4: "RGBA"}
NUMBERS = "uifb"  # NumPy's kinds: without a sign, with one, fractions, truths


def read_array(given: object) -> ReadPhoto:
    """Read an array (H, W) or (H, W, C) of 1 to 4 channels; bytes are taken as they are.

    Other numbers are brought to bytes by one scale for all colours, see `errseg.tones.find_tones`;
    opacity has its own.

    Raises:
        InputError: it has another shape or holds no numbers.
    """
    try:
        array = np.asarray(given)
    except Exception as error:  # a GPU's, one that needs a gradient, a broken one: any kind
        raise InputError(f"This array can't be read ({type(error).__name__}: {error}).") from None
    _check(array)
    check_size(array.shape[1], array.shape[0])
    notices = ()
    if array.dtype.kind == "b":
        array = array * np.uint8(255)
    elif array.dtype != np.uint8:
        colors = array if array.ndim == 2 or array.shape[2] % 2 else array[..., :-1]
        tones = find_tones([colors])
        notices, levels = tones.notices, tones.levels(colors)
        if colors is not array:
            opacity = find_tones([array[..., -1:]]).levels(array[..., -1:])
            levels = np.concatenate([levels, opacity], axis=2)
        array = levels
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.ndim == 3 and array.shape[2] == 3:
        pixels = np.ascontiguousarray(array)
    else:
        mode = "L" if array.ndim == 2 else MODES[array.shape[2]]
        size = array.shape[1::-1]
        image = Image.frombytes(mode, size, np.ascontiguousarray(array).tobytes())
        pixels = upright_pixels(image, None)
    return ReadPhoto(pixels, pixels.shape[1::-1], notices)


def _check(array: np.ndarray) -> None:
    told = f"{array.dtype} {array.shape}"
    if array.dtype.kind not in NUMBERS:
        raise InputError(f"A photo's array holds numbers, not {array.dtype}.")
    if array.ndim == 3 and array.shape[0] in CHANNELS and array.shape[2] not in CHANNELS:
        raise InputError(
            f"An array's channels come last, (H, W, 3), and here first: {told}; "
            "give array.transpose(1, 2, 0)."
        )
    if array.ndim == 4:
        raise InputError(f"Give one photo of this array at a time, such as array[0]: {told}.")
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in CHANNELS):
        raise InputError(
            f"A photo's array has the shape (H, W), (H, W, 3) or (H, W, 4), not {told}."
        )
