"""The artists of a picture; needs matplotlib, so `latmodel.plotting` imports it on use.

All lengths are in pixels of a picture of 1200 by 675.
"""

from __future__ import annotations

from math import ceil, log2
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.ticker import MultipleLocator

from latmodel.label_lanes import label_lanes, rightmost_end
from latmodel.picture import Picture
from latmodel.steps import Step

__all__ = ["BLACK", "GREY", "draw_picture", "one_line"]

_WIDTH, _HEIGHT, _DPI = 1200, 675, 100
"""In pixels, and pixels per inch."""

_LEFT, _RIGHT, _TOP, _BOTTOM = 72, 24, 78, 112
"""Margins around the axes, in pixels; `_RIGHT` grows where the name of an edge needs it."""

_LANE = 19
"""The height of a lane of names, in pixels."""

_GAP = 5
"""Between a pole and its name, and between names, in pixels."""

_LEGEND = 46
"""From the axes down to the legend, in pixels: ticks and the axis' own words."""

_NS_PER_MS = 1e6

# Okabe and Ito's palette, told apart in every common form of colour blindness; words are in
# its vermilion, darkened until it reads well on white.
_BLUE, _VERMILION, _WORDS, GREY, BLACK = (
    "#0072B2", "#D55E00", "#A84300", "#8C8C8C", "#222222",
)  # fmt: skip


_STEP: dict[str, Any] = {"color": _VERMILION, "linewidth": 3}


def draw_picture(picture: Picture) -> Figure:
    """A figure of 1200 by 675 pixels; see `latmodel.plotting.draw`."""
    figure = Figure(figsize=(_WIDTH / _DPI, _HEIGHT / _DPI), dpi=_DPI)
    axes = figure.add_axes((0, 0, 1, 1))
    _draw_words(figure, axes, picture)
    _draw_latency(axes, picture)
    _draw_steps(figure, axes, picture)
    _draw_legend(figure, axes, picture)
    return figure


def _draw_words(figure: Figure, axes: Axes, picture: Picture) -> None:
    captions = picture.captions
    for gid, words, size, weight, height in (
        ("title", one_line(captions.title, 80), 14, "bold", 20),
        ("subtitle", one_line(captions.subtitle, 140), 10.5, "normal", 46),
    ):
        figure.text(
            20 / _WIDTH, 1 - height / _HEIGHT, words,
            gid=gid, size=size, weight=weight, color=BLACK, va="top",
        )  # fmt: skip
    axes.set_xlabel("tokens per image, prefix included")
    axes.set_ylabel(f"{one_line(captions.latency, 60)} (ms)")


def one_line(words: str, most: int) -> str:
    """On one line of `most` letters, and none among them that an SVG may not hold."""
    line = " ".join(words.split())
    shown = line if len(line) <= most else f"{line[: most - 1]}…"
    return "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in shown
    )


def _draw_latency(axes: Axes, picture: Picture) -> None:
    counts, samples = picture.counts, picture.samples
    low, high = 1 - picture.settings.confidence, picture.settings.confidence
    axes.fill_between(
        counts, picture.lower_ns / _NS_PER_MS, picture.upper_ns / _NS_PER_MS,
        color=_BLUE, alpha=0.18, linewidth=0, gid="band",
        label=f"{low * 100:.4g} % to {high * 100:.4g} % error band",
    )  # fmt: skip
    if samples is not None:
        mean, most = picture.sample_errors()
        axes.plot(
            samples.counts, np.array(samples.latency_ns) / _NS_PER_MS,
            linestyle="none", marker="o", markersize=2.6, color=GREY, markeredgewidth=0,
            gid="samples", zorder=2,
            label=f"{len(samples.counts)} dense samples; the curve is off by\n"
            f"{mean * 100:.1f} % in the mean, {most * 100:.1f} % at the 95th percentile",
        )  # fmt: skip
    axes.plot(
        counts, picture.expected_ns / _NS_PER_MS,
        color=_BLUE, linewidth=1.8, gid="expected", label="expected latency", zorder=3,
    )  # fmt: skip
    if picture.probes:
        places, latencies = zip(*picture.probes, strict=True)
        axes.plot(
            places, np.array(latencies) / _NS_PER_MS,
            linestyle="none", marker="o", markersize=6, color=BLACK, markeredgecolor="white",
            markeredgewidth=0.8, gid="probes", label=f"{len(places)} probes", zorder=5,
        )  # fmt: skip


def _draw_steps(figure: Figure, axes: Axes, picture: Picture) -> None:
    """Mark the named edges, and hang their names above the curve where none hides another."""
    steps = picture.steps
    names = [_draw_name(axes, step) for step in steps]
    FigureCanvasAgg(figure)  # measures words, here and nowhere else, also for an SVG
    low, high = _span(picture)
    places = [(step.first + step.last) / 2 for step in steps]
    shares = [(place - low) / (high - low) for place in places]
    right = rightmost_end(shares, [_width(name) for name in names], _LEFT, _WIDTH - _RIGHT)
    poles = [share * (right - _LEFT) for share in shares]
    for name, step, pole in zip(names, steps, poles, strict=True):
        _add_cause(name, step, _WIDTH - _RIGHT - _LEFT - pole)
    lanes = label_lanes(poles, [_width(name) for name in names])
    tall, room = _HEIGHT - _TOP - _BOTTOM, _LANE * (max(lanes, default=-1) + 1.5)
    ceiling = _peak_ms(picture) * tall / (tall - room)
    axes.set_position(
        (_LEFT / _WIDTH, _BOTTOM / _HEIGHT, (right - _LEFT) / _WIDTH, tall / _HEIGHT)
    )
    axes.set(xlim=(low, high), ylim=(0, ceiling))
    gap = _GAP * (high - low) / (right - _LEFT)
    for name, step, place, lane in zip(names, steps, places, lanes, strict=True):
        height = ceiling * (1 - (max(lanes) - lane + 0.5) * _LANE / tall)
        name.set_position((place + gap, height))
        _draw_pole(axes, picture, step, height)


def _draw_name(axes: Axes, step: Step) -> Text:
    gid = f"edge-{step.first}-{step.last}"
    behind = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}  # hides the grid
    return axes.text(
        0, 0, step.brief, gid=gid, color=_WORDS, size=9.5, va="center", bbox=behind
    )


def _width(name: Text) -> float:
    return float(name.get_window_extent().width) + 2 * _GAP


def _add_cause(name: Text, step: Step, room: float) -> None:
    """Name the cause too, unless the axis would have to shrink for it."""
    name.set_text(step.words)
    if _width(name) > room:
        name.set_text(step.brief)


def _draw_pole(axes: Axes, picture: Picture, step: Step, height: float) -> None:
    start = int(picture.counts[0])
    both = np.array((step.first, step.last))
    latency = picture.expected_ns[both - start] / _NS_PER_MS
    dashes = "-" if step.located else ":"
    middle = (step.first + step.last) / 2
    axes.vlines(
        middle, latency.max(), height, color=_VERMILION, linewidth=0.8, linestyle=dashes
    )
    axes.plot(both, latency, linestyle=dashes, zorder=4, **_STEP)


def _edges_in_words(picture: Picture) -> str:
    words = [f"edge of {picture.settings.threshold * 100:.3g} % or more"]
    if any(not step.located for step in picture.steps):
        words.append("dotted: place unknown")
    if picture.unnamed:
        words.append(f"{picture.unnamed} more not named")
    return "; ".join(words)


def _span(picture: Picture) -> tuple[float, float]:
    """The ends of the horizontal axis: a little beyond the first and last count."""
    low, high = float(picture.counts[0]), float(picture.counts[-1])
    margin = max(0.5, (high - low) / 80)
    return low - margin, high + margin


def _peak_ms(picture: Picture) -> float:
    latencies = [picture.upper_ns.max(), *(latency for _, latency in picture.probes)]
    if picture.samples is not None:
        latencies.append(max(picture.samples.latency_ns))
    return float(max(latencies)) / _NS_PER_MS


def _draw_legend(figure: Figure, axes: Axes, picture: Picture) -> None:
    low, high = axes.get_xlim()
    # Kernels work in tiles of powers of two, so that is where a reader looks.
    axes.xaxis.set_major_locator(MultipleLocator(2 ** max(0, ceil(log2((high - low) / 14)))))
    axes.grid(axis="y", color="#E6E6E6", linewidth=0.8)
    axes.set_axisbelow(True)
    handles: dict[str | None, Artist] = {
        artist.get_gid(): artist for artist in (*axes.lines, *axes.collections)
    }
    if picture.steps:
        handles["edges"] = Line2D([], [], label=_edges_in_words(picture), **_STEP)
    # The longest last: columns are filled from the left, two entries each.
    order = ("expected", "band", "probes", "edges", "samples")
    figure.legend(
        handles=[handles[gid] for gid in order if gid in handles],
        loc="upper left",
        bbox_to_anchor=(16 / _WIDTH, (_BOTTOM - _LEGEND) / _HEIGHT),
        ncols=3,
        fontsize=9.5,
        markerscale=1.5,
        handlelength=1.8,
        columnspacing=1.6,
        borderaxespad=0,
        frameon=False,
    )
