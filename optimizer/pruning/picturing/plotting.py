"""From a cut model and an image to a figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from latmodel.plotting import plot_style
from optimizer.errors import PictureError
from optimizer.pruning.picturing.panels import PALE, KeptPicture, kept_picture
from optimizer.pruning.picturing.photographs import made_up_photograph
from optimizer.pruning.picturing.seeing import see
from optimizer.pruning.state import applied
from optimizer.pruning.tracing import trace

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL.Image import Image
    from torch import nn

__all__ = ["draw_kept", "picture_kept"]


def picture_kept(
    model: nn.Module,
    image: Image | None = None,
    *,
    title: str = "Patches that remain",
    subtitle: str = PALE,
) -> KeptPicture:
    """Run a cut model on one image, and picture the patches that remain after each cut.

    The image goes through timm's own evaluation of the model: its size, crop, mean and
    deviation. A model that takes images of any size (NaFlexVit, Gemma 4) sees it at the
    one that timm names for it, as whole images, not as a dict of patches. A lossless last
    cut, which keeps all that its head reads, gets no panel.

    Args:
        model: carries a schedule; see `optimizer.pruning.apply`. With random weights the
            patches that it keeps mean nothing.
        image: in RGB; by default a landscape that is made here.
        title: the first line of the picture.
        subtitle: the second.

    Raises:
        ScheduleError: the model carries no schedule.
        PictureError: the model's images cannot be shown, or the schedule is for another
            grid than that of its images.
    """
    schedule = applied(model).schedule
    seen = see(model, made_up_photograph() if image is None else image)
    rows, columns = seen.grid
    if rows * columns != schedule.full - schedule.prefix:
        height, width = seen.pixels.shape[:2]
        raise PictureError(
            f"the schedule is for {schedule.full - schedule.prefix} patches, and images of "
            f"{height} x {width} pixels have {rows} x {columns}: "
            "make the schedule for that size"
        )
    positions = [row[0].cpu().numpy() for row in trace(model, seen.batch)]
    if schedule.lossless_last:
        del positions[-1]
    return kept_picture(positions, seen.pixels, grid=seen.grid, title=title, subtitle=subtitle)


def draw_kept(picture: KeptPicture) -> Figure:
    """Draw it, 1200 units wide at 150 pixels per 100; `latmodel.plotting.write_plot` writes.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    with plot_style():
        from optimizer.pruning.picturing.drawing import draw_panels  # noqa: PLC0415 (an extra)

        return draw_panels(picture)
