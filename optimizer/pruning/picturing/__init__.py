"""A picture of the patches that a cut model keeps: one panel per block that cuts.

`picture_kept` runs a cut model on an image, `kept_picture` takes positions, image and grid
that are there already; `draw_kept` draws either, and `latmodel.plotting.write_plot` writes it
as PNG or SVG.
"""

from __future__ import annotations

from optimizer.pruning.picturing.panels import KeptPicture, Panel, kept_picture
from optimizer.pruning.picturing.photographs import made_up_photograph, read_photograph
from optimizer.pruning.picturing.plotting import draw_kept, picture_kept
from optimizer.pruning.picturing.weights import load_weights

__all__ = [
    "KeptPicture",
    "Panel",
    "draw_kept",
    "kept_picture",
    "load_weights",
    "made_up_photograph",
    "picture_kept",
    "read_photograph",
]
