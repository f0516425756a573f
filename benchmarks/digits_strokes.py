"""Draw digits of 8 x 8 at any size, bent, and strokes: the ink of `digits_canvases.py`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

_FINE = 4
"""Digits are made so many times finer, once and smoothly, before they are bent."""

_EDGE, _CUT = 3.0, 0.55
"""How steep a stroke's edge is drawn (1 is as blurred as 8 x 8 pixels are), and where: above
half, or the holes of small loops close."""


class Bending(NamedTuple):
    """How each of n digits is bent: (n,) each, but the wave's.

    Args:
        turn: in radians.
        shear: sideways, a share of the height.
        squeeze: width over height, as a log.
        weight: added to the ink before it is cut to a stroke: above 0, bolder.
        wave: (n, 2), how far the digit sways sideways and up and down, in pixels of 8 x 8.
        phase: (n, 2), where that begins, in radians.
    """

    turn: Floats
    shear: Floats
    squeeze: Floats
    weight: Floats
    wave: Floats
    phase: Floats

    @classmethod
    def drawn(cls, rng: np.random.Generator, many: int, varied: float) -> Bending:
        """Draw at random; `varied` scales all but the phase."""

        def normal(spread: float, *shape: int) -> Floats:
            found = np.clip(rng.standard_normal((many, *shape), dtype=np.float32), -2, 2)
            return np.float32(spread * varied) * found

        phase = rng.uniform(0, 2 * np.pi, (many, 2)).astype(np.float32)
        return cls(
            normal(0.08), normal(0.08), normal(0.06), normal(0.05), normal(0.1, 2), phase
        )


def draw_digits(
    images: Floats, window: int, size: npt.NDArray[np.float64], bending: Bending
) -> Floats:
    """Draw digits in windows, each in the middle of its own.

    Args:
        images: (n, 8, 8), from 0 to 1.
        window: side of what comes back, in pixels.
        size: (n,), side of a digit in pixels.
        bending: of n digits.

    Returns:
        Ink, (n, window, window), from 0 to 1.
    """
    fine = _refined(images)
    across = np.arange(window, dtype=np.float32) - np.float32((window - 1) / 2)
    scale = (8 / size).astype(np.float32)[:, None, None]
    x, y = across * scale, across[:, None] * scale
    turn, shear, squeeze, weight = (part[:, None, None] for part in bending[:4])
    cos, sin = np.cos(turn), np.sin(turn)
    turned_x = (cos * x + sin * y) * np.exp(squeeze)
    turned_y = (cos * y - sin * x) * np.exp(-squeeze)
    turned_x += shear * turned_y
    wave, phase = bending.wave[..., None, None], bending.phase[..., None, None]
    bent_x = turned_x + wave[:, 0] * np.sin(turned_y * 0.8 + phase[:, 0])
    bent_y = turned_y + wave[:, 1] * np.sin(turned_x * 0.8 + phase[:, 1])
    ink = _sampled(fine, bent_x, bent_y)
    return np.asarray(np.clip((ink - _CUT + weight) * _EDGE + 0.5, 0, 1), np.float32)


def draw_strokes(rng: np.random.Generator, many: int, window: int) -> Floats:
    """Draw bent lines of one width each, (n, window, window)."""
    angle = rng.uniform(0, np.pi, (many, 1, 1)).astype(np.float32)
    half = rng.uniform(3, 0.45 * window, (many, 1, 1)).astype(np.float32)
    thick = rng.uniform(0.6, 1.5, (many, 1, 1)).astype(np.float32)
    bow = rng.uniform(-0.06, 0.06, (many, 1, 1)).astype(np.float32)
    across = np.arange(window, dtype=np.float32) - np.float32((window - 1) / 2)
    x, y = across, across[:, None]
    along = np.cos(angle) * x + np.sin(angle) * y
    beside = np.cos(angle) * y - np.sin(angle) * x + bow * along * along
    away = np.hypot(np.maximum(np.abs(along) - half, 0), beside)
    return np.asarray(np.clip(thick + 0.5 - away, 0, 1), np.float32)


def _refined(images: Floats) -> Floats:
    """Digits with a margin of one pixel, `_FINE` times finer, by cubic interpolation."""
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2)))
    places = (np.arange(10 * _FINE) + 0.5) / _FINE + 0.5
    first = np.floor(places).astype(np.int64) - 1
    weights = np.zeros((len(places), 12), np.float32)
    for step in range(4):
        far = np.abs(places - (first + step))
        near = 1.5 * far**3 - 2.5 * far**2 + 1
        wide = -0.5 * far**3 + 2.5 * far**2 - 4 * far + 2
        value = np.where(far < 1, near, wide)
        inside = (first + step >= 0) & (first + step < 12)
        weights[np.flatnonzero(inside), (first + step)[inside]] = value[inside]
    return np.asarray(weights @ padded @ weights.T, dtype=np.float32)


def _sampled(fine: Floats, x: Floats, y: Floats) -> Floats:
    """Between four pixels; nothing outside. x and y count pixels of 8 x 8 from the middle."""
    side = fine.shape[1]
    across = np.clip(x * _FINE + side / 2 - 0.5, 0, side - 1.001).astype(np.float32)
    down = np.clip(y * _FINE + side / 2 - 0.5, 0, side - 1.001).astype(np.float32)
    column, row = across.astype(np.int32), down.astype(np.int32)
    across -= column
    down -= row
    flat = fine.reshape(-1)
    at = row * side + column
    at += (np.arange(len(fine), dtype=np.int32) * (side * side))[:, None, None]
    upper = flat[at] * (1 - across) + flat[at + 1] * across
    lower = flat[at + side] * (1 - across) + flat[at + side + 1] * across
    return np.asarray(upper * (1 - down) + lower * down, dtype=np.float32)
