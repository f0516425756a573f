"""What is drawn is read back from the pixels of the PNG."""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from latmodel.errors import MissingExtraError, PlotError
from latmodel.plotting import write_plot
from optimizer.pruning.picturing import KeptPicture, draw_kept, kept_picture
from optimizer.pruning.picturing.drawing import VEIL, layout_of

SVG = "{http://www.w3.org/2000/svg}"
DPI = 150


def coloured(grid: tuple[int, int], patch: int = 8) -> NDArray[np.uint8]:
    """Every patch of a colour of its own."""
    colours = np.random.default_rng(0).integers(0, 200, (*grid, 3), dtype=np.uint8)
    return colours.repeat(patch, axis=0).repeat(patch, axis=1)


def falling(grid: tuple[int, int], cuts: int) -> list[NDArray[np.int64]]:
    """Positions after so many cuts, chosen at random, fewer each time."""
    generator = np.random.default_rng(1)
    rows, left = [], np.arange(grid[0] * grid[1])
    for keep in np.linspace(len(left), 1, cuts + 2)[1:-1].astype(int):
        left = np.sort(generator.choice(left, keep, replace=False))
        rows.append(left)
    return rows


def patch_centres(png: Path, picture: KeptPicture) -> NDArray[np.int64]:
    """The colours in the middle of each patch, (panels, rows, columns, 3)."""
    with Image.open(png) as found:
        pixels = np.asarray(found.convert("RGB")).astype(int)
    tall, wide = pixels.shape[:2]
    layout = layout_of(1 + len(picture.panels), picture.image.shape[:2])
    rows, columns = picture.grid
    answer = np.zeros((1 + len(picture.panels), rows, columns, 3), dtype=int)
    for index in range(len(answer)):
        left, bottom, width, height = layout.place(index)
        for row, column in np.ndindex(rows, columns):
            y = (1 - bottom - height + height * (row + 0.5) / rows) * tall
            x = (left + width * (column + 0.5) / columns) * wide
            answer[index, row, column] = pixels[int(y), int(x)]
    return answer


@pytest.mark.parametrize(
    ("grid", "cuts"), [((6, 6), 1), ((5, 9), 3), ((9, 5), 4), ((6, 6), 9), ((4, 8), 13)]
)
def test_kept_patches_are_as_they_are_and_dropped_ones_pale(
    tmp_path: Path, grid: tuple[int, int], cuts: int
) -> None:
    """Every patch of every panel, and of the image that comes first."""
    image, rows = coloured(grid), falling(grid, cuts)
    picture = kept_picture(rows, image, grid=grid)
    write_plot(tmp_path / "kept.png", draw_kept(picture))
    found = patch_centres(tmp_path / "kept.png", picture)
    true = image[4::8, 4::8].astype(int)
    assert len(found) == 1 + cuts
    assert abs(found[0] - true).max() <= 2
    for seen, row in zip(found[1:], rows, strict=True):
        there = np.isin(np.arange(grid[0] * grid[1]), row).reshape(grid)
        wanted = np.where(there[..., None], true, (1 - VEIL) * true + VEIL * 255)
        assert abs(seen - wanted).max() <= 3


@pytest.mark.parametrize("shape", [(224, 224), (160, 320), (320, 128), (10, 900), (900, 10)])
@pytest.mark.parametrize("panels", [1, *range(2, 14), 25, 41])
def test_panels_stay_inside_and_apart(panels: int, shape: tuple[int, int]) -> None:
    layout = layout_of(panels, shape)
    places = [layout.place(index) for index in range(panels)]
    for left, bottom, width, height in places:
        assert 0 < left < left + width < 1
        assert 0 < bottom < bottom + height < 1
        ratio = width * 1200 / (height * layout.figure_height)
        assert ratio == pytest.approx(shape[1] / shape[0])
    for (left, bottom, width, _), (after, below, _, height) in pairwise(places):
        assert after > left + width or below + height < bottom
    assert (layout.rows - 1) * layout.columns < panels <= layout.rows * layout.columns


@pytest.mark.parametrize(
    ("panels", "lines"),
    [(2, (1, 2)), (4, (1, 4)), (7, (2, 4)), (10, (2, 5)), (13, (3, 5)), (25, (4, 7))],
)
def test_lines_are_about_equally_full(panels: int, lines: tuple[int, int]) -> None:
    layout = layout_of(panels, (224, 224))
    assert (layout.rows, layout.columns) == lines


@pytest.mark.parametrize("cuts", [1, 3, 9, 12, 24])
def test_names_stay_within_their_panels(cuts: int) -> None:
    """With numbers of the longest: blocks above 9, 2304 patches."""
    picture = kept_picture(falling((48, 48), cuts), coloured((48, 48), 1), grid=(48, 48))
    figure = draw_kept(picture)
    assert figure.dpi == DPI
    figure.draw_without_rendering()
    for axes in figure.axes:
        (name,) = axes.texts
        words, box = name.get_window_extent(), axes.get_window_extent()
        assert box.x0 - 1 <= words.x0 < words.x1 <= box.x1
        assert words.y0 > box.y1


def test_the_svg_says_what_each_panel_is(tmp_path: Path) -> None:
    rows = [range(16), (1, 2, 3), (1, 2, 3), (2,)]
    picture = kept_picture(
        [np.array(row) for row in rows],
        coloured((4, 4)),
        grid=(4, 4),
        title="a $x_2$ <model>",
        subtitle="of nothing",
    )
    write_plot(tmp_path / "kept.svg", draw_kept(picture))
    svg = ET.fromstring((tmp_path / "kept.svg").read_bytes())  # noqa: S314 (our own file)
    assert ["".join(text.itertext()) for text in svg.iter(f"{SVG}text")] == [
        "the image: 16 patches",
        "block 1: 3 of 16 patches",
        "block 3: 1 of 16 patches",
        "a $x_2$ <model>",
        "of nothing",
    ]


@pytest.mark.parametrize("name", ["kept.png", "kept.svg"])
def test_the_same_picture_is_the_same_bytes(tmp_path: Path, name: str) -> None:
    picture = kept_picture(falling((4, 4), 2), coloured((4, 4)), grid=(4, 4))
    write_plot(tmp_path / name, draw_kept(picture))
    first = (tmp_path / name).read_bytes()
    write_plot(tmp_path / name, draw_kept(picture))
    assert (tmp_path / name).read_bytes() == first


def test_a_picture_of_no_cut_is_the_image_alone() -> None:
    picture = kept_picture([range(16)], coloured((4, 4)), grid=(4, 4))
    (axes,) = draw_kept(picture).axes
    assert axes.texts[0].get_text() == "the image: 16 patches"


def test_another_ending_leaves_nothing(tmp_path: Path) -> None:
    figure = draw_kept(kept_picture([], coloured((4, 4)), grid=(4, 4)))
    with pytest.raises(PlotError):
        write_plot(tmp_path / "kept.jpg", figure)
    assert list(tmp_path.iterdir()) == []


def test_without_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError) as caught:
        draw_kept(kept_picture([], coloured((4, 4)), grid=(4, 4)))
    assert str(caught.value) == (
        "a picture needs matplotlib, which this Python lacks: pip install 'token-budget[plot]'"
    )
