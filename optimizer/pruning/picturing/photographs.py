"""Images to look at: a file's, or one that is made here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from optimizer.errors import PictureError

__all__ = ["FORMATS", "made_up_photograph", "read_photograph"]

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
"""What is decoded; other formats of Pillow's start programs (EPS) or are no photographs."""


def read_photograph(path: str | Path) -> Image.Image:
    """An image file in RGB, upright as its camera noted.

    Args:
        path: a PNG, JPEG, WebP, BMP, GIF or TIFF file; of several frames the first.

    Raises:
        PictureError: the file cannot be read, is no such image, is broken, or has more
            pixels than Pillow trusts.
    """
    place = Path(path)
    try:
        with Image.open(place, formats=FORMATS) as found:
            upright = ImageOps.exif_transpose(found)
            return upright.convert("RGB")
    except FileNotFoundError:
        raise PictureError(f"{place}: no such image file") from None
    except Exception as error:  # noqa: BLE001 (a decoder of a broken file raises anything)
        said = getattr(error, "strerror", None) or str(error) or type(error).__name__
        allowed = ", ".join(FORMATS)
        raise PictureError(
            f"{place}: no image that can be read ({said}); allowed are {allowed}"
        ) from None


def made_up_photograph(width: int = 480, height: int = 480) -> Image.Image:
    """A landscape made of formulas, the same each time: sky, sun, hills and a house.

    >>> made_up_photograph().size
    (480, 480)
    """
    y, x = np.mgrid[0:height, 0:width].astype(float)
    x, y = x / width, y / height
    pixels = _mix((94, 156, 214), (250, 224, 190), y / 0.7)
    glow = np.exp(-20 * ((x - 0.74) ** 2 + (y - 0.24) ** 2))
    pixels += glow[..., None] * np.array((70, 40, -20))
    _paint(pixels, np.hypot(x - 0.74, y - 0.24) < 0.075, (255, 244, 200))
    far = 0.56 + 0.07 * np.sin(5.2 * x + 0.6) + 0.03 * np.sin(13 * x)
    near = 0.72 + 0.05 * np.sin(4.1 * x + 2.4)
    shade = 14 * np.sin(46 * x + 9 * y) * np.sin(38 * y)
    _paint(pixels, y > far, (92, 132, 124))
    _paint(pixels, y > near, (116, 158, 72))
    pixels[y > near] += shade[y > near, None]
    for left, top in ((0.62, 0.60), (0.70, 0.57), (0.79, 0.62), (0.90, 0.58)):
        _paint(pixels, np.hypot((x - left) / 0.045, (y - top - 0.1) / 0.11) < 1, (44, 92, 58))
    _paint(pixels, (abs(x - 0.3) < 0.13) & (y > 0.6) & (y < 0.8), (224, 208, 184))
    roof = (y > 0.47) & (y < 0.6) & (abs(x - 0.3) < 0.17 * (y - 0.45) / 0.15)
    _paint(pixels, roof, (168, 62, 48))
    _paint(pixels, (abs(x - 0.3) < 0.028) & (y > 0.7) & (y < 0.8), (96, 62, 44))
    for window in (0.225, 0.375):
        _paint(pixels, (abs(x - window) < 0.025) & (abs(y - 0.67) < 0.03), (70, 96, 128))
    return Image.fromarray(pixels.clip(0, 255).round().astype(np.uint8))


def _mix(
    first: tuple[int, int, int], last: tuple[int, int, int], share: np.ndarray
) -> np.ndarray:
    weight = share.clip(0, 1)[..., None]
    mixed: np.ndarray = (1 - weight) * np.array(first) + weight * np.array(last)
    return mixed


def _paint(pixels: np.ndarray, where: np.ndarray, colour: tuple[int, int, int]) -> None:
    pixels[where] = colour
