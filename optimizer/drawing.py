"""The artists of a trade-off's picture; needs matplotlib: `optimizer.plotting` imports it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optimizer.tradeoff import Tradeoff, TradeoffPoint

__all__ = ["draw_staircase"]

_WIDTH, _HEIGHT, _DPI = 1200, 675, 100
"""In pixels, and pixels per inch."""

_LEFT, _RIGHT, _TOP, _BOTTOM = 78, 24, 78, 112
"""Margins around the axes, in pixels."""

_LEGEND = 46
"""From the axes down to the legend, in pixels: ticks and the axis' own words."""

# Okabe and Ito's palette, told apart in every common form of colour blindness; rivals differ
# by their dashes too.
_BLUE, _VERMILION, _BLACK = "#0072B2", "#D55E00", "#222222"
_RIVALS = (("#009E73", "--"), ("#CC79A7", "-."), ("#8C8C8C", ":"), ("#56B4E9", "--"))


def draw_staircase(tradeoff: Tradeoff, budget_ns: int | None) -> Figure:
    """A figure of 1200 by 675 pixels; see `optimizer.plotting.draw_tradeoff`."""
    figure = Figure(figsize=(_WIDTH / _DPI, _HEIGHT / _DPI), dpi=_DPI)
    axes = figure.add_axes(
        (
            _LEFT / _WIDTH,
            _BOTTOM / _HEIGHT,
            (_WIDTH - _LEFT - _RIGHT) / _WIDTH,
            (_HEIGHT - _TOP - _BOTTOM) / _HEIGHT,
        )
    )
    _draw_words(figure, axes, tradeoff)
    end_ms = _end_ms(tradeoff, budget_ns)
    for place, rival in enumerate(tradeoff.rivals):
        colour, dashes = _RIVALS[place % len(_RIVALS)]
        _draw_steps(
            axes, rival.points, end_ms,
            color=colour, linestyle=dashes, linewidth=1.5, zorder=2,
            gid=f"rival-{place}", label=f"{rival.name} ({rival.method})",
        )  # fmt: skip
    _draw_steps(
        axes, tradeoff.points, end_ms,
        color=_BLUE, linestyle="-", linewidth=2.2, zorder=3,
        gid="frontier", label="proved optimal",
    )  # fmt: skip
    axes.plot(
        [tradeoff.dense_ms], [100], linestyle="none", marker="s", markersize=7, color=_BLACK,
        gid="dense", label="unpruned", zorder=4, clip_on=False,
    )  # fmt: skip
    if budget_ns is not None:
        _draw_budget(axes, tradeoff, budget_ns)
    axes.set(ylim=(0, 103))
    axes.grid(axis="y", color="#E6E6E6", linewidth=0.8)
    axes.set_axisbelow(True)
    # Below the axes, where no curve can run through it.
    figure.legend(
        loc="upper left", bbox_to_anchor=(16 / _WIDTH, (_BOTTOM - _LEGEND) / _HEIGHT),
        ncols=4, fontsize=9.5, columnspacing=1.6, borderaxespad=0, frameon=False,
    )  # fmt: skip
    return figure


def _end_ms(tradeoff: Tradeoff, budget_ns: int | None) -> float:
    """How far right the last steps are drawn: to the unpruned model or the budget."""
    return max(tradeoff.dense_ns, budget_ns or 0, tradeoff.points[-1].latency_ns) / 1e6


def _draw_words(figure: Figure, axes: Axes, tradeoff: Tradeoff) -> None:
    found = f"{len(tradeoff.points)} schedules, each the best for some budget"
    subtitle = f"{tradeoff.model}, batch {tradeoff.batch}, {tradeoff.dtype}: {found}"
    for gid, words, size, weight, height in (
        ("title", tradeoff.device, 14, "bold", 20),
        ("subtitle", subtitle, 10.5, "normal", 46),
    ):
        figure.text(
            20 / _WIDTH, 1 - height / _HEIGHT, _line(words, 80 if gid == "title" else 140),
            gid=gid, size=size, weight=weight, color=_BLACK, va="top",
        )  # fmt: skip
    axes.set_xlabel("predicted latency (ms)")
    axes.set_ylabel("tokens kept over all blocks (%)")


def _line(words: str, most: int) -> str:
    """On one line of `most` letters, and none among them that an SVG may not hold."""
    line = " ".join(words.split())
    shown = line if len(line) <= most else f"{line[: most - 1]}…"
    return "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in shown
    )


def _draw_steps(axes: Axes, points: Sequence[TradeoffPoint], end_ms: float, **how: Any) -> None:
    """What each budget gives: the last point that is within it."""
    latencies = [point.latency_ms for point in points]
    kept = [_kept(point) for point in points]
    axes.step([*latencies, max(end_ms, latencies[-1])], [*kept, kept[-1]], where="post", **how)


def _kept(point: TradeoffPoint) -> float:
    return 100 * point.schedule.kept_fraction


def _draw_budget(axes: Axes, tradeoff: Tradeoff, budget_ns: int) -> None:
    budget_ms = budget_ns / 1e6
    axes.axvline(
        budget_ms, color=_VERMILION, linewidth=1.2, zorder=1, gid="budget",
        label=f"budget {budget_ms:.2f} ms",
    )  # fmt: skip
    chosen = tradeoff.at(budget_ns)
    if chosen is not None:
        axes.plot(
            [chosen.latency_ms], [_kept(chosen)], linestyle="none", marker="o", markersize=9,
            color=_VERMILION, markeredgecolor="white", gid="chosen", zorder=5, clip_on=False,
            label=f"{chosen.latency_ms:.2f} ms keeps {_kept(chosen):.1f} %",
        )  # fmt: skip
