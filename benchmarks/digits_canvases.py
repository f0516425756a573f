"""Handwritten digits in clutter: small canvases on which most patches are background.

    python benchmarks/digits_canvases.py --out canvases.png --seed 0

scikit-learn's bundled 8 x 8 digits (1797, from the UCI set of optical recognition), one whole
digit a canvas: turned, sheared and bent, at a place of its own, among pieces of other digits,
strokes and specks, under noise. Canvases are grey, 56 x 56, one byte a pixel; a model gets
them three times over, so that timm's stock transforms and a plain ImageFolder serve as they
are. Patches of 4 make 196 of them, of which the digit covers a tenth to a fifth.

The split is by form. Digits were written on forms, one after another in the set, and each
form asks for the same digits in the same order, which shows where one begins: so at 1415. The
first 1400 digits are for training and the 382 from 1415 on are held out: those never appear in
a training canvas, neither whole nor as a piece, nor does any other digit of their forms. The
set names no writers: that another form is another hand is likely, and no more than that.

The same seed gives the same canvases, whatever the number that are drawn beside them.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from digits_strokes import Bending, draw_digits, draw_strokes
from PIL import Image

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]

SIDE, PATCH, CLASSES = 56, 4, 10
TRAINING, HELD_OUT = 1400, 1415
"""Where the digits for training end, and where those that are held out begin, with a form."""

_CHUNK = 64
"""Canvases that are drawn at once, from a stream of their own."""

_MOST_PIECES, _MOST_STROKES, _MOST_SPECKS = 4, 4, 6
_PIECE, _STROKE = 16, 20
"""Sides, in pixels, of what pieces of digits and strokes are drawn in."""


class Digits(NamedTuple):
    """Some of scikit-learn's digits.

    Args:
        images: (n, 8, 8), from 0 to 1.
        labels: (n,).
        indices: (n,), where each stands in the whole set.
    """

    images: Floats
    labels: Integers
    indices: Integers


class Canvases(NamedTuple):
    """Drawn canvases, with what they were drawn from.

    Args:
        images: (n, 56, 56), grey.
        labels: (n,), of the one whole digit.
        sources: (n, 1 + pieces), indices of the digits drawn, the whole one first; -1 for none.
        boxes: (n, 4), the whole digit's left, top, right and bottom in pixels.
    """

    images: Bytes
    labels: Integers
    sources: Integers
    boxes: Integers


_DIMMED = 0.4
"""What is left of clutter's ink where it meets the digit."""


def load_split(held_out: bool) -> Digits:
    """The digits of one side of the split."""
    from sklearn.datasets import load_digits  # noqa: PLC0415 (a second; only where digits are)

    images, labels = load_digits(return_X_y=True)
    chosen = slice(HELD_OUT, None) if held_out else slice(0, TRAINING)
    indices = np.arange(len(labels), dtype=np.int64)[chosen]
    grey = (images.reshape(-1, 8, 8) / 16).astype(np.float32)
    return Digits(grey[chosen], labels[chosen].astype(np.int64), indices)


def draw_canvases(
    digits: Digits, count: int, *, seed: int, difficulty: float = 1.0, varied: float = 1.0
) -> Canvases:
    """Draw canvases, the same for the same arguments.

    Args:
        digits: what they are drawn from.
        count: how many.
        seed: two seeds give unlike canvases; a larger count only adds to a smaller one.
        difficulty: from 0, one large plain digit, to 1, a small one in clutter.
        varied: how much digits are bent and their strokes changed; 1 is the test's own amount,
            more is for training.

    Raises:
        ValueError: a difficulty outside 0 to 1.
    """
    if not 0 <= difficulty <= 1:
        raise ValueError(f"difficulty is {difficulty}: allowed is 0, plain, to 1, cluttered")
    chunks = [
        _draw(digits, np.random.default_rng((seed, chunk)), difficulty, varied)
        for chunk in range(-(-count // _CHUNK))
    ]
    return Canvases(*(np.concatenate(parts)[:count] for parts in zip(*chunks, strict=True)))


def _draw(digits: Digits, rng: np.random.Generator, hard: float, varied: float) -> Canvases:
    many = _CHUNK
    # Each canvas has a difficulty of its own, up to the one asked for: easy ones stay in.
    level = hard * rng.uniform(0.6, 1, many)
    canvas = np.zeros((many, SIDE, SIDE), np.float32)
    pieces, shown = _pieces(canvas, digits, rng, level)
    _strokes(canvas, rng, level)
    _specks(canvas, rng, level)
    size = np.rint(rng.uniform(30, 42, many) * (1 - level) + rng.uniform(17, 25, many) * level)
    chosen = rng.integers(len(digits.labels), size=many)
    bending = Bending.drawn(rng, many, varied)
    window = int(size.max()) + 6
    whole = draw_digits(digits.images[chosen], window, size, bending)
    whole *= rng.uniform(0.75, 1, (many, 1, 1)).astype(np.float32)
    centre = np.rint(rng.uniform(size[:, None] / 2, SIDE - size[:, None] / 2, (many, 2)))
    _put_whole(canvas, whole, centre.astype(np.int64), size)
    images = _lit(canvas, rng, level)
    corner = centre - size[:, None] / 2
    boxes = np.clip(np.hstack([corner, corner + size[:, None]]), 0, SIDE).astype(np.int64)
    others = np.where(shown, digits.indices[pieces], -1)
    sources = np.hstack([digits.indices[chosen][:, None], others])
    return Canvases(images, digits.labels[chosen], sources, boxes)


def _put_whole(
    canvas: Floats, whole: Floats, centre: Integers, size: npt.NDArray[np.float64]
) -> None:
    """Lay each digit on top, and dim what it meets: strokes through it would rename it."""
    window = whole.shape[1]
    padded = np.pad(canvas, ((0, 0), (window, window), (window, window)))
    for place, stamp, (x, y), reach in zip(padded, whole, centre, size / 2, strict=True):
        left, top = x + window - window // 2, y + window - window // 2
        part = place[top : top + window, left : left + window]
        across = np.arange(window) - (window - 1) / 2
        part[np.hypot(across, across[:, None]) < reach] *= _DIMMED
        np.maximum(part, stamp, out=part)
    canvas[:] = padded[:, window:-window, window:-window]


def _pieces(
    canvas: Floats, digits: Digits, rng: np.random.Generator, level: npt.NDArray[np.float64]
) -> tuple[Integers, npt.NDArray[np.bool_]]:
    """Half a digit each, smaller than a whole one: half of it is cut off along a line."""
    many = len(level) * _MOST_PIECES
    chosen = rng.integers(len(digits.labels), size=many)
    bending = Bending.drawn(rng, many, 2.0)
    stamps = draw_digits(digits.images[chosen], _PIECE, rng.uniform(9, 14, many), bending)
    angle = rng.uniform(0, 2 * np.pi, (many, 1, 1))
    across = np.arange(_PIECE) - (_PIECE - 1) / 2
    side = np.cos(angle) * across + np.sin(angle) * across[:, None]
    stamps *= side > rng.uniform(-1.0, 1.5, (many, 1, 1))
    shown = rng.uniform(size=(len(level), _MOST_PIECES)) < level[:, None]
    _scatter(canvas, stamps, shown, rng)
    return chosen.reshape(shown.shape), shown


def _strokes(canvas: Floats, rng: np.random.Generator, level: npt.NDArray[np.float64]) -> None:
    shown = rng.uniform(size=(len(level), _MOST_STROKES)) < level[:, None]
    _scatter(canvas, draw_strokes(rng, shown.size, _STROKE), shown, rng)


def _specks(canvas: Floats, rng: np.random.Generator, level: npt.NDArray[np.float64]) -> None:
    shown = rng.uniform(size=(len(level), _MOST_SPECKS)) < level[:, None]
    sides = rng.integers(1, 4, (shown.size, 2, 1))
    across = np.arange(4)
    stamps = (across < sides[:, 0])[:, None, :] & (across < sides[:, 1])[:, :, None]
    _scatter(canvas, stamps.astype(np.float32), shown, rng)


def _scatter(
    canvas: Floats, stamps: Floats, shown: npt.NDArray[np.bool_], rng: np.random.Generator
) -> None:
    """Lay stamps (canvases * each, w, w) at random places, in strengths of their own."""
    window = stamps.shape[1]
    stamps *= rng.uniform(0.4, 1, (len(stamps), 1, 1)).astype(np.float32)
    corners = rng.integers(0, SIDE - window + 1, (*shown.shape, 2))
    each = shown.shape[1]
    for i, j in np.argwhere(shown):
        x, y = corners[i, j]
        part = canvas[i, y : y + window, x : x + window]
        np.maximum(part, stamps[i * each + j], out=part)


def _lit(canvas: Floats, rng: np.random.Generator, level: npt.NDArray[np.float64]) -> Bytes:
    """Add a slope of light and noise, and round to bytes."""
    many = len(canvas)
    strength = level.astype(np.float32)[:, None, None]
    slope = rng.uniform(-0.12, 0.12, (2, many, 1, 1)).astype(np.float32)
    across = np.linspace(-1, 1, SIDE, dtype=np.float32)
    light = 0.12 + slope[0] * across + slope[1] * across[:, None]
    noise = rng.standard_normal(canvas.shape, dtype=np.float32) * 0.08
    lit = canvas * (1 - 0.25 * strength) + strength * (light + noise)
    return np.asarray(np.rint(np.clip(lit, 0, 1) * 255), np.uint8)


def main() -> None:
    """Write a sheet of held-out canvases, easy to hard from top to bottom."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    digits = load_split(held_out=True)
    rows = [
        draw_canvases(digits, 12, seed=args.seed, difficulty=hard).images
        for hard in (0, 0.25, 0.5, 0.75, 1, 1)
    ]
    sheet = np.concatenate([np.concatenate(list(row), axis=1) for row in rows])
    Image.fromarray(sheet).save(args.out)


if __name__ == "__main__":
    main()
