"""Photos as people see them: upright, in colour, laid on white where they are see-through."""

import numpy as np
from PIL import Image, ImageOps

ORIENTATION = 0x0112  # EXIF's tag of how the stored rows and columns lie
LYING = range(5, 9)  # its values that swap width and height


def upright_rgb(image: Image.Image) -> Image.Image:
    """Turn an image as its EXIF orientation says and convert it to RGB; the image stays as it is.

    Greys of 16 bits are brought to 8, transparency is laid on white.
    """
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        grey = np.asarray(image)  # of 16 bits, or small already
        wide = np.issubdtype(grey.dtype, np.integer) and grey.max(initial=0) > 255
        values = grey.astype(np.float64) / (257 if wide else 1)
        image = Image.fromarray(values.clip(0, 255).round().astype(np.uint8))
    elif image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    return image.convert("RGB")


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Say how wide and how high an image is once it is upright; its pixels are not read."""
    lies = image.getexif().get(ORIENTATION) in LYING
    return image.size[::-1] if lies else image.size
