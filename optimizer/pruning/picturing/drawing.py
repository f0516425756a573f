"""The artists of a picture of kept patches; needs matplotlib, so it is imported on use.

All lengths are in hundredths of an inch, as the pixels of `latmodel.drawing`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from latmodel.drawing import BLACK, GREY, one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from optimizer.pruning.picturing.panels import KeptPicture

__all__ = ["VEIL", "Layout", "draw_panels", "layout_of"]

_WIDTH, _DPI = 1200, 150
"""The picture's width, and pixels per inch."""

_SIDE, _TOP, _BOTTOM = 20, 76, 20
"""Margins; the top one holds title and subtitle."""

_GAP, _NAME = 16, 26
"""Between panels, and above each for its name."""

_TALLEST = 620
"""A panel's height at most."""

VEIL = 0.8
"""How much white lies over a dropped patch: enough to see what stays, and where it was."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the panels stand.

    Attributes:
        columns: panels side by side.
        rows: lines of panels.
        width: of a panel.
        height: of a panel.
    """

    columns: int
    rows: int
    width: float
    height: float

    @property
    def figure_height(self) -> float:
        """Of the whole picture."""
        return _TOP + self.rows * (self.height + _NAME) + (self.rows - 1) * _GAP + _BOTTOM

    def place(self, index: int) -> tuple[float, float, float, float]:
        """Left, bottom, width and height of a panel, as fractions of the picture."""
        row, column = divmod(index, self.columns)
        left = _SIDE + column * (self.width + _GAP)
        down = _TOP + row * (self.height + _NAME + _GAP) + _NAME + self.height
        tall = self.figure_height
        return left / _WIDTH, 1 - down / tall, self.width / _WIDTH, self.height / tall


def layout_of(panels: int, shape: tuple[int, int]) -> Layout:
    """Lay out panels so that lines are about equally full and none is a strip.

    Args:
        panels: how many, the image's own included.
        shape: height and width of the image.
    """
    most = 4 if panels <= 4 else 5 if panels <= 15 else 8
    rows = ceil(panels / most)
    columns = ceil(panels / rows)
    height, width = shape
    # Two at least, so that a lonely image does not fill the screen.
    share = max(columns, 2)
    wide = (_WIDTH - 2 * _SIDE - (share - 1) * _GAP) / share
    wide = min(wide, _TALLEST * width / height)
    return Layout(columns, rows, wide, wide * height / width)


def draw_panels(picture: KeptPicture) -> Figure:
    """The image, then a panel for each cut; see `optimizer.pruning.picturing.draw_kept`."""
    layout = layout_of(1 + len(picture.panels), picture.image.shape[:2])
    tall = layout.figure_height
    figure = Figure(figsize=(_WIDTH / 100, tall / 100), dpi=_DPI)
    for gid, words, size, weight, colour, down in (
        ("title", one_line(picture.title, 90), 14, "bold", BLACK, 20),
        ("subtitle", one_line(picture.subtitle, 160), 10, "normal", BLACK, 47),
    ):
        figure.text(
            _SIDE / _WIDTH, 1 - down / tall, words,
            gid=gid, size=size, weight=weight, color=colour, va="top",
        )  # fmt: skip
    _draw_panel(figure, layout, 0, picture, None, f"the image: {picture.patches} patches")
    for index, panel in enumerate(picture.panels, start=1):
        kept = picture.kept(panel)
        name = f"block {panel.block}: {kept.sum()} of {picture.patches} patches"
        _draw_panel(figure, layout, index, picture, kept, name)
    return figure


def _draw_panel(
    figure: Figure,
    layout: Layout,
    index: int,
    picture: KeptPicture,
    kept: NDArray[np.bool_] | None,
    name: str,
) -> None:
    axes = figure.add_axes(layout.place(index), gid=f"panel-{index}")
    axes.set_axis_off()
    rows, columns = picture.grid
    # In patches, so that every edge of the grid is a whole number.
    extent = (0, columns, rows, 0)
    axes.imshow(picture.image, extent=extent, aspect="auto", interpolation="bilinear")
    axes.set(xlim=(0, columns), ylim=(rows, 0))
    # By the longest that a narrow panel has room for: 2304 patches, blocks above 9.
    narrow = layout.width < 200
    size = 8 if narrow else 9 if layout.width < 250 else 10
    axes.text(
        0, 1 + 7 / layout.height, name.removesuffix(" patches") if narrow else name,
        transform=axes.transAxes, size=size, color=BLACK, gid=f"name-{index}",
    )  # fmt: skip
    if kept is not None:
        veil = np.ones((rows, columns, 4))
        veil[..., 3] = np.where(kept, 0.0, VEIL)
        axes.imshow(veil, extent=extent, aspect="auto", interpolation="nearest")
        _draw_lines(axes, kept, thin=min(1.0, layout.width / columns / 16))


def _draw_lines(axes: Axes, kept: NDArray[np.bool_], *, thin: float) -> None:
    """Thin lines between patches, and a dark one around those that are kept."""
    rows, columns = kept.shape
    inner = [((x, 0), (x, rows)) for x in range(1, columns)]
    inner += [((0, y), (columns, y)) for y in range(1, rows)]
    axes.add_collection(
        LineCollection(inner, colors="white", alpha=0.45, linewidths=0.6 * thin)
    )
    border = LineCollection(_border(kept), colors=GREY, linewidths=0.9 * thin)
    border.set_capstyle("projecting")
    axes.add_collection(border)


def _border(kept: NDArray[np.bool_]) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """The edges between a kept patch and a dropped one, or the outside."""
    padded = np.pad(kept, 1)
    down = np.argwhere(padded[1:, 1:-1] != padded[:-1, 1:-1])
    right = np.argwhere(padded[1:-1, 1:] != padded[1:-1, :-1])
    lying = [((int(x), int(y)), (int(x) + 1, int(y))) for y, x in down]
    return lying + [((int(x), int(y)), (int(x), int(y) + 1)) for y, x in right]
