"""Draw a picture of a latency curve, as PNG or SVG.

matplotlib is an extra, so it is imported only where something is drawn; never its pyplot,
which keeps figures and a window system for the whole process.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from latmodel.curve import Curve
from latmodel.dense_samples import DenseSamples
from latmodel.errors import PlotError
from latmodel.extras import require_extra
from latmodel.files import require_target, write_bytes
from latmodel.picture import Captions, Picture, PlotSettings, picture_of_curve

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "ENDINGS",
    "draw",
    "draw_curve",
    "plot_style",
    "require_picture_target",
    "write_plot",
]

ENDINGS = (".png", ".svg")
"""What a picture's file name may end in."""

_STYLE = {
    "font.size": 10,
    "text.parse_math": False,  # a device's name may hold a dollar sign
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.fonttype": "none",  # text stays text: it can be searched, read aloud and tested
    "svg.hashsalt": "latmodel",  # identifiers are the same each time
    "savefig.dpi": "figure",
}


def draw_curve(
    curve: Curve,
    *,
    captions: Captions | None = None,
    samples: DenseSamples | None = None,
    settings: PlotSettings | None = None,
) -> Figure:
    """Draw a measured curve; see `picture_of_curve` for the arguments and `draw`.

    Raises:
        PlotError: a sample lies outside the curve.
        MissingExtraError: matplotlib is not installed.
    """
    return draw(picture_of_curve(curve, captions=captions, samples=samples, settings=settings))


def draw(picture: Picture) -> Figure:
    """Draw a picture, 1200 by 675 pixels at 100 per inch; `write_plot` writes it.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    with plot_style():
        from latmodel.drawing import draw_picture  # noqa: PLC0415 (brings matplotlib)

        return draw_picture(picture)


def require_picture_target(path: str | Path) -> None:
    """Refuse a place where no picture can be written, before anything is drawn.

    Raises:
        PlotError: the ending is not one of `ENDINGS`.
        ProfileError: the place cannot be written.
    """
    ending = Path(path).suffix
    if ending.lower() not in ENDINGS:
        raise PlotError(
            f"{path}: found the ending {ending!r}, allowed are {' and '.join(ENDINGS)}"
        )
    require_target(path)


def write_plot(path: str | Path, figure: Figure) -> None:
    """Write a figure as PNG or SVG, by the file's ending, whole or not at all.

    The same figure gives the same bytes with the same matplotlib: no date, no version, no
    random identifier.

    Raises:
        PlotError: the ending is not one of `ENDINGS`.
        ProfileError: the place cannot be written.
    """
    require_picture_target(path)
    form = Path(path).suffix.lower().removeprefix(".")
    unsaid = ("Software",) if form == "png" else ("Date", "Creator")
    data = io.BytesIO()
    with plot_style():
        figure.savefig(data, format=form, metadata=dict.fromkeys(unsaid))
    write_bytes(path, data.getvalue())


@contextmanager
def plot_style() -> Iterator[None]:
    """Our settings while we draw, whatever the user's are; theirs come back after.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    require_extra("a picture", ("matplotlib",), extra="plot")
    from matplotlib import style  # noqa: PLC0415 (an extra, and slow to import)

    with style.context(["default", _STYLE]):
        yield
