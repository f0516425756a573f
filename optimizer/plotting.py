"""Draw a trade-off as a staircase of latency and kept tokens, beside published shapes.

matplotlib is an extra, so it is imported only where something is drawn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from latmodel.plotting import plot_style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from optimizer.tradeoff import Tradeoff

__all__ = ["draw_tradeoff"]


def draw_tradeoff(tradeoff: Tradeoff, *, budget_ns: int | None = None) -> Figure:
    """Draw a trade-off, 1200 by 675 pixels; `latmodel.plotting.write_plot` writes it.

    Args:
        tradeoff: what is drawn.
        budget_ns: a budget to mark, with the schedule that it gives.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    with plot_style():
        from optimizer.drawing import draw_staircase  # noqa: PLC0415 (brings matplotlib)

        return draw_staircase(tradeoff, budget_ns)
