"""What a picture holds, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from optimizer.errors import PictureError
from optimizer.pruning.picturing import Panel, kept_picture

IMAGE = np.zeros((8, 16, 3), dtype=np.uint8)
ALL = tuple(range(8))


def test_only_blocks_that_cut_get_a_panel() -> None:
    rows = [ALL, (0, 2, 5), (0, 2, 5), ()]
    picture = kept_picture(rows, IMAGE, grid=(2, 4))
    assert picture.panels == (Panel(1, (0, 2, 5)), Panel(3, ()))
    assert picture.kept(picture.panels[0]).tolist() == [
        [True, False, True, False],
        [False, True, False, False],
    ]
    assert not picture.kept(picture.panels[1]).any()
    assert kept_picture([ALL, ALL], IMAGE, grid=(2, 4)).panels == ()


@pytest.mark.parametrize(
    ("rows", "image", "grid", "said"),
    [
        (
            [ALL],
            IMAGE.astype(float),
            (2, 4),
            "image is float64 of shape (8, 16, 3): must be uint8 of shape (height, width, 3)",
        ),
        (
            [ALL],
            IMAGE[..., 0],
            (2, 4),
            "image is uint8 of shape (8, 16): must be uint8 of shape (height, width, 3)",
        ),
        ([ALL], IMAGE, (0, 4), "grid is (0, 4): rows and columns must be 1 or more"),
        (
            [ALL, [ALL]],
            IMAGE,
            (2, 4),
            "positions[1] is int64 of shape (1, 8): must be integers of shape (kept,), those "
            "of one image",
        ),
        (
            [[0.5]],
            IMAGE,
            (2, 4),
            "positions[0] is float64 of shape (1,): must be integers of shape (kept,), those "
            "of one image",
        ),
        (
            [[0, 8]],
            IMAGE,
            (2, 4),
            "positions[0] holds 8, which is not among the 8 patches that reach that block: "
            "give the grid and the trace of the same model",
        ),
        (
            [[0, 1], [0, 2]],
            IMAGE,
            (2, 4),
            "positions[1] holds 2, which is not among the 2 patches that reach that block: "
            "give the grid and the trace of the same model",
        ),
        (
            [[1, 0]],
            IMAGE,
            (2, 4),
            "positions[0] does not rise: give them as trace does",
        ),
        (
            [[1, 1]],
            IMAGE,
            (2, 4),
            "positions[0] does not rise: give them as trace does",
        ),
    ],
)
def test_what_does_not_fit_is_refused(
    rows: Any, image: Any, grid: tuple[int, int], said: str
) -> None:
    with pytest.raises(PictureError) as caught:
        kept_picture(rows, image, grid=grid)
    assert str(caught.value) == said
