"""What a picture of kept patches shows, before anything is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from optimizer.errors import PictureError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["PALE", "KeptPicture", "Panel", "kept_picture"]

PALE = "pale patches are gone"
"""What a panel shows, for the second line."""


@dataclass(frozen=True, slots=True)
class Panel:
    """What one cut leaves.

    Attributes:
        block: the index of the block that cuts, from 0.
        positions: patches that remain, rising, row by row on the grid; shape (kept,).
    """

    block: int
    positions: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class KeptPicture:
    """One image, and what is left of it after each cut.

    Attributes:
        image: as the model sees it, uint8 of shape (height, width, 3).
        grid: rows and columns of patches.
        panels: one for each block that cuts, in their order.
        title: the first line.
        subtitle: the second: where positions and image come from.
    """

    image: NDArray[np.uint8]
    grid: tuple[int, int]
    panels: tuple[Panel, ...]
    title: str = "Patches that remain"
    subtitle: str = PALE

    @property
    def patches(self) -> int:
        """Patches of the whole image."""
        return self.grid[0] * self.grid[1]

    def kept(self, panel: Panel) -> NDArray[np.bool_]:
        """Which patches a panel keeps; shape (rows, columns)."""
        there = np.zeros(self.patches, dtype=bool)
        there[list(panel.positions)] = True
        return there.reshape(self.grid)


def kept_picture(
    positions: Sequence[ArrayLike],
    image: ArrayLike,
    *,
    grid: tuple[int, int],
    title: str = "Patches that remain",
    subtitle: str = PALE,
) -> KeptPicture:
    """The picture of positions that are known.

    Args:
        positions: for each block, the patches of this image that remain after its cut, as
            one row of `optimizer.pruning.trace`; each shape (kept,), integers. A block that
            keeps what reaches it gets no panel.
        image: uint8 of shape (height, width, 3).
        grid: rows and columns of patches, which cover the image evenly.
        title: the first line.
        subtitle: the second.

    Raises:
        PictureError: an array is of another shape or type, a position lies outside the
            grid, or a patch comes back that was gone.

    >>> import numpy as np
    >>> grey = np.full((8, 8, 3), 128, dtype=np.uint8)
    >>> kept_picture([[0, 1, 2, 3], [0, 3]], grey, grid=(2, 2)).panels
    (Panel(block=1, positions=(0, 3)),)
    """
    pixels = np.asarray(image)
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise PictureError(
            f"image is {pixels.dtype} of shape {pixels.shape}: must be uint8 of shape "
            "(height, width, 3)"
        )
    if min(grid) < 1:
        raise PictureError(f"grid is {grid}: rows and columns must be 1 or more")
    before = tuple(range(grid[0] * grid[1]))
    panels: list[Panel] = []
    for block, row in enumerate(positions):
        after = _checked(row, before, block)
        if after != before:
            panels.append(Panel(block, after))
        before = after
    return KeptPicture(pixels, grid, tuple(panels), title, subtitle)


def _checked(row: ArrayLike, before: tuple[int, ...], block: int) -> tuple[int, ...]:
    places = np.asarray(row)
    if places.ndim != 1 or (places.size and not np.issubdtype(places.dtype, np.integer)):
        raise PictureError(
            f"positions[{block}] is {places.dtype} of shape {places.shape}: must be integers "
            "of shape (kept,), those of one image"
        )
    after = tuple(int(place) for place in places)
    strange = sorted(set(after) - set(before))
    if strange:
        raise PictureError(
            f"positions[{block}] holds {strange[0]}, which is not among the {len(before)} "
            "patches that reach that block: give the grid and the trace of the same model"
        )
    if any(one >= other for one, other in pairwise(after)):
        raise PictureError(f"positions[{block}] does not rise: give them as trace does")
    return after
